"""Rows of a source -> columns of a data table, and batches of rows.

The same rows give the same batches, and so the same items, in each try.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_channel_provider.bulk.items import Entry, Item, entries
from airflow_channel_provider.bulk.outcomes import Loss, loss_of
from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError

if TYPE_CHECKING:
    from pyarrow import DataType, Schema

__all__ = [
    "Batches",
    "Column",
    "Row",
    "columns_of_arrow",
    "columns_of_rows",
    "is_as_wanted",
    "losses_of_rows",
    "merged_columns",
]

JSON = Any
Column = dict[str, JSON]

# The service publishes no list of its types; a table whose columns are given takes what it is given.
STRING, NUMBER, BOOLEAN, DATETIME, OBJECT = "string", "number", "boolean", "datetime", "json"
_TYPES: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (str, STRING),
    (bool, BOOLEAN),
    ((int, float, Decimal), NUMBER),
    ((datetime, date), DATETIME),
    ((Mapping, list, tuple), OBJECT),
)


class Row(NamedTuple):
    """A row of a batch, with the key that names it where it gets lost."""

    value: dict[str, JSON]
    key: str


# ---- columns


def columns_of_rows(rows: Iterable[object], primary_key: Sequence[str]) -> list[Column]:
    """
    Return the columns of the first rows of a source, with the types of their values; a mixture is text.

    :raises ChannelConfigurationError: a row is no mapping.
    """
    types: dict[str, set[str]] = {}
    for row in rows:
        if not isinstance(row, Mapping):
            raise ChannelConfigurationError(
                f"A row must be a mapping of columns to values, not {type(row).__name__}."
            )
        for name, value in row.items():
            kinds = types.setdefault(str(name), set())
            if value is not None:
                kinds.add(_type_of(value))
    return [
        _column(name, kinds.pop() if len(kinds) == 1 else STRING, primary_key)
        for name, kinds in types.items()
    ]


def columns_of_arrow(schema: Schema, primary_key: Sequence[str]) -> list[Column]:
    """Return the columns of a Parquet file."""
    return [_column(field.name, _arrow_type(field.type), primary_key) for field in schema]


def merged_columns(existing: Sequence[Mapping[str, JSON]], found: Sequence[Column]) -> list[Column]:
    """Return the columns of a table as they are, and after them those that it lacks."""
    known = {column["key"] for column in existing}
    return [*map(dict, existing), *(column for column in found if column["key"] not in known)]


def is_as_wanted(existing: Sequence[Mapping[str, JSON]], wanted: Sequence[Mapping[str, JSON]]) -> bool:
    """Tell whether a table has these columns and no others; it may know more about each than was asked for."""
    return [column["key"] for column in existing] == [column["key"] for column in wanted] and all(
        column.get(name) == value
        for column, asked in zip(existing, wanted, strict=True)
        for name, value in asked.items()
    )


def _column(name: str, kind: str, primary_key: Sequence[str]) -> Column:
    return {"key": name, "name": name, "type": kind, "nullable": name not in primary_key}


def _type_of(value: object) -> str:
    return next((name for kinds, name in _TYPES if isinstance(value, kinds)), STRING)


def _arrow_type(kind: DataType) -> str:
    from pyarrow import types

    if types.is_boolean(kind):
        return BOOLEAN
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return NUMBER
    if types.is_timestamp(kind) or types.is_date(kind):
        return DATETIME
    return OBJECT if types.is_nested(kind) else STRING


# ---- batches


class Batches:
    """
    The rows of a source in batches, to be read more than once. Each is an item, whose value is a list of :class:`Row`.

    :param rows: the source.
    :param primary_key: names a row; where there is none, its place does.
    :param columns: only these are sent; None: all.
    :param most_rows: of a batch.
    :param most_bytes: of a batch, as JSON; a single row may be larger.
    """

    def __init__(
        self,
        rows: Iterable[object],
        primary_key: Sequence[str],
        *,
        columns: Sequence[str] | None = None,
        most_rows: int = 500,
        most_bytes: int = 1_000_000,
    ) -> None:
        self._rows = rows
        self._primary_key = primary_key
        self._columns = columns
        self._most_rows = most_rows
        self._most_bytes = most_bytes

    def __iter__(self) -> Iterator[Item]:
        batch, hashed, size, doubtful = list[Row](), hashlib.blake2b(digest_size=12), 0, False
        position = 0
        for number, entry in enumerate(entries(self._rows)):
            row = Row(self._value_of(entry, number), self._key_of(entry, number))
            text = json.dumps(row.value, separators=(",", ":")).encode()
            full = len(batch) >= self._most_rows or size + len(text) > self._most_bytes
            if batch and (full or entry.in_doubt != doubtful):
                yield _item(position, batch, hashed.hexdigest(), in_doubt=doubtful)
                position += 1
                batch, hashed, size = [], hashlib.blake2b(digest_size=12), 0
            doubtful = entry.in_doubt
            batch.append(row)
            hashed.update(text)
            size += len(text) + 1
        if batch:
            yield _item(position, batch, hashed.hexdigest(), in_doubt=doubtful)

    def _value_of(self, entry: Entry, number: int) -> dict[str, JSON]:
        if not isinstance(entry.value, dict):
            raise ChannelConfigurationError(
                f"Row {number} of the source must be a mapping of columns to values, not "
                f"{type(entry.value).__name__}."
            )
        if self._columns is None:
            return entry.value
        return {name: entry.value[name] for name in self._columns if name in entry.value}

    def _key_of(self, entry: Entry, number: int) -> str:
        if entry.key is not None:
            return entry.key
        if not self._primary_key:
            return str(number)
        return "/".join(str(entry.value.get(name)) for name in self._primary_key)


def _item(position: int, batch: Sequence[Row], content: str, *, in_doubt: bool) -> Item:
    return Item(position, batch, f"{position}:{content}", in_doubt=in_doubt, weight=len(batch))


def losses_of_rows(error: ChannelError, rows: Iterable[Row]) -> list[Loss]:
    """Describe what an error made of each row."""
    return [loss_of(error, row.value, row.key) for row in rows]
