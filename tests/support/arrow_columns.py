"""A column of every type that Arrow has and a Parquet file can hold, with what becomes of it in a data table."""

from __future__ import annotations

from datetime import date, datetime, time, timezone
from decimal import Decimal
from typing import Any, NamedTuple

import pyarrow
import pyarrow.parquet

from airflow_channel_provider.bulk.column_types import (
    BOOLEAN,
    DATE,
    DATETIME,
    LIST_OF_NUMBER,
    LIST_OF_OBJECT,
    LIST_OF_STRING,
    NUMBER,
    STRING,
)

__all__ = ["COLUMNS", "ArrowColumn", "table_of"]

NOON = datetime(2026, 1, 31, 12, 0, tzinfo=timezone.utc)


class ArrowColumn(NamedTuple):
    """One column: its Arrow type, a value, and the type and cell that it has at the service."""

    arrow: Any
    value: object
    kind: str
    cell: Any


_WHOLE = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_TEXTS = ("string", "large_string", "string_view")
_BYTES = ("binary", "large_binary", "binary_view")
_NEWER = ("string_view", "binary_view", "list_of_float")
"""What an older pyarrow can't write, or can't read back where a null is among the values."""


def _can_be_kept(column: ArrowColumn) -> bool:
    file = pyarrow.BufferOutputStream()
    values = pyarrow.array([column.value, None], column.arrow)
    try:
        pyarrow.parquet.write_table(pyarrow.table({"values": values}), file)
        pyarrow.parquet.read_table(pyarrow.BufferReader(file.getvalue()))
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError):
        return False
    return True


