"""The two types of JSON in this package, and the one way to write and read it here."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

JSON = Any
JSONObject = dict[str, Any]


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


# One encoder and one decoder for all: json.dumps and json.loads build new ones for each call with options.
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_decode = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite).decode


def dump(value: JSON) -> bytes:
    """
    Write JSON as UTF-8; a lone surrogate becomes a question mark rather than an error.

    :param value: anything that JSON can hold.
    """
    return _encode(value).encode("utf-8", "replace")


def load(data: bytes) -> JSON:
    """
    Read JSON strictly: UTF-8 only, no NaN or Infinity, nor what would become one.

    :param data: one JSON document.
    :raises ValueError: it is none (this includes a nesting too deep to read).
    """
    try:
        return _decode(data.decode("utf-8"))
    except RecursionError:
        raise ValueError("nested too deep") from None
