"""
Reads and writes JSON: the output is always valid JSON, the input is a value or a ``ValueError``.

``NaN`` and ``Infinity`` are refused in both directions: they are not JSON, and a reader would fail on them. A number
too large for a float, such as ``1e999``, would become infinity and is refused too. So is a document nested too deeply,
on which a recursive reader would fail.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any, NoReturn, TypeAlias

JSON: TypeAlias = Any
"""A value that JSON can hold: dict with string keys, list, str, int, float, bool or None."""


def _refuse_constant(name: str) -> NoReturn:
    msg = f"{name} is not JSON"
    raise ValueError(msg)


def _finite(digits: str) -> float:
    if isfinite(value := float(digits)):
        return value
    msg = "a number is too large"
    raise ValueError(msg)


# A number without fraction and exponent costs nothing more.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
_BOM = b"\xef\xbb\xbf"

MAX_DEPTH = 100
"""Maximum nesting, including the outermost value; far more than any answer has, and far less than a recursive reader
can take."""
_REFUSAL_BYTES = 2**20
_TOO_DEEP = "nested too deeply"
_NESTING = frozenset({dict, list})


def to_json(body: bytes) -> JSON:
    """
    Read exactly one JSON document.

    :param body: UTF-8, a byte order mark is tolerated.
    :raises ValueError: not UTF-8, not JSON, nested too deeply, or something follows the document.
    """
    try:
        value = _DECODER.decode(body.removeprefix(_BOM).decode())
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _is_too_deep(value):
        raise ValueError(_TOO_DEEP)
    return value


def _is_too_deep(value: JSON) -> bool:
    """Return whether a value is nested too deeply: level by level, which costs less than to look through its text."""
    level: list[JSON] = [[value]]
    for _ in range(MAX_DEPTH + 1):
        level = [
            inner
            for outer in level
            for inner in (outer if type(outer) is list else outer.values())
            if type(inner) in _NESTING
        ]
        if not level:
            return False
    return True


def refusal_json(body: bytes) -> JSON:
    """
    Read the JSON document that the body of a refusal starts with. An older server appends a second one to it.

    :return: None where there is none, and where the body is larger than any refusal has a reason to be.
    """
    if len(body) > _REFUSAL_BYTES:
        return None
    try:
        return first_json(body.removeprefix(_BOM).decode("utf-8", "replace"))
    except ValueError:
        return None


def first_json(text: str) -> JSON:
    """
    Read the JSON document that a text starts with, whatever follows it.

    :raises ValueError: the text does not start with a JSON document.
    """
    try:
        return _DECODER.raw_decode(text.lstrip())[0]
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None


def to_body(value: Mapping[str, JSON]) -> bytes:
    """
    Write compact ASCII JSON.

    :raises ValueError: NaN, infinity, a circular reference, or nested too deeply.
    :raises TypeError: a value that JSON can't hold.
    """
    try:
        return _ENCODER.encode(value).encode("ascii")
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None


_PLAIN = frozenset({str, int, bool, type(None)})


def unwritable(value: JSON) -> tuple[str, str] | None:
    """
    Return the place in a value that JSON can't hold, and why. It names types, never values, which may be personal data.

    :return: the path below the value and the end of a sentence about it; None: all of it is valid.
    :raises RecursionError: nested too deeply, or in a circle.
    """
    if value.__class__ in _PLAIN:
        return None
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                return "", f"has a key that is no text ({type(key).__name__})"
            if item.__class__ not in _PLAIN and (found := unwritable(item)):
                return f".{key}{found[0]}", found[1]
        return None
    if isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            if item.__class__ not in _PLAIN and (found := unwritable(item)):
                return f"[{index}]{found[0]}", found[1]
        return None
    return _unwritable_leaf(value)


def _unwritable_leaf(value: JSON) -> tuple[str, str] | None:
    if isinstance(value, float):
        return None if isfinite(value) else ("", "is not a finite number, JSON has no NaN or Infinity")
    if isinstance(value, (str, int)):
        return None
    kind = type(value).__name__
    if kind.endswith("Undefined"):  # Jinja's own, if templates are rendered to Python values
        return "", "is undefined, its template names what is not there"
    return "", f"is a {kind}, which JSON can't hold"