_COLUMNS: dict[str, ArrowColumn] = {
    "null": ArrowColumn(pyarrow.null(), None, STRING, None),
    "bool": ArrowColumn(pyarrow.bool_(), True, BOOLEAN, True),
    **{name: ArrowColumn(getattr(pyarrow, name)(), 100, NUMBER, 100) for name in _WHOLE},
    "int64_large": ArrowColumn(pyarrow.int64(), 2**53 + 1, STRING, "9007199254740993"),
    "uint64_large": ArrowColumn(pyarrow.uint64(), 2**64 - 1, STRING, "18446744073709551615"),
    "float32": ArrowColumn(pyarrow.float32(), 1.5, NUMBER, 1.5),
    "float32_short": ArrowColumn(pyarrow.float32(), 19.99, NUMBER, 19.99),
    "float64": ArrowColumn(pyarrow.float64(), 0.1, NUMBER, 0.1),
    "decimal128": ArrowColumn(pyarrow.decimal128(18, 2), Decimal("12.50"), NUMBER, 12.5),
    "decimal256": ArrowColumn(pyarrow.decimal256(60, 2), Decimal("12.50"), NUMBER, 12.5),
    "decimal_long": ArrowColumn(
        pyarrow.decimal128(38, 19), Decimal("0.1234567890123456789"), STRING, "0.1234567890123456789"
    ),
    **{
        name: ArrowColumn(getattr(pyarrow, name)(), "값", STRING, "값")
        for name in _TEXTS
        if hasattr(pyarrow, name)
    },
    **{
        name: ArrowColumn(getattr(pyarrow, name)(), b"\x00\x01", STRING, "AAE=")
        for name in _BYTES
        if hasattr(pyarrow, name)
    },
    "fixed_size_binary": ArrowColumn(pyarrow.binary(2), b"\x00\x01", STRING, "AAE="),
    "dictionary": ArrowColumn(pyarrow.dictionary(pyarrow.int32(), pyarrow.string()), "a", STRING, "a"),
    "date32": ArrowColumn(pyarrow.date32(), date(2026, 1, 31), DATE, "2026-01-31"),
    "date64": ArrowColumn(pyarrow.date64(), date(2026, 1, 31), DATE, "2026-01-31"),
    "timestamp": ArrowColumn(
        pyarrow.timestamp("us"), NOON.replace(tzinfo=None), DATETIME, "2026-01-31T12:00:00+00:00"
    ),
    "timestamp_ms_zone": ArrowColumn(
        pyarrow.timestamp("ms", tz="Asia/Seoul"), NOON, DATETIME, "2026-01-31T21:00:00+09:00"
    ),
    "timestamp_ns": ArrowColumn(
        pyarrow.timestamp("ns"), 1_769_860_800_123_456_789, DATETIME, "2026-01-31T12:00:00.123456789+00:00"
    ),
    "timestamp_ns_zone": ArrowColumn(
        pyarrow.timestamp("ns", tz="Asia/Seoul"),
        1_769_860_800_123_456_789,
        DATETIME,
        "2026-01-31T21:00:00.123456789+09:00",
    ),
    "time32": ArrowColumn(pyarrow.time32("ms"), time(8, 30), STRING, "08:30:00"),
    "time64": ArrowColumn(pyarrow.time64("us"), time(8, 30), STRING, "08:30:00"),
    "time64_ns": ArrowColumn(pyarrow.time64("ns"), 30_600_000_000_001, STRING, "08:30:00.000000001"),
    "time64_end_of_day": ArrowColumn(pyarrow.time64("us"), 86_400_000_000, STRING, "24:00:00"),
    "duration": ArrowColumn(pyarrow.duration("ms"), 90_500, STRING, "PT1M30.5S"),
    "duration_ns": ArrowColumn(pyarrow.duration("ns"), -1, STRING, "-PT0.000000001S"),
    "list_of_text": ArrowColumn(pyarrow.list_(pyarrow.string()), ["a", "b"], LIST_OF_STRING, ["a", "b"]),
    "list_of_whole": ArrowColumn(pyarrow.large_list(pyarrow.int64()), [1, 2], LIST_OF_NUMBER, [1, 2]),
    "list_of_float": ArrowColumn(pyarrow.list_(pyarrow.float64(), 2), [0.5, 2.0], LIST_OF_NUMBER, [0.5, 2.0]),
    "list_of_decimal": ArrowColumn(
        pyarrow.list_(pyarrow.decimal128(10, 2)), [Decimal("2.50")], LIST_OF_NUMBER, [2.5]
    ),
    "list_of_struct": ArrowColumn(
        pyarrow.list_(pyarrow.struct([("a", pyarrow.int64()), ("at", pyarrow.timestamp("ns"))])),
        [{"a": 1, "at": 1_769_860_800_123_456_789}],
        LIST_OF_OBJECT,
        [{"a": 1, "at": "2026-01-31T12:00:00.123456789"}],
    ),
    "list_with_null": ArrowColumn(pyarrow.list_(pyarrow.string()), ["a", None], STRING, '["a", null]'),
    "list_of_dates": ArrowColumn(
        pyarrow.list_(pyarrow.date32()), [date(2026, 1, 31)], STRING, '["2026-01-31"]'
    ),
    "list_of_time_ns": ArrowColumn(
        pyarrow.list_(pyarrow.time64("ns")),
        [30_600_000_000_001, 30_600_000_000_000],
        STRING,
        '["08:30:00.000000001", "08:30:00"]',
    ),
    "list_of_lists": ArrowColumn(
        pyarrow.list_(pyarrow.list_(pyarrow.int64())), [[1], [2]], STRING, "[[1], [2]]"
    ),
    "struct": ArrowColumn(pyarrow.struct([("a", pyarrow.int64())]), {"a": 1}, STRING, '{"a": 1}'),
    "map": ArrowColumn(pyarrow.map_(pyarrow.string(), pyarrow.int64()), {"a": 1}, STRING, '{"a": 1}'),
    "map_of_timestamp_ns": ArrowColumn(
        pyarrow.map_(pyarrow.string(), pyarrow.timestamp("ns")),
        {"a": 1_769_860_800_123_456_789, "b": 0},
        STRING,
        '{"a": "2026-01-31T12:00:00.123456789", "b": "1970-01-01T00:00:00"}',
    ),
    "struct_of_time_ns": ArrowColumn(
        pyarrow.struct([("at", pyarrow.time64("ns")), ("for", pyarrow.duration("ns"))]),
        {"at": 30_600_000_000_001, "for": 1},
        STRING,
        '{"at": "08:30:00.000000001", "for": "PT0.000000001S"}',
    ),
    "map_in_struct": ArrowColumn(
        pyarrow.struct([("tags", pyarrow.map_(pyarrow.string(), pyarrow.float32()))]),
        {"tags": [("a", 0.1)]},
        STRING,
        '{"tags": {"a": 0.1}}',
    ),
    "map_of_maps": ArrowColumn(
        pyarrow.map_(pyarrow.string(), pyarrow.map_(pyarrow.string(), pyarrow.int64())),
        {"a": [("b", 1)]},
        STRING,
        '{"a": {"b": 1}}',
    ),
    "list_of_maps": ArrowColumn(
        pyarrow.list_(pyarrow.map_(pyarrow.string(), pyarrow.int64())),
        [[("a", 1)], [("b", 2)]],
        LIST_OF_OBJECT,
        [{"a": 1}, {"b": 2}],
    ),
    "list_of_short": ArrowColumn(pyarrow.list_(pyarrow.float32()), [0.1, 2.0], LIST_OF_NUMBER, [0.1, 2.0]),
    "list_of_dictionary": ArrowColumn(
        pyarrow.list_(pyarrow.dictionary(pyarrow.int32(), pyarrow.string())),
        ["a", "b"],
        LIST_OF_STRING,
        ["a", "b"],
    ),
    "zone_of_nobody": ArrowColumn(
        pyarrow.timestamp("us", tz="KST"), 1_769_860_800_000_000, DATETIME, "2026-01-31T12:00:00+00:00"
    ),
    "map_twice": ArrowColumn(
        pyarrow.map_(pyarrow.string(), pyarrow.int64()),
        [("a", 1), ("a", 2)],
        STRING,
        '[["a", 1], ["a", 2]]',
    ),
}
COLUMNS = {name: column for name, column in _COLUMNS.items() if name not in _NEWER or _can_be_kept(column)}


def table_of(rows: int) -> pyarrow.Table:
    """Return a table with a column ``n`` that numbers its rows, and all of :data:`COLUMNS`; each tenth row is empty."""
    columns = {"n": pyarrow.array(range(rows), pyarrow.int64())}
    for name, column in COLUMNS.items():
        values = [None if number % 10 == 9 else column.value for number in range(rows)]
        columns[name] = pyarrow.array(values, column.arrow)
    return pyarrow.table(columns)
