"""Converts values of any kind to values that JSON can hold, and parses JSON without losing a digit.

Sources return values of numpy, pandas, Arrow or a database driver. Each is converted to a JSON value with the same
meaning.
"""

from __future__ import annotations

import base64
import json
import math
import re
import struct
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any

JSON = Any

_DOUBLE_BYTES = 8
_FOREIGN = ("NaTType", "NAType", "MonthDayNano")
_MOST_DIGITS = 4_300
"""
Maximum number of digits of a whole number; Python converts no longer one to text, and few services read one.

A number that would have more of them before or behind the point is written with its exponent.
"""
_MOST_EXACT_OF_FEW = 2**24
"""Up to this number, four bytes hold every whole number."""
_PLAIN = frozenset({str, int, bool})


def to_json_value(value: object) -> JSON:
    """
    Return a value in a form that JSON can hold.

    An object with named fields, such as a dataclass, becomes an object, and a member of an enumeration its value. Times
    and durations become ISO 8601, bytes Base64. A decimal number becomes the number with the same digits, or text if
    there is none, as for infinity. NaN and missing values of pandas become null. Anything else becomes its text. A
    number that was written ``12.50`` keeps that form. The keys of a mapping become what they would as values; if two
    of them would then be one text, the mapping becomes a list of pairs.
    """
    if value is None or value.__class__ in _PLAIN:
        return value
    if value.__class__ is list:
        return [to_json_value(inner) for inner in value]
    if isinstance(value, (str, int)):
        return to_json_value(value.value) if isinstance(value, Enum) else value
    if isinstance(value, float):
        return value if math.isfinite(value) else decimal_to_json(Decimal(value))
    if isinstance(value, Mapping):
        return _object(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(bytes(value)).decode()
    own = to_python(value)
    if own is not value:
        return to_json_value(own)
    if (named := named_fields(value)) is not None:
        return {name: to_json_value(inner) for name, inner in named.items()}
    return [to_json_value(inner) for inner in value] if isinstance(value, Sequence) else _scalar(value)


def _object(value: Mapping[object, object]) -> JSON:
    made = {
        name if name.__class__ is str else _key(name): to_json_value(inner) for name, inner in value.items()
    }
    return made if len(made) == len(value) else to_json_value([*value.items()])


def _key(name: object) -> str:
    made = to_json_value(name)
    return made if isinstance(made, str) else json_text(made)


def named_fields(value: object) -> Mapping[str, object] | None:
    """Return the named fields of an object: of a dataclass, attrs, Pydantic or a named tuple."""
    kind = type(value)
    if kind is dict or kind is str:
        return None
    names: Iterable[str] = ()
    if is_dataclass(kind):
        names = [field.name for field in fields(kind)]
    elif hasattr(kind, "__attrs_attrs__"):
        names = [field.name for field in kind.__attrs_attrs__]
    elif issubclass(kind, tuple):
        names = getattr(kind, "_fields", ())
    else:
        names = getattr(kind, "model_fields", ())
    return {name: getattr(value, name) for name in names} if names else None


def to_python(value: object) -> object:
    """
    Return Python's own value for one of numpy, pandas or Arrow, None for their missing values; others unchanged.

    A set becomes a list, in an order that is the same in each process.
    """
    if isinstance(value, (str, int, float, list, dict)):
        return value
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)
    found: Any = value
    if (name := type(value).__name__) in _FOREIGN:
        return iso_interval(*found) if name == "MonthDayNano" else None
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    if kind is None or not hasattr(value, "tolist"):
        return value
    if kind == "f" and found.dtype.itemsize < _DOUBLE_BYTES:
        return (
            [to_python(inner) for inner in found]
            if found.shape
            else shortest_float(float(found), found.dtype.itemsize)
        )
    if kind not in "mM":
        return found.tolist()
    # Their times may have nanoseconds, which Python's do not.
    return (
        [to_python(inner) for inner in found]
        if getattr(found, "shape", ())
        else _moment_of_numpy(found, kind)
    )


def _moment_of_numpy(value: Any, kind: str) -> object:
    rounded = value.astype(f"{'datetime' if kind == 'M' else 'timedelta'}64[us]")
    own = (value if value.dtype.str.endswith("[D]") and kind == "M" else rounded).tolist()
    if own is None or (rounded == value and not isinstance(own, int)):
        return own
    if kind == "m":
        return iso_duration(int(value.astype("timedelta64[ns]").astype("int64")))
    year, rest = re.findall(r"(-?\d+)(.*)", str(value))[0]
    return iso_year(int(year)) + rest


