"""What a source yields -> items: a value that JSON can hold, a place, and a key that is the same in each try.

The key is what a repetition is recognised by. Where the items have no field that names them, it is made of the item's
place and its content, so that it holds only as long as the source gives the same items in the same order. An item that
lacks the field that the others have is unfit, and nobody else's matter.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple, TypeGuard

from airflow_channel_provider.exceptions import ChannelConfigurationError

__all__ = [
    "DEAD_LETTER",
    "FIELDS",
    "FORMAT",
    "Entry",
    "FieldTwiceError",
    "Item",
    "ItemKey",
    "Items",
    "content_key",
    "duration_text",
    "entries",
    "fields_of",
    "identified",
    "interval_text",
    "is_dead_letter",
    "json_of_line",
    "json_text",
    "native",
    "number_of",
    "object_of_json",
    "plain",
    "short_float",
    "unwrapped",
    "year_text",
]

JSON = Any
ItemKey = str | Callable[[Any], object] | None
"""A field, a function of the item, or None for its place and content."""

_DOUBLE_BYTES = 8
_FOREIGN = ("NaTType", "NAType", "MonthDayNano")
_MOST_DIGITS = 4_300
"""Of a whole number; Python writes no longer one, and few services read one."""

DEAD_LETTER = "dead_letter"
"""The field that marks a line of a dead-letter file, and holds the version of its format."""
FORMAT = 1
FIELDS = frozenset({DEAD_LETTER, "item", "key", "request_id", "outcome", "error", "message", "attempt", "at"})
"""Of a line of a dead-letter file: all of them, and no others."""


class Item(NamedTuple):
    """
    One call's worth of work.

    :param position: its place in the source, from 0.
    :param value: what JSON can hold.
    :param key: names it, the same in each try.
    :param request_id: under which it was sent in an earlier run, if it comes from a dead-letter file.
    :param in_doubt: an earlier run has sent it, and whether that took effect is unknown.
    :param weight: what it counts as: the rows of a batch.
    :param lane: within which the order is kept.
    :param unfit: why it can't be sent; empty: it can.
    """

    position: int
    value: JSON
    key: str
    request_id: str | None = None
    in_doubt: bool = False
    weight: int = 1
    lane: str | int | None = None
    unfit: str = ""


class Entry(NamedTuple):
    """A value of a source as it is, with what a dead-letter file knows about it."""

    value: object
    key: str | None = None
    request_id: str | None = None
    in_doubt: bool = False


def entries(values: Iterable[object]) -> Iterator[Entry]:
    """Yield the values; lines of a dead-letter file as the items that they were."""
    for value in values:
        if is_dead_letter(value):
            in_doubt = value["outcome"] == "uncertain"
            yield Entry(value["item"], _text_of(value, "key"), _text_of(value, "request_id"), in_doubt)
        else:
            yield Entry(value)


def unwrapped(value: object) -> object:
    """Return a value of a source as it is; of a line of a dead-letter file, the item."""
    return value["item"] if is_dead_letter(value) else value


def is_dead_letter(value: object) -> TypeGuard[Mapping[str, JSON]]:
    """Tell whether a value is a line of a dead-letter file; the rows of a source may have columns of these names."""
    if not isinstance(value, Mapping) or DEAD_LETTER not in value:
        return False
    return value.keys() == FIELDS and value[DEAD_LETTER] == FORMAT


def identified(values: Iterable[object], key: ItemKey, lane: ItemKey = None) -> Iterator[Item]:
    """
    Number the values of a source and give each its key.

    :param key: see :data:`ItemKey`; an item of a dead-letter file keeps the key that it had.
    :param lane: a field, or a function of the item, that names its lane; None: each has its own.
    :raises ChannelConfigurationError: an item is nested too deeply, or contains itself.
    """
    for position, entry in enumerate(entries(values)):
        value = _plain_item(position, entry.value)
        lane_name: str | int = position
        unfit = ""
        try:
            name = entry.key or _key_of(value, key, position)
            if lane is not None:
                lane_name = _name_of(value, lane, "order_by", position)
        except _NamelessError as error:
            name, unfit = entry.key or content_key(position, value), str(error)
        yield Item(position, value, name, entry.request_id, entry.in_doubt, 1, lane_name, unfit)


class Items:
    """
    The items of a source, to be read more than once.

    :param values: the source.
    :param key: see :data:`ItemKey`.
    :param lane: as for :func:`identified`.
    """

    def __init__(self, values: Iterable[object], key: ItemKey, lane: ItemKey = None) -> None:
        self._values = values
        self._key = key
        self._lane = lane

    def __iter__(self) -> Iterator[Item]:
        return identified(self._values, self._key, self._lane)


class _NamelessError(ValueError):
    """An item lacks what should name it."""


def _key_of(value: JSON, key: ItemKey, position: int) -> str:
    return content_key(position, value) if key is None else _name_of(value, key, "item_key", position)


def _name_of(value: JSON, by: str | Callable[[Any], object], argument: str, position: int) -> str:
    """Return what names an item. An empty text names nothing: that is what CSV makes of null."""
    if not callable(by):
        found = value.get(by) if isinstance(value, Mapping) else None
        what = f"has no field {by!r}, which {argument} names, or nothing in it"
    else:
        what = f"gets no name by the function {argument}"
        try:
            found = by(value)
        except Exception as error:
            raise _NamelessError(f"Item {position} of the source {what} ({type(error).__name__}).") from error
    if found is None or found == "":
        raise _NamelessError(f"Item {position} of the source {what}.")
    return str(found)


def content_key(position: int, value: JSON) -> str:
    """Return a key made of an item's place and content."""
    content = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    return f"{position}:{hashlib.blake2b(content, digest_size=12).hexdigest()}"


