"""What Arrow knows of a Parquet file or a DataFrame: the types of its columns, and rows that have lost no digit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from airflow_channel_provider.bulk.cells import (
    BOOLEAN,
    DATE,
    DATETIME,
    LIST_OF_NUMBER,
    LIST_OF_OBJECT,
    LIST_OF_STRING,
    NUMBER,
    STRING,
)
from airflow_channel_provider.bulk.columns import distinct
from airflow_channel_provider.bulk.items import duration_text
from airflow_channel_provider.exceptions import ChannelConfigurationError

if TYPE_CHECKING:
    from pyarrow import DataType, RecordBatch, RecordBatchReader, Schema

__all__ = ["check_schema", "reader_of", "rows_of", "type_of_arrow"]

_INDEX = re.compile(r"__index_level_\d+__")
"""What pandas calls the numbers of its rows."""
_NANOSECONDS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}


def type_of_arrow(kind: DataType) -> str:
    """Return the type of column for one of Arrow's."""
    from pyarrow import types

    tests: tuple[tuple[Callable[[Any], bool], str], ...] = (
        (types.is_boolean, BOOLEAN),
        (_is_number, NUMBER),
        (types.is_date, DATE),
        (types.is_timestamp, DATETIME),
    )
    if types.is_dictionary(kind):
        return type_of_arrow(kind.value_type)
    if _is_list(kind):
        return _type_of_list(kind.value_type)
    return next((name for is_so, name in tests if is_so(kind)), STRING)


def _type_of_list(kind: DataType) -> str:
    from pyarrow import types

    if types.is_string(kind) or types.is_large_string(kind):
        return LIST_OF_STRING
    if types.is_struct(kind):
        return LIST_OF_OBJECT
    return LIST_OF_NUMBER if _is_number(kind) else STRING


def _is_number(kind: DataType) -> bool:
    from pyarrow import types

    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


def _is_list(kind: DataType) -> bool:
    from pyarrow import types

    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def check_schema(schema: Schema, of: object) -> None:
    """
    Look at the names of the columns, and at those within a column of structs.

    :raises ChannelConfigurationError: see :func:`.columns.distinct`.
    """
    distinct(schema.names, of)
    for field in schema:
        _check_nested(field.type, f"Column {field.name!r} of {of}")


def _check_nested(kind: DataType, of: str) -> None:
    from pyarrow import types

    if types.is_struct(kind):
        distinct((kind.field(position).name for position in range(kind.num_fields)), of)
    for position in range(kind.num_fields):
        _check_nested(kind.field(position).type, of)


def reader_of(frame: Any) -> RecordBatchReader:
    """
    Return what reads a table that offers Arrow's interchange, without an index that has no name.

    :raises ChannelConfigurationError: pyarrow is not there, or two columns have one name.
    """
    try:
        from pyarrow import RecordBatchReader, schema
    except ImportError as error:
        raise ChannelConfigurationError(
            "DataFrames are read with pyarrow, which is not installed where this task runs: pip install "
            f"'airflow-channel-provider[parquet]' ({error})."
        ) from error
    reader = RecordBatchReader.from_stream(frame)
    check_schema(reader.schema, f"The {type(frame).__name__} in items")
    names = [name for name in reader.schema.names if not _INDEX.fullmatch(name)]
    if len(names) == len(reader.schema):
        return reader
    kept = schema([reader.schema.field(name) for name in names])
    return RecordBatchReader.from_batches(kept, (batch.select(names) for batch in reader))


def rows_of(batch: RecordBatch) -> Iterator[dict[str, Any]]:
    """
    Yield the rows of a batch.

    A time or a duration that Python's own can't hold - nanoseconds, the year 10,000 - is the text of ISO 8601; a map
    whose keys differ is a mapping.
    """
    columns = [_values(column) for column in batch.columns]
    for values in zip(*columns, strict=True):
        yield dict(zip(batch.schema.names, values, strict=True))


def _values(column: Any) -> list[Any]:
    from pyarrow import types

    try:
        values = column.to_pylist()
    except (ValueError, OverflowError):
        values = [_value(scalar) for scalar in column]
    return [_mapping(pairs) for pairs in values] if types.is_map(column.type) else values


def _value(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except (ValueError, OverflowError):
        return _text_or_parts(scalar)


def _text_or_parts(scalar: Any) -> Any:
    import pyarrow

    if isinstance(scalar, pyarrow.StructScalar):
        return {name: _value(inner) for name, inner in scalar.items()}
    if isinstance(scalar, pyarrow.DictionaryScalar):
        return _value(scalar.value)
    if isinstance(scalar, pyarrow.MapScalar):
        return [(_value(pair[0]), _value(pair[1])) for pair in scalar.values]
    if isinstance(scalar, pyarrow.ListScalar):
        return [_value(inner) for inner in scalar.values]
    if isinstance(scalar, pyarrow.DurationScalar):
        return duration_text(scalar.value * _NANOSECONDS[scalar.type.unit])
    return scalar.cast(pyarrow.string()).as_py().replace(" ", "T", 1)


def _mapping(pairs: Any) -> Any:
    made = None if pairs is None else dict(pairs)
    return pairs if made is None or len(made) < len(pairs) else made