def _scalar(value: object) -> JSON:
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        microseconds = (value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds
        return iso_duration(microseconds * 1_000 + int(getattr(value, "nanoseconds", 0)))
    if isinstance(value, Decimal):
        return _as_written(decimal_to_json(value), value)
    return to_json_value(value.value) if isinstance(value, Enum) else str(value)


def iso_year(year: int) -> str:
    """Return a year in the form of ISO 8601: with a sign if it has more than four digits or is negative."""
    return f"{year:04d}" if 0 <= year <= date.max.year else f"{year:+05d}"


def iso_duration(nanoseconds: int) -> str:
    """Return a duration in the form of ISO 8601, such as ``P1DT2H30M0.5S``; a minus sign stands in front."""
    seconds, fraction = divmod(abs(nanoseconds), 1_000_000_000)
    days, seconds = divmod(seconds, 86_400)
    hours, seconds = divmod(seconds, 3_600)
    minutes, seconds = divmod(seconds, 60)
    second = f"{seconds}.{fraction:09d}".rstrip("0") if fraction else str(seconds)
    parts = ((str(hours), "H"), (str(minutes), "M"), (second, "S"))
    clock = "".join(f"{number}{unit}" for number, unit in parts if number != "0")
    day = f"{days}D" if days else ""
    text = "P" + day + (f"T{clock}" if clock else "" if day else "T0S")
    return f"-{text}" if nanoseconds < 0 else text


def iso_interval(months: int, days: int, nanoseconds: int) -> str:
    """
    Return a calendar interval in the form of ISO 8601, such as ``P1Y2M3DT4H``; its sign as in :func:`iso_duration`.
    """
    rest = days * 86_400_000_000_000 + nanoseconds
    if not months:
        return iso_duration(rest)
    if months < 0:
        return f"-{iso_interval(-months, -days, -nanoseconds)}"
    years, months = divmod(months, 12)
    calendar = "P" + (f"{years}Y" if years else "") + (f"{months}M" if months else "")
    clock = iso_duration(abs(rest))[1:] if rest else ""
    return calendar + (re.sub(r"[\d.]+", r"-\g<0>", clock) if rest < 0 else clock)


def shortest_float(value: float | None, size_bytes: int) -> float | None:
    """Return the shortest number that the same few bytes hold: 19.99, not 19.989999771118164."""
    if value is None or not math.isfinite(value) or (value.is_integer() and abs(value) <= _MOST_EXACT_OF_FEW):
        return value
    form, usual, most, smallest = ("<f", 6, 9, 2.0**-126) if size_bytes == 4 else ("<e", 3, 5, 2.0**-14)
    # A number below the smallest in full precision may have been written with a single digit.
    tried = (float(f"{value:.{count}g}") for count in range(usual if abs(value) >= smallest else 1, most + 1))
    return next(short for short in tried if struct.unpack(form, struct.pack(form, short))[0] == value)


def decimal_to_json(value: Decimal) -> float | str | None:
    """Return the JSON number with the digits of a decimal; its text if there is none (``Infinity``), None for NaN."""
    if not value.is_finite():
        return None if value.is_nan() else str(value)
    if value == value.to_integral_value():
        return int(value) if value.adjusted() < _MOST_DIGITS else str(value)
    number = float(value)
    return number if Decimal(repr(number)) == value else str(value)


def decimal_text(value: Decimal) -> str:
    """Return the digits of a decimal number; with an exponent if they would be very many zeros."""
    return format(value, "f") if abs(value.adjusted()) < _MOST_DIGITS else str(value)


class _WrittenInt(int):
    digits: str

    def __str__(self) -> str:
        return self.digits


class _WrittenFloat(float):
    digits: str

    def __str__(self) -> str:
        return self.digits


def _as_written(number: float | str | None, value: Decimal) -> JSON:
    """Return a number whose text has the digits that it was written with, such as the zeros of a price."""
    digits = decimal_text(value)
    if number is None or isinstance(number, str) or digits == str(number):
        return number
    made = _WrittenInt(number) if isinstance(number, int) else _WrittenFloat(number)
    made.digits = digits
    return made


class DuplicateFieldError(ValueError):
    """An object has two fields of one name. The text completes a sentence that begins with the place of the object."""


def parse_json(line: str) -> JSON:
    """
    Return the value of a line of JSON; a number with a fraction keeps all its digits. One whose exponent is beyond
    those of Python's decimals is its text.

    :raises DuplicateFieldError: an object has two fields of one name.
    :raises ValueError: it is not JSON.
    """
    text = line.strip(_BLANKS)
    value, end = _LINES.raw_decode(text)  # faster than decode() by a fifth
    if end < len(text):
        raise ValueError
    return value


def _number_of_json(text: str) -> float | Decimal | str:
    number = float(text)
    if repr(number) == text:
        return number
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


def unique_fields(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    """
    Return an object of JSON as a mapping.

    :raises DuplicateFieldError: two of its fields have one name.
    """
    made = dict(pairs)
    if len(made) < len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise DuplicateFieldError(f"has the field {twice!r} twice in one object")
    return made


_BLANKS = " \t\r\n"
"""The white space of JSON; Python's strip() removes more."""
_LINES = json.JSONDecoder(parse_float=_number_of_json, object_pairs_hook=unique_fields)


def json_text(value: JSON) -> str:
    """
    Return the JSON text of a value from :func:`to_json_value`; a number keeps the digits that it was written with.
    """
    if isinstance(value, Mapping):
        fields = (
            f"{json.dumps(str(name), ensure_ascii=False)}: {json_text(inner)}"
            for name, inner in value.items()
        )
        return f"{{{', '.join(fields)}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(json_text, value))}]"
    if isinstance(value, (_WrittenInt, _WrittenFloat)):
        return value.digits
    return json.dumps(value, ensure_ascii=False)
