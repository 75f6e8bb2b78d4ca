"""Columns of a data table, found from the rows of a source, and batches of rows.

The same rows give the same batches in each try, and so the same items.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_channel_provider.bulk.column_names import ColumnNames, quoted_names, unique_names
from airflow_channel_provider.bulk.column_types import (
    DATE,
    DATETIME,
    LISTS,
    NUMBER,
    STRING,
    InvalidValueError,
    cell_converter,
    common_type,
    infer_type,
)
from airflow_channel_provider.bulk.items import Entry, Item, entries
from airflow_channel_provider.bulk.json_values import to_json_value
from airflow_channel_provider.bulk.outcomes import FailedItem, failed_item
from airflow_channel_provider.contract.parts import COLUMN
from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError

if TYPE_CHECKING:
    from pyarrow import Schema

JSON = Any
Column = dict[str, JSON]


class Row(NamedTuple):
    """
    A row of a batch.

    :param value: the value that is sent; for an unfit row, the value that the source gave.
    :param key: identifies the row in the dead-letter file.
    :param unfit: the reason why the table can't hold the row; empty if it can.
    """

    value: JSON
    key: str
    unfit: str = ""


# ---- columns


def columns_of_rows(rows: Iterable[object], primary_key: Sequence[str]) -> list[Column]:
    """
    Return the columns of the first rows of a source, with the types of their values. Mixed types become text.

    :raises ChannelConfigurationError: no row is a mapping.
    """
    kinds = _kinds_of_columns(rows)
    never_null = _key_among(kinds, primary_key)
    return [_column(name, common_type(found), never_null) for name, found in kinds.items()]


def columns_of_arrow(schema: Schema, rows: Iterable[object], primary_key: Sequence[str]) -> list[Column]:
    """
    Return the columns of a Parquet file.

    :param rows: its first rows. If one of them has a number, list or time that the type of its column can't hold, the
        column becomes text.
    """
    from airflow_channel_provider.bulk.arrow import type_of_arrow

    rows = list(rows)
    kinds, never_null = _kinds_of_columns(rows), _key_among(schema.names, primary_key)
    columns = []
    for field in schema:
        kind = type_of_arrow(field.type)
        if kind in (NUMBER, *LISTS) and kinds.get(field.name):
            kind = common_type({kind, *kinds[field.name]})
        if kind in (DATE, DATETIME) and not _holds(kind, rows, field.name):
            kind = STRING
        columns.append(_column(field.name, kind, never_null))
    return columns


def _holds(kind: str, rows: Iterable[object], name: str) -> bool:
    """Return whether a column of this type can hold the values that some rows have in it."""
    cell = cell_converter(kind)
    try:
        for row in rows:
            cell(row.get(name) if isinstance(row, Mapping) else None)
    except InvalidValueError:
        return False
    return True


def _kinds_of_columns(rows: Iterable[object]) -> dict[str, set[str | None]]:
    kinds: dict[str, set[str | None]] = {}
    others = set[str]()
    for row in rows:
        if not isinstance(row, Mapping):
            others.add(type(row).__name__)
            continue
        for name, value in row.items():
            kinds.setdefault(str(name), set()).add(infer_type(value))
    if others and not kinds:
        raise ChannelConfigurationError(
            f"A row must be a mapping of columns to values, not {', '.join(sorted(others))}."
        )
    return kinds


def merge_columns(existing: Sequence[Mapping[str, JSON]], found: Sequence[Column]) -> list[Column]:
    """
    Return the present columns of a table, and after them the missing ones. Names are compared without case.

    Fields that the service returns for a column but does not accept, such as an empty one, are left out.
    """
    known = ColumnNames(column["key"] for column in existing).placed([column["key"] for column in found])
    kept = [
        {name: value for name, value in column.items() if name in COLUMN.fields and value is not None}
        for column in existing
    ]
    return [*kept, *(column for column in found if column["key"] not in known)]


def has_columns(existing: Sequence[Mapping[str, JSON]], wanted: Sequence[Mapping[str, JSON]]) -> bool:
    """
    Return whether a table has exactly these columns.

    The service may return more fields of a column than were sent, and leaves out fields that are false or empty.
    """
    return [column["key"] for column in existing] == [column["key"] for column in wanted] and all(
        column.get(name) == value or (not value and name not in column)
        for column, asked in zip(existing, wanted, strict=True)
        for name, value in asked.items()
    )


def checked_columns(given: JSON) -> list[Mapping[str, JSON]]:
    """
    Return the columns that a DAG file or an XCom gives for a table.

    :raises ChannelConfigurationError: it is not a list of mappings, or two have the same key.
    """
    if isinstance(given, (str, Mapping)) or not isinstance(given, Sequence):
        raise ChannelConfigurationError(f"columns must be a list, not {type(given).__name__}.")
    for number, column in enumerate(given, start=1):
        if not (isinstance(column, Mapping) and isinstance(column.get("key"), str)):
            raise ChannelConfigurationError(
                f"Column {number} of columns must be a mapping with key, name and type, such as "
                f"{{'key': 'total', 'name': 'Total', 'type': '{NUMBER}'}}."
            )
    unique_names((column["key"] for column in given), "columns")
    return list(given)


def check_names(
    columns: Sequence[Mapping[str, JSON]], rows: Iterable[object], *, free_form: bool
) -> Sequence[str]:
    """
    Look for the table's columns among those of a source.

    :param rows: the first rows of the source.
    :param free_form: whether a row may leave out a field that has no value, as in JSON. A column that is declared as
        nullable may then be missing in all of them.
    :return: the names of the columns that are missing so.
    :raises ChannelConfigurationError: another column is missing.
    """
    seen = dict.fromkeys(str(name) for row in rows if isinstance(row, Mapping) for name in row)
    if not seen:
        return ()
    names = ColumnNames(column["key"] for column in columns)
    matched = {names.of(name) for name in seen}
    missing = [column for column in columns if column["key"] not in matched]
    lost = [column["key"] for column in missing if not (free_form and column.get("nullable") is True)]
    if lost:
        others = [name for name in seen if names.of(name) is None]
        hint = ", or set nullable to True for a column that rows may leave out" if free_form else ""
        raise ChannelConfigurationError(
            f"The source has no column {quoted_names(lost)}; its columns that the table does not have are "
            f"{quoted_names(others)}. Correct the name{hint}."
        )
    return [column["key"] for column in missing]


def _key_among(names: Iterable[str], primary_key: Iterable[str]) -> set[str | None]:
    return set(map(ColumnNames(names).of, primary_key))


def _column(name: str, kind: str, never_null: Collection[str | None]) -> Column:
    return {"key": name, "name": name, "type": kind, "nullable": name not in never_null}


# ---- batches


class Batches:
    """
    The rows of a source in batches, to be read more than once. Each is an item, whose value is a list of :class:`Row`.

    :param rows: the source.
    :param primary_key: column that identifies a row; without one, the position of the row does.
    :param columns: of the table, each with ``key`` and ``type``; None: values are sent as they are.
    :param leave_out: whether other fields of a row are left out; otherwise a row with other fields is unfit.
    :param most_rows: maximum number of rows in a batch.
    :param most_bytes: maximum size of a batch as JSON; a single row may be larger.
    """

    def __init__(
        self,
        rows: Iterable[object],
        primary_key: Sequence[str],
        *,
        columns: Sequence[Mapping[str, JSON]] | None = None,
        leave_out: bool = False,
        most_rows: int = 100,
        most_bytes: int = 1_000_000,
    ) -> None:
        self._rows = rows
        self._primary_key = primary_key
        self._types = None if columns is None else {c["key"]: str(c.get("type")) for c in columns}
        self._converters = {name: cell_converter(kind) for name, kind in (self._types or {}).items()}
        self._never_null = {c["key"] for c in columns or () if c.get("nullable") is False}
        self._leave_out = leave_out
        self._placed = lru_cache(maxsize=256)(ColumnNames(self._converters).placed)
        self._most_rows = most_rows
        self._most_bytes = most_bytes

    def __iter__(self) -> Iterator[Item]:
        batch, hashed, size, doubtful = list[Row](), hashlib.blake2b(digest_size=12), 0, False
        position = 0
        for number, entry in enumerate(entries(self._rows)):
            row = self._whole_row(entry, number)
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

    def _whole_row(self, entry: Entry, number: int) -> Row:
        try:
            return self._row(entry, number)
        except RecursionError:
            raise ChannelConfigurationError(
                f"Row {number} of the source is nested too deeply, or contains itself."
            ) from None

    def _row(self, entry: Entry, number: int) -> Row:
        if not isinstance(entry.value, Mapping):
            reason = f"A row must be a mapping of columns to values, not {type(entry.value).__name__}."
            return Row(to_json_value(entry.value), entry.key or str(number), reason)
        given = {str(name): value for name, value in entry.value.items()}
        try:
            value, unfit = self._cells(self._by_column(given, len(entry.value))), ""
        except InvalidValueError as error:
            value, unfit = to_json_value(given), str(error)
        return Row(value, self._key_of(entry.key, value, number), unfit)

    def _by_column(self, row: Mapping[str, object], count: int) -> Mapping[str, object]:
        """Return the values of a row by column of the table, and its other fields unless they are left out."""
        if len(row) < count:
            raise InvalidValueError("Two columns have the same name as text.")
        if self._types is None:
            return row
        if not row.keys() <= self._types.keys():
            row = self._renamed(row)
        if self._leave_out:
            row = {name: row[name] for name in self._types if name in row}
        if not row:
            raise InvalidValueError("The row has none of the columns of the table.")
        return row

    def _renamed(self, row: Mapping[str, object]) -> Mapping[str, object]:
        try:
            placed = self._placed(tuple(row))
        except ChannelConfigurationError as error:
            raise InvalidValueError(str(error)) from None
        return {placed.get(name, name): value for name, value in row.items()}

    def _cells(self, row: Mapping[str, object]) -> dict[str, JSON]:
        cells = {name: self._cell(name, value) for name, value in row.items()}
        for name in self._primary_key:
            if cells.get(name) is None:
                raise InvalidValueError(f"Column {name!r} of the primary key is null.")
        for name in self._never_null:
            if cells.get(name, "") is None:
                raise InvalidValueError(f"Column {name!r} is null, but it is not nullable.")
        return cells

    def _cell(self, name: str, value: object) -> JSON:
        if self._types is None:
            return to_json_value(value)
        if name not in self._types:
            raise InvalidValueError(
                f"The table has no column {name!r}, and the first rows of the source did not have it; set columns."
            )
        try:
            return self._converters[name](value)
        except InvalidValueError as error:
            raise InvalidValueError(
                f"Column {name!r} is {self._types[name]}, but the value {error}."
            ) from None

    def _key_of(self, known: str | None, row: Mapping[str, JSON], number: int) -> str:
        if known is not None:
            return known
        if not self._primary_key:
            return str(number)
        return "/".join(str(row.get(name)) for name in self._primary_key)


def _item(position: int, batch: Sequence[Row], content: str, *, in_doubt: bool) -> Item:
    return Item(position, batch, f"{position}:{content}", in_doubt=in_doubt, weight=len(batch))


def failures_of_rows(error: ChannelError, rows: Iterable[Row]) -> list[FailedItem]:
    """Return the failure of each row for an error."""
    return [failed_item(error, row.value, row.key) for row in rows]
