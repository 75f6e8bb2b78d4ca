"""Turns the values of a source into items: a JSON value, a position, and a key that is the same in each try.

The key identifies a repetition. Where the items have no field that identifies them, it is made of position and content,
and is stable only while the source yields the same items in the same order. An item that lacks its key fails alone; the
others are sent.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeGuard

from airflow_channel_provider.bulk.json_values import to_json_value
from airflow_channel_provider.exceptions import ChannelConfigurationError

JSON = Any
ItemKey = str | Callable[[Any], object] | None
"""A field, a function of the item, or None for its place and content."""

DEAD_LETTER = "dead_letter"
"""The field that marks a line of a dead-letter file, and holds the version of its format."""
FORMAT = 1
FIELDS = frozenset({DEAD_LETTER, "item", "key", "request_id", "outcome", "error", "message", "attempt", "at"})
"""Of a line of a dead-letter file: all of them, and no others."""


class Item(NamedTuple):
    """
    The work of one call.

    :param position: in the source, from 0.
    :param value: a JSON value.
    :param key: identifies the item; the same in each try.
    :param request_id: request id of an earlier run, if the item comes from a dead-letter file.
    :param in_doubt: an earlier run has sent it, with an unknown outcome.
    :param weight: number that it counts as: the rows of a batch.
    :param queue: within which the order is kept.
    :param unfit: why it can't be sent; empty: it can.
    """

    position: int
    value: JSON
    key: str
    request_id: str | None = None
    in_doubt: bool = False
    weight: int = 1
    queue: str | int | None = None
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


def item_of(value: object) -> object:
    """Return a value of a source as it is; of a line of a dead-letter file, the item."""
    return value["item"] if is_dead_letter(value) else value


def is_dead_letter(value: object) -> TypeGuard[Mapping[str, JSON]]:
    """Return whether a value is a line of a dead-letter file; the rows of a source may have columns of these names."""
    if not isinstance(value, Mapping) or DEAD_LETTER not in value:
        return False
    return value.keys() == FIELDS and value[DEAD_LETTER] == FORMAT


def keyed_items(values: Iterable[object], key: ItemKey, queue_by: ItemKey = None) -> Iterator[Item]:
    """
    Number the values of a source and give each its key.

    :param key: see :data:`ItemKey`; an item of a dead-letter file keeps the key that it had.
    :param queue_by: a field, or a function of the item, that names its queue; None: each item has its own.
    :raises ChannelConfigurationError: an item is nested too deeply, or contains itself.
    """
    for position, entry in enumerate(entries(values)):
        value = _plain_item(position, entry.value)
        queue: str | int = position
        unfit = ""
        try:
            name = entry.key or _key_of(value, key, position)
            if queue_by is not None:
                queue = _name_of(value, queue_by, "order_by", position)
        except _NamelessError as error:
            name, unfit = entry.key or content_key(position, value), str(error)
        yield Item(position, value, name, entry.request_id, entry.in_doubt, 1, queue, unfit)


class Items:
    """
    The items of a source, to be read more than once.

    :param values: the source.
    :param key: see :data:`ItemKey`.
    :param queue_by: as for :func:`keyed_items`.
    """

    def __init__(self, values: Iterable[object], key: ItemKey, queue_by: ItemKey = None) -> None:
        self._values = values
        self._key = key
        self._queue_by = queue_by

    def __iter__(self) -> Iterator[Item]:
        return keyed_items(self._values, self._key, self._queue_by)


class _NamelessError(ValueError):
    """An item lacks what should name it."""


def _key_of(value: JSON, key: ItemKey, position: int) -> str:
    return content_key(position, value) if key is None else _name_of(value, key, "item_key", position)


def _name_of(value: JSON, by: str | Callable[[Any], object], argument: str, position: int) -> str:
    """Return what names an item. An empty text names nothing: that is what CSV makes of null."""
    if not callable(by):
        found = value.get(by) if isinstance(value, Mapping) else None
        what = f"has no value in the field {by!r}, which {argument} names"
    else:
        what = f"gets no name from the function {argument}"
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
        return to_json_value(value)
    except RecursionError:
        raise ChannelConfigurationError(
            f"Item {position} of the source is nested too deeply, or contains itself."
        ) from None


def _text_of(line: Mapping[str, JSON], name: str) -> str | None:
    value = line.get(name)
    return value if isinstance(value, str) else None
