"""
JSON in and out: what leaves is always valid JSON, what comes in is either a value or a ``ValueError``.

``NaN`` and ``Infinity`` are refused in both directions: they are no JSON, and a downstream reader would
choke on them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn, TypeAlias

__all__ = ["JSON", "first_json", "to_body", "to_json"]

JSON: TypeAlias = Any
"""A value that JSON can hold: dict with string keys, list, str, int, float, bool or None."""


def _refuse_constant(name: str) -> NoReturn:
    msg = f"{name} is not JSON"
    raise ValueError(msg)


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
_BOM = b"\xef\xbb\xbf"


def to_json(body: bytes) -> JSON:
    """
    Read exactly one JSON document.

    :param body: UTF-8, a byte order mark is tolerated.
    :raises ValueError: not UTF-8, not JSON, nested too deeply, or something follows the document.
    """
    try:
        return _DECODER.decode(body.removeprefix(_BOM).decode())
    except RecursionError:
        msg = "nested too deeply"
        raise ValueError(msg) from None


def first_json(text: str) -> JSON:
    """
    Read the JSON document that a text starts with, whatever follows it.

    :raises ValueError: the text does not start with a JSON document.
    """
    try:
        return _DECODER.raw_decode(text.lstrip())[0]
    except RecursionError:
        msg = "nested too deeply"
        raise ValueError(msg) from None


def to_body(value: Mapping[str, JSON]) -> bytes:
    """
    Write compact ASCII JSON.

    :raises ValueError: NaN, infinity, a circular reference, or nested too deeply.
    :raises TypeError: a value that JSON can't hold.
    """
    try:
        return _ENCODER.encode(value).encode("ascii")
    except RecursionError:
        msg = "nested too deeply"
        raise ValueError(msg) from None
