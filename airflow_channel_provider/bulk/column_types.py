"""
Column types of a data table: the type of a value, and the conversion of a value to a cell.

Both are decided here, so that a column and its cells agree. A cell holds the value as it is or in an equivalent form.
If the conversion would lose something, the row fails. An error names types, never a value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timezone
from decimal import Decimal
from typing import Any

from airflow_channel_provider.bulk.json_values import (
    DuplicateFieldError,
    decimal_text,
    decimal_to_json,
    json_text,
    parse_json,
    to_json_value,
    to_python,
)
from airflow_channel_provider.contract.parts import OPERATOR_TYPE

JSON = Any

_PREFIX = OPERATOR_TYPE.prefix
STRING, NUMBER, BOOLEAN = _PREFIX + "STRING", _PREFIX + "NUMBER", _PREFIX + "BOOLEAN"
DATE, DATETIME = _PREFIX + "DATE", _PREFIX + "DATETIME"
LIST_OF_STRING, LIST_OF_NUMBER = _PREFIX + "LIST_OF_STRING", _PREFIX + "LIST_OF_NUMBER"
LIST_OF_OBJECT = _PREFIX + "LIST_OF_OBJECT"

LISTS = (LIST_OF_STRING, LIST_OF_NUMBER, LIST_OF_OBJECT)
EMPTY_LIST = "an empty list"
"""The type of an empty list: each of the three list types can hold it."""

MOST_EXACT = 2**53
"""Up to this number, every whole number is exact in JSON, whose numbers most readers take for doubles."""
MOST_DIGITS = 16
_NUMERAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)
_DAY = r"(?P<day>\d{4}-\d\d-\d\d)"
_CLOCK = r"(?P<minutes>\d\d:\d\d)(?:(?P<seconds>:\d\d)(?P<fraction>\.\d+)?)?"
_OFFSET = r"(?P<offset>[Zz]|UTC|[+-]\d\d(?::?\d\d|:\d\d:\d\d)?)?"
_MOMENT = re.compile(rf"{_DAY}(?:[Tt ]{_CLOCK} ?{_OFFSET})?", re.ASCII)
_WORDS = {
    **dict.fromkeys(("true", "t", "yes", "y", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0"), False),
}


class InvalidValueError(ValueError):
    """A column can't hold a value. The text is the reason, written to follow "the value"."""


# ---- types


def infer_type(value: object) -> str | None:
    """Return the column type for a value, :data:`EMPTY_LIST` for an empty list, or None for null."""
    value = to_python(value)
    if value is None or _is_nan(value):
        return None
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, (int, float, Decimal)):
        return NUMBER if _is_exact(value) else STRING
    if isinstance(value, datetime):
        return DATETIME
    if isinstance(value, date):
        return DATE
    return _type_of_list(value) if isinstance(value, (list, tuple, set, frozenset)) else STRING


def _type_of_list(values: Iterable[object]) -> str:
    kinds = {_kind_of_element(value) for value in values}
    if len(kinds) > 1:
        return STRING
    return kinds.pop() if kinds else EMPTY_LIST


def _kind_of_element(value: object) -> str:
    value = to_python(value)
    if isinstance(value, str):
        return LIST_OF_STRING
    if isinstance(value, Mapping):
        return LIST_OF_OBJECT
    return LIST_OF_NUMBER if infer_type(value) == NUMBER else STRING


def common_type(kinds: Iterable[str | None]) -> str:
    """
    Return the type of a column that holds values of these types. A mixture is text, and so is a column without values.
    """
    found = set(kinds) - {None}
    if EMPTY_LIST in found and found & {EMPTY_LIST, *LISTS} == found:
        found = found - {EMPTY_LIST} or {LIST_OF_STRING}
    return str(found.pop()) if len(found) == 1 else STRING


# ---- cells


def cell_converter(kind: str) -> Callable[[object], JSON]:
    """
    Return a function that converts a value to a cell of a column. It raises :class:`InvalidValueError` if the column
    can't hold the value.

    Null, NaN and missing values of pandas become null.

    :param kind: the column type in any spelling of the service; with an unknown type, values stay as JSON has them.
    """
    name = _PREFIX + kind.upper().removeprefix(_PREFIX)
    convert, own = _CELLS.get(name, to_json_value), _OWN.get(name)

    def cell(value: object) -> JSON:
        if value.__class__ is own:
            return value
        value = to_python(value)
        return None if value is None or _is_nan(value) else convert(value)

    return cell


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Decimal):
        return decimal_text(value)
    made = to_json_value(value)
    return made if isinstance(made, str) else json_text(made)


def _number(value: object) -> JSON:
    if value.__class__ is int and -MOST_EXACT <= value <= MOST_EXACT:
        return value
    if isinstance(value, str):
        if not value.strip():
            return None
        if not _NUMERAL.fullmatch(value.strip()):
            raise InvalidValueError("is text that is not a number")
        value = Decimal(value.strip())
        if abs(value) > MOST_EXACT and _is_double(value):
            return float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise InvalidValueError(f"is not a number but {_named(value)}")
    if _is_infinite(value):
        raise InvalidValueError("is infinite, which JSON can't represent")
    if not _is_exact(value):
        raise InvalidValueError("has more digits than a JSON number holds; use a text column")
    return decimal_to_json(value) if isinstance(value, Decimal) else value