def _plain_item(position: int, value: object) -> JSON:
    try:
        return plain(value)
    except RecursionError:
        raise ChannelConfigurationError(
            f"Item {position} of the source is nested too deeply, or contains itself."
        ) from None


def _text_of(line: Mapping[str, JSON], name: str) -> str | None:
    value = line.get(name)
    return value if isinstance(value, str) else None


_PLAIN = frozenset({str, int, bool})


def plain(value: object) -> JSON:
    """
    Return a value as JSON can hold it.

    What has its values by names, such as a dataclass, becomes an object, a member of an enumeration its value;
    times and durations become ISO 8601, bytes Base64, a decimal number the number that has the same digits, else text;
    NaN, infinity and what pandas calls missing become null; anything else becomes its text. A number that was written
    ``12.50`` is shown like that.
    """
    if value is None or value.__class__ in _PLAIN:
        return value
    if value.__class__ is list:
        return [plain(inner) for inner in value]
    if isinstance(value, (str, int)):
        return plain(value.value) if isinstance(value, Enum) else value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(bytes(value)).decode()
    own = native(value)
    if own is not value:
        return plain(own)
    if (named := fields_of(value)) is not None:
        return {name: plain(inner) for name, inner in named.items()}
    return [plain(inner) for inner in value] if isinstance(value, Sequence) else _scalar(value)


def fields_of(value: object) -> Mapping[str, object] | None:
    """Return what an object has by names: one of a dataclass, of attrs or of Pydantic, or a tuple with names."""
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


def native(value: object) -> object:
    """
    Return Python's own value for one of numpy, pandas or Arrow, None for what those call missing; others as they are.

    A set is a list, in an order that is the same in each process.
    """
    if isinstance(value, (str, int, float, list, dict)):
        return value
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)
    found: Any = value
    if (name := type(value).__name__) in _FOREIGN:
        return interval_text(*found) if name == "MonthDayNano" else None
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    if kind is None or not hasattr(value, "tolist"):
        return value
    if kind == "f" and found.dtype.itemsize < _DOUBLE_BYTES:
        return (
            [native(inner) for inner in found]
            if found.shape
            else short_float(float(found), found.dtype.itemsize)
        )
    if kind not in "mM":
        return found.tolist()
    # Theirs may count nanoseconds, which Python's do not.
    return (
        [native(inner) for inner in found] if getattr(found, "shape", ()) else _moment_of_numpy(found, kind)
    )


def _moment_of_numpy(value: Any, kind: str) -> object:
    rounded = value.astype(f"{'datetime' if kind == 'M' else 'timedelta'}64[us]")
    own = (value if value.dtype.str.endswith("[D]") and kind == "M" else rounded).tolist()
    if own is None or (rounded == value and not isinstance(own, int)):
        return own
    if kind == "m":
        return duration_text(int(value.astype("timedelta64[ns]").astype("int64")))
    year, rest = re.findall(r"(-?\d+)(.*)", str(value))[0]
    return year_text(int(year)) + rest


