"""
Converts the result of a call to a form that every Airflow version can store as an XCom.

Airflow stores the XCom after ``execute`` and retries the whole task where that fails, which would repeat the call. So
values that Airflow or its database refuses become text: an integer of more than 64 bits its digits, NaN and infinities
their names, bytes Base64, half of a surrogate pair and the character NUL their escapes, and an object with keys that
Airflow reserves its JSON. All other values stay as they are.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from typing import Any

_LEAST, _MOST = -(2**63), 2**64 - 1
_RESERVED = ({"__classname__"}, {"__id__"}, {"__type", "__var"})


def fit_for_xcom(value: Any) -> Any:
    """
    Return a value as XCom can hold it.

    :param value: what a call has returned; left as it is.
    """
    if value is None or isinstance(value, bool):
        return value
    for kinds, fit in _FITS:
        if isinstance(value, kinds):
            return fit(value)
    return value


def utf8(text: str) -> bytes:
    """Encode any text: half of a surrogate pair, which no UTF-8 can hold, is written as JSON escapes it."""
    return text.encode("utf-8", "backslashreplace")


def _fit_text(text: str) -> str:
    if "\0" in text:
        text = text.replace("\0", "\\u0000")
    return text if text.isascii() else utf8(text).decode()


def _fit_integer(number: int) -> int | str:
    return number if _LEAST <= number <= _MOST else str(number)


def _fit_float(number: float) -> float | str:
    return number if math.isfinite(number) else str(number)


def _fit_bytes(data: bytes | bytearray | memoryview) -> str:
    return base64.b64encode(data).decode("ascii")


def _fit_mapping(value: Mapping[Any, Any]) -> dict[Any, Any] | str:
    fit = {
        _fit_text(key) if isinstance(key, str) else key: fit_for_xcom(inner) for key, inner in value.items()
    }
    is_reserved = any(names <= fit.keys() for names in _RESERVED)
    return json.dumps(fit, ensure_ascii=False, default=str) if is_reserved else fit


_FITS: tuple[tuple[Any, Any], ...] = (
    (str, _fit_text),
    (int, _fit_integer),
    (float, _fit_float),
    (Mapping, _fit_mapping),
    (list, lambda items: [fit_for_xcom(item) for item in items]),
    (tuple, lambda items: tuple(fit_for_xcom(item) for item in items)),
    ((bytes, bytearray, memoryview), _fit_bytes),
)
