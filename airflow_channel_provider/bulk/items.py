"""What a source yields -> items: a value that JSON can hold, a place, and a key that is the same in each try.

The key is what a repetition is recognised by. Where the items have no field that names them, it is made of the item's
place and its content, so that it holds only as long as the source gives the same items in the same order.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from airflow_channel_provider.exceptions import ChannelConfigurationError

__all__ = [
    "DEAD_LETTER",
    "Entry",
    "Item",
    "ItemKey",
    "Items",
    "content_key",
    "duration_text",
    "entries",
    "field_of",
    "identified",
    "native",
    "plain",
    "unwrapped",
]

JSON = Any
ItemKey = str | Callable[[Any], object] | None
"""A field, a function of the item, or None for its place and content."""

_MOST_DIGITS = 4_300
"""Of a whole number; Python writes no longer one, and few services read one."""

DEAD_LETTER = "dead_letter"
"""The field that marks a line of a dead-letter file, and holds the version of its format."""


class Item(NamedTuple):
    """
    One call's worth of work.

    :param position: its place in the source, from 0.
    :param value: what JSON can hold.
    :param key: names it, the same in each try.
    :param request_id: under which it was sent in an earlier run, if it comes from a dead-letter file.
    :param in_doubt: an earlier run has sent it, and whether that took effect is unknown.
    :param weight: what it counts as: the rows of a batch.
    """

    position: int
    value: JSON
    key: str
    request_id: str | None = None
    in_doubt: bool = False
    weight: int = 1


class Entry(NamedTuple):
    """A value of a source as it is, with what a dead-letter file knows about it."""

    value: object
    key: str | None = None
    request_id: str | None = None
    in_doubt: bool = False


def entries(values: Iterable[object]) -> Iterator[Entry]:
    """Yield the values; lines of a dead-letter file as the items that they were."""
    for value in values:
        if isinstance(value, Mapping) and DEAD_LETTER in value and "item" in value:
            in_doubt = value.get("outcome") == "uncertain"
            yield Entry(value["item"], _text_of(value, "key"), _text_of(value, "request_id"), in_doubt)
        else:
            yield Entry(value)


def unwrapped(value: object) -> object:
    """Return a value of a source as it is; of a line of a dead-letter file, the item."""
    return value["item"] if isinstance(value, Mapping) and DEAD_LETTER in value and "item" in value else value


def identified(values: Iterable[object], key: ItemKey) -> Iterator[Item]:
    """
    Number the values of a source and give each its key.

    :param key: see :data:`ItemKey`; an item of a dead-letter file keeps the key that it had.
    :raises ChannelConfigurationError: an item lacks the field, is nested too deeply, or contains itself.
    """
    for position, entry in enumerate(entries(values)):
        value = _plain_item(position, entry.value)
        name = entry.key or _key_of(value, key, position)
        yield Item(position, value, name, entry.request_id, entry.in_doubt)


class Items:
    """
    The items of a source, to be read more than once.

    :param values: the source.
    :param key: see :data:`ItemKey`.
    """

    def __init__(self, values: Iterable[object], key: ItemKey) -> None:
        self._values = values
        self._key = key

    def __iter__(self) -> Iterator[Item]:
        return identified(self._values, self._key)


def field_of(value: JSON, field: str, *, position: int) -> object:
    """
    Return a field of an item.

    :raises ChannelConfigurationError: it has none, or null.
    """
    found = value.get(field) if isinstance(value, Mapping) else None
    if found is None:
        raise ChannelConfigurationError(
            f"Item {position} of the source has no field {field!r}, or null in it; name a field that each item has."
        )
    return found


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


def _key_of(value: JSON, key: ItemKey, position: int) -> str:
    if key is None:
        return content_key(position, value)
    return str(key(value) if callable(key) else field_of(value, key, position=position))


def plain(value: object) -> JSON:
    """
    Return a value as JSON can hold it.

    Times and durations become ISO 8601, bytes Base64, a decimal number the number that shows the same digits, else
    text; NaN, infinity and what pandas calls missing become null; anything else becomes its text.
    """
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(value, (Sequence, set, frozenset)):
        return [plain(inner) for inner in value]
    own = native(value)
    return _scalar(value) if own is value else plain(own)


def native(value: object) -> object:
    """Return Python's own value for one of numpy or pandas, None for what those call missing; others as they are."""
    if isinstance(value, (str, int, float, list, dict)):
        return value
    if type(value).__name__ in ("NaTType", "NAType"):
        return None
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    if kind is None or not hasattr(value, "tolist"):
        return value
    found: Any = value
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
    return str(value) if kind == "M" else duration_text(int(value.astype("timedelta64[ns]").astype("int64")))


def _scalar(value: object) -> JSON:
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        microseconds = (value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds
        return duration_text(microseconds * 1_000 + int(getattr(value, "nanoseconds", 0)))
    if isinstance(value, Decimal):
        return _number(value)
    return str(value)


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


def _number(value: Decimal) -> JSON:
    if not value.is_finite():
        return None
    if value == value.to_integral_value():
        return int(value) if value.adjusted() < _MOST_DIGITS else str(value)
    number = float(value)
    return number if Decimal(repr(number)) == value else str(value)