def _boolean(value: object) -> JSON:
    if isinstance(value, str):
        if not value.strip():
            return None
        if value.strip().lower() not in _WORDS:
            raise InvalidValueError("is text that is neither true nor false")
        return _WORDS[value.strip().lower()]
    if isinstance(value, bool) or (isinstance(value, (int, float, Decimal)) and value in (0, 1)):
        return bool(value)
    raise InvalidValueError(f"is neither true nor false but {_named(value)}")


def _date(value: object) -> JSON:
    if isinstance(value, str) and not value.strip():
        return None
    day, clock, _ = _moment(value)
    if clock.strip("0:."):
        raise InvalidValueError("has a time of day, which a date column can't hold")
    return day


def _datetime(value: object) -> JSON:
    if isinstance(value, str) and not value.strip():
        return None
    day, clock, offset = _moment(value)
    return f"{day}T{clock or '00:00:00'}{offset or '+00:00'}"


def _moment(value: object) -> tuple[str, str, str]:
    """Return day, time of day and offset in the form of RFC 3339; the last two may be empty."""
    if isinstance(value, (datetime, date)):
        value = value.isoformat()
    if not isinstance(value, str):
        raise InvalidValueError(f"is not a date or time but {_named(value)}")
    found = _MOMENT.fullmatch(value.strip())
    if found is None:
        raise InvalidValueError("is text that is not an ISO 8601 date or time")
    day, fraction, offset = found["day"], found["fraction"] or "", _offset(found["offset"] or "")
    clock = f"{found['minutes']}{found['seconds'] or ':00'}" if found["minutes"] else ""
    try:
        moment = datetime.fromisoformat(f"{day}T{clock or '00:00:00'}{offset}")
        if len(offset) > len("+00:00"):  # it has seconds, from before there were time zones
            day, _, clock = moment.astimezone(timezone.utc).isoformat()[:19].partition("T")
            offset = "+00:00"
    except ValueError:
        raise InvalidValueError("is text that names a date or time that does not exist") from None
    except OverflowError:
        raise InvalidValueError("is a time that in UTC is outside of the years 1 to 9999") from None
    return day, clock + fraction, offset


def _offset(text: str) -> str:
    if text in ("", "Z", "z", "UTC"):  # the form of BigQuery and Trino
        return "+00:00" if text else ""
    hours, *rest = re.findall(r"\d\d", text)
    return ":".join((text[0] + hours, *(rest or ["00"])))


def _list_of(element: Callable[[object], JSON]) -> Callable[[object], JSON]:
    def convert(value: object) -> JSON:
        if isinstance(value, str):
            if not value.strip():
                return None
            value = _read(value)
        if not isinstance(value, (list, tuple, set, frozenset)):
            raise InvalidValueError(f"is not a list but {_named(value)}")
        values = map(to_python, value)
        made = [None if inner is None or _is_nan(inner) else element(inner) for inner in values]
        if None in made:  # an empty text is null too in a column of numbers or times
            raise InvalidValueError("is a list that contains null")
        return made

    return convert


def _read(text: str) -> object:
    try:
        return parse_json(text)
    except DuplicateFieldError as error:
        raise InvalidValueError(f"is JSON text that {error}") from None
    except ValueError:
        raise InvalidValueError("is text that is not a JSON list") from None


def _object(value: object) -> JSON:
    if not isinstance(value, Mapping):
        raise InvalidValueError(f"is a list that contains {_named(value)}, where only mappings are allowed")
    made = to_json_value(value)
    if not isinstance(made, dict):
        raise InvalidValueError("is a list that contains a mapping with two keys that are one text")
    return made


_CELLS: Mapping[str, Callable[[object], JSON]] = {
    STRING: _text,
    NUMBER: _number,
    BOOLEAN: _boolean,
    DATE: _date,
    DATETIME: _datetime,
    LIST_OF_STRING: _list_of(_text),
    LIST_OF_NUMBER: _list_of(_number),
    LIST_OF_OBJECT: _list_of(_object),
}
_OWN = {STRING: str, BOOLEAN: bool}
"""The class of values that a cell holds unchanged."""


# ---- numbers


def _is_nan(value: object) -> bool:
    return value.is_nan() if isinstance(value, Decimal) else isinstance(value, float) and math.isnan(value)


def _is_infinite(value: float | Decimal) -> bool:
    return (
        value.is_infinite() if isinstance(value, Decimal) else isinstance(value, float) and math.isinf(value)
    )


def _is_exact(value: float | Decimal) -> bool:
    """Return whether a reader that uses doubles keeps all digits of a number; infinity loses none."""
    if isinstance(value, int):
        return abs(value) <= MOST_EXACT
    if isinstance(value, float) or value.is_infinite():
        return True
    if value.adjusted() > MOST_DIGITS:
        return False
    return abs(value) <= MOST_EXACT if value == value.to_integral_value() else _is_double(value)


def _is_double(value: Decimal) -> bool:
    number = float(value)
    return math.isfinite(number) and Decimal(repr(number)) == value


def _named(value: object) -> str:
    names: tuple[tuple[Any, str], ...] = (
        (bool, "true or false"),
        ((int, float, Decimal), "a number"),
        (str, "text"),
        ((datetime, date, time), "a time"),
        (Mapping, "a mapping"),
        ((list, tuple, set, frozenset), "a list"),
    )
    return next((name for kinds, name in names if isinstance(value, kinds)), f"a {type(value).__name__}")