def _scalar(value: object) -> JSON:
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        microseconds = (value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds
        return duration_text(microseconds * 1_000 + int(getattr(value, "nanoseconds", 0)))
    if isinstance(value, Decimal):
        return _as_written(number_of(value), value)
    return plain(value.value) if isinstance(value, Enum) else str(value)


def year_text(year: int) -> str:
    """Return a year as ISO 8601 writes it: one that has more than four digits, or is negative, has a sign."""
    return f"{year:04d}" if 0 <= year <= date.max.year else f"{year:+05d}"


def duration_text(nanoseconds: int) -> str:
    """Return a duration as ISO 8601 writes it, such as ``P1DT2H30M0.5S``; a minus stands in front of all of it."""
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


def interval_text(months: int, days: int, nanoseconds: int) -> str:
    """Return an interval of the calendar as ISO 8601 writes it, such as ``P1Y2M3DT4H``; see :func:`duration_text`."""
    rest = days * 86_400_000_000_000 + nanoseconds
    if not months:
        return duration_text(rest)
    if months < 0:
        return f"-{interval_text(-months, -days, -nanoseconds)}"
    years, months = divmod(months, 12)
    calendar = "P" + (f"{years}Y" if years else "") + (f"{months}M" if months else "")
    clock = duration_text(abs(rest))[1:] if rest else ""
    return calendar + (re.sub(r"[\d.]+", r"-\g<0>", clock) if rest < 0 else clock)


def short_float(value: float | None, size_bytes: int) -> float | None:
    """Return the number with the fewest digits that so few bytes hold as this one: 19.99, not 19.989999771118164."""
    if value is None or not math.isfinite(value) or value.is_integer():
        return value
    size, digits = ("<f", range(6, 9)) if size_bytes == 4 else ("<e", range(3, 5))
    tried = (float(f"{value:.{count}g}") for count in digits)
    return next(
        (short for short in tried if struct.unpack(size, struct.pack(size, short))[0] == value), value
    )


def number_of(value: Decimal) -> float | str | None:
    """Return the number of JSON that has the digits of a decimal one; its text where none has, None for NaN."""
    if not value.is_finite():
        return None
    if value == value.to_integral_value():
        return int(value) if value.adjusted() < _MOST_DIGITS else str(value)
    number = float(value)
    return number if Decimal(repr(number)) == value else str(value)


class _WrittenInt(int):
    digits: str

    def __str__(self) -> str:
        return self.digits


class _WrittenFloat(float):
    digits: str

    def __str__(self) -> str:
        return self.digits


def _as_written(number: float | str | None, value: Decimal) -> JSON:
    """Return a number that as a text has the digits that it was written with, as people do in a price."""
    digits = format(value, "f")
    if number is None or isinstance(number, str) or digits == str(number):
        return number
    made = _WrittenInt(number) if isinstance(number, int) else _WrittenFloat(number)
    made.digits = digits
    return made


class FieldTwiceError(ValueError):
    """A name stands twice in one object; the text completes a sentence that begins with where the object is."""


def json_of_line(line: str) -> JSON:
    """
    Return what a line of JSON holds; a number that is no whole one with all of its digits.

    :raises FieldTwiceError: only one of two values of a field could be read.
    :raises ValueError: it is no JSON.
    """
    text = line.strip(_BLANKS)
    value, end = _LINES.raw_decode(text)  # what decode() does besides takes a fifth of its time
    if end < len(text):
        raise ValueError
    return value


def _number_of_json(text: str) -> float | Decimal:
    number = float(text)
    return number if repr(number) == text else Decimal(text)


def object_of_json(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    """
    Return an object of JSON as a mapping.

    :raises FieldTwiceError: two of its fields have one name.
    """
    made = dict(pairs)
    if len(made) < len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise FieldTwiceError(f"names a field of an object twice, {twice!r}")
    return made


_BLANKS = " \t\r\n"
"""What JSON takes for nothing; Python takes more."""
_LINES = json.JSONDecoder(parse_float=_number_of_json, object_pairs_hook=object_of_json)


def json_text(value: JSON) -> str:
    """Return the JSON of what :func:`plain` made; a number has the digits that it was written with."""
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
