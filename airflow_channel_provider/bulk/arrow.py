"""Column types and lossless rows of Arrow data: a Parquet file or a DataFrame."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, time, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_channel_provider.bulk.column_names import unique_names
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
from airflow_channel_provider.bulk.json_values import iso_duration, iso_year, shortest_float
from airflow_channel_provider.exceptions import ChannelConfigurationError

if TYPE_CHECKING:
    from pyarrow import DataType, RecordBatch, RecordBatchReader, Schema

_EXTENSION = b"ARROW:extension:name"
_INDEX = re.compile(r"__index_level_\d+__")
"""The name that pandas gives to an index of row numbers."""
_NANOSECONDS = {"day": 86_400_000_000_000, "s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_DAYS_OF_400_YEARS = 146_097
_EPOCH = datetime.fromisoformat("1970-01-01")


def type_of_arrow(kind: DataType) -> str:
    """Return the column type for a type of Arrow."""
    from pyarrow import types

    tests: tuple[tuple[Callable[[Any], bool], str], ...] = (
        (types.is_boolean, BOOLEAN),
        (_is_number, NUMBER),
        (types.is_date, DATE),
        (types.is_timestamp, DATETIME),
    )
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return type_of_arrow(kind.value_type)
    if _is_list(kind):
        return _type_of_list(kind.value_type)
    return next((name for is_so, name in tests if is_so(kind)), STRING)


def _type_of_list(kind: DataType) -> str:
    from pyarrow import types

    if types.is_dictionary(kind):
        return _type_of_list(kind.value_type)
    if _is_any(kind, "string", "large_string", "string_view", "null"):
        return LIST_OF_STRING
    if _is_any(kind, "struct", "map"):
        return LIST_OF_OBJECT
    return LIST_OF_NUMBER if _is_number(kind) else STRING


def _is_number(kind: DataType) -> bool:
    return _is_any(kind, "integer", "floating", "decimal")


def _is_list(kind: DataType) -> bool:
    return _is_any(kind, "list", "large_list", "fixed_size_list", "list_view", "large_list_view")


def _is_any(kind: DataType, *names: str) -> bool:
    from pyarrow import types

    # An older pyarrow lacks some of these types.
    return any(getattr(types, f"is_{name}", bool)(kind) for name in names)


def check_schema(schema: Schema, of: object) -> None:
    """
    Check the names of the columns, and of the fields of structs.

    :raises ChannelConfigurationError: see :func:`.column_names.unique_names`.
    """
    unique_names(schema.names, of)
    for field in schema:
        _check_nested(field.type, f"Column {field.name!r} of {of}")
        name = getattr(field.type, "extension_name", "").encode() or (field.metadata or {}).get(_EXTENSION)
        if name == b"pandas.period":
            raise told_as_numbers(field.name, of, "periods")


def told_as_numbers(column: str, of: object, what: str) -> ChannelConfigurationError:
    """Describe a column of values that are lost in Arrow."""
    return ChannelConfigurationError(
        f"Column {column!r} of {of} holds {what}, which Arrow passes on only as bytes or numbers without meaning; "
        "convert it to text first."
    )


def _check_nested(kind: DataType, of: str) -> None:
    from pyarrow import types

    if types.is_struct(kind):
        unique_names((kind.field(position).name for position in range(kind.num_fields)), of)
    for position in range(kind.num_fields):
        _check_nested(kind.field(position).type, of)


def reader_of(frame: Any) -> RecordBatchReader:
    """
    Return a reader of a table that offers the Arrow interchange, without an index that has no name.

    :raises ChannelConfigurationError: pyarrow is not installed, or two columns have one name.
    """
    try:
        from pyarrow import RecordBatchReader, Table, array, int64, schema
    except ImportError as error:
        raise ChannelConfigurationError(
            "DataFrames are read with pyarrow, which is not installed where this task runs: pip install "
            f"'airflow-channel-provider[parquet]' ({error})."
        ) from error
    of = f"The {type(frame).__name__} in items"
    kinds = getattr(frame, "schema", None)
    for name, kind in kinds.items() if isinstance(kinds, Mapping) else ():
        if str(kind) == "Object":  # Polars exports the memory address of each object
            raise told_as_numbers(name, of, "objects of Python")
    levels = _named_levels(frame, of)
    index = range_index(frame.schema, len(frame)) if isinstance(frame, Table) else None
    if index is not None:
        frame = frame.add_column(0, index[0], array(index[1], int64()))
    reader = RecordBatchReader.from_stream(frame)
    check_schema(reader.schema, of)
    # pandas leaves out an index that is a range, even if it has a name.
    if not set(levels) <= set(reader.schema.names):
        reader = RecordBatchReader.from_stream(frame.reset_index())
    names = without_index(reader.schema)
    if len(names) == len(reader.schema):
        return reader
    kept = schema([reader.schema.field(name) for name in names])
    return RecordBatchReader.from_batches(kept, (batch.select(names) for batch in reader))


def _named_levels(frame: Any, of: str) -> list[str]:
    """
    Return the names of the index levels of a pandas DataFrame; none for another frame.

    A level that repeats a column, as after ``set_index("id", drop=False)``, is not among them.

    :raises ChannelConfigurationError: a level or a column has the name of another; the error of pandas names none.
    """
    levels = getattr(getattr(frame, "index", None), "names", None)
    if levels is None:
        return []
    named = [
        str(name)
        for level, name in enumerate(levels)
        if name is not None and not _repeats_a_column(frame, level, name)
    ]
    unique_names([*frame.columns, *named], f"{of}, with its index," if named else of)
    return named


def _repeats_a_column(frame: Any, level: int, name: object) -> bool:
    if list(frame.columns).count(name) != 1:
        return False
    values = frame.index.get_level_values(level).to_series(index=frame.index)
    return bool(frame[name].equals(values))


def without_index(schema: Schema) -> list[str]:
    """Return the names of the columns, without the row numbers of pandas."""
    return [name for name in schema.names if not _INDEX.fullmatch(name)]


def range_index(schema: Schema, count: int) -> tuple[str, range] | None:
    """
    Return the name and the values of an index that pandas describes in a schema and stores nowhere; None if there is
    none, or it has no name.

    :param count: number of rows. As for pandas, a description of another number was left behind by another tool.
    """
    with suppress(
        LookupError, TypeError, ValueError, OverflowError
    ):  # it is no range, or whatever a file may say
        (level,) = schema.pandas_metadata["index_columns"]
        values = range(level["start"], level["stop"], level["step"])
        if level["name"] is not None and len(values) == count:
            return str(level["name"]), values
    return None


def rows_of(batch: RecordBatch) -> Iterator[dict[str, Any]]:
    """
    Yield the rows of a batch.

    A time or a duration that Python's types can't hold (nanoseconds, the year 10,000) becomes text in ISO 8601. A map
    whose keys differ becomes a mapping at any depth. A float of few bytes keeps the digits that it was written with.
    """
    columns = [_values(column) for column in batch.columns]
    for values in zip(*columns, strict=True):
        yield dict(zip(batch.schema.names, values, strict=True))


def _values(column: Any) -> list[Any]:
    try:
        values = _told_in_full(column).to_pylist()
    except (ValueError, OverflowError, LookupError):
        values = [_value(scalar) for scalar in column]
    mend = _mender(column.type)
    return values if mend is None else [mend(value) for value in values]


def _value(scalar: Any) -> Any:
    if not scalar.is_valid:
        return None
    if not _may_be_cut(scalar.type):
        with suppress(ValueError, OverflowError, LookupError):  # an unknown time zone
            return scalar.as_py()
    return _time_or_parts(scalar)


def _told_in_full(column: Any) -> Any:
    """
    Return a column that pyarrow can convert to Python values without loss or failure, whatever else is installed.

    If pandas is installed, pyarrow silently cuts the nanoseconds off a time of day, and takes infinity for a day of
    2262. It always takes 24:00 for 00:00.

    :raises ValueError: the conversion may fail.
    """
    import pyarrow

    kind = column.type
    if pyarrow.types.is_timestamp(kind) and kind.unit == "ns":
        return column.cast(pyarrow.timestamp("us", kind.tz))
    if pyarrow.types.is_duration(kind) and kind.unit == "ns":
        return column.cast(pyarrow.duration("us"))
    if _may_be_cut(kind):
        raise ValueError
    return column


def _may_be_cut(kind: DataType) -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):
        return _may_be_cut(kind.value_type)
    is_cut = types.is_time(kind) or getattr(kind, "unit", "") == "ns"
    return is_cut or any(_may_be_cut(kind.field(place).type) for place in range(kind.num_fields))


def _time_or_parts(scalar: Any) -> Any:
    import pyarrow

    if isinstance(scalar, pyarrow.StructScalar):
        return {name: _value(inner) for name, inner in scalar.items()}
    if isinstance(scalar, (pyarrow.DictionaryScalar, pyarrow.RunEndEncodedScalar)):
        return _value(scalar.value)
    if isinstance(scalar, pyarrow.MapScalar):
        return [(_value(pair[0]), _value(pair[1])) for pair in scalar.values]
    if isinstance(scalar, pyarrow.ListScalar):
        return [_value(inner) for inner in scalar.values]
    nanoseconds = scalar.value * _NANOSECONDS[_unit(scalar.type)]
    if isinstance(scalar, pyarrow.DurationScalar):
        return _length(nanoseconds)
    if isinstance(scalar, (pyarrow.Time32Scalar, pyarrow.Time64Scalar)):
        return _time_of_day(nanoseconds)
    # Databases write the last value of the type, and the one after its first, for infinity.
    if abs(scalar.value) == 2 ** (scalar.type.bit_width - 1) - 1:
        return "infinity" if scalar.value > 0 else "-infinity"
    if isinstance(scalar, pyarrow.TimestampScalar):
        return _moment(nanoseconds, scalar.type.tz)
    return _day_text(nanoseconds // _NANOSECONDS["day"])


def _unit(kind: DataType) -> str:
    return str(getattr(kind, "unit", "day" if kind.bit_width == 32 else "ms"))


# Each becomes Python's own value, or text if Python has none.


def _length(nanoseconds: int) -> timedelta | str:
    if not nanoseconds % 1_000:
        with suppress(OverflowError):
            return timedelta(microseconds=nanoseconds // 1_000)
    return iso_duration(nanoseconds)


def _moment(nanoseconds: int, zone: str | None) -> datetime | str:
    try:
        near = _near(nanoseconds // 1_000, zone)
    except (
        ValueError,
        OverflowError,
        LookupError,
    ):  # out of range, or the zone is unknown; the point in time is still known
        days, rest = divmod(nanoseconds, _NANOSECONDS["day"])
        return f"{_day_text(days)}T{_clock_text(rest)}{'Z' if zone else ''}"
    if not nanoseconds % 1_000:
        return near
    text = near.isoformat(timespec="microseconds")
    return f"{text[:26]}{nanoseconds % 1_000:03d}{text[26:]}"


def _near(microseconds: int, zone: str | None) -> datetime:
    if not zone:
        return _EPOCH + timedelta(microseconds=microseconds)
    import pyarrow

    found: datetime = pyarrow.scalar(microseconds, pyarrow.timestamp("us", zone)).as_py()
    return found


def _time_of_day(nanoseconds: int) -> time | str:
    text = _clock_text(nanoseconds)
    return text if nanoseconds % 1_000 or nanoseconds >= _NANOSECONDS["day"] else time.fromisoformat(text)


def _day_text(days: int) -> str:
    cycles, rest = divmod(days, _DAYS_OF_400_YEARS)
    day = _EPOCH.date() + timedelta(days=rest)
    return iso_year(day.year + 400 * cycles) + day.isoformat()[4:]


def _clock_text(nanoseconds: int) -> str:
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    text = f"{seconds // 3_600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{text}.{fraction:09d}".removesuffix("000") if fraction else text


# ---- what pyarrow makes of values, and what people mean by them


def _mender(kind: DataType) -> Callable[[Any], Any] | None:
    """Return a function that corrects the values of a type; None if they are right."""
    from pyarrow import types

    if types.is_float32(kind) or types.is_float16(kind):
        return partial(shortest_float, size_bytes=kind.bit_width // 8)
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return _mender(kind.value_type)
    if types.is_map(kind):
        return _of_map(_mender(kind.key_type), _mender(kind.item_type))
    if types.is_struct(kind):
        fields = {field.name: _mender(field.type) for field in map(kind.field, range(kind.num_fields))}
        return _of_struct({name: mend for name, mend in fields.items() if mend})
    return _of_list(_mender(kind.value_type)) if _is_list(kind) else None


def _of_map(key: Callable[[Any], Any] | None, item: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    def mend(pairs: Any) -> Any:
        if pairs is None:
            return None
        mended = [(key(name) if key else name, item(value) if item else value) for name, value in pairs]
        made = dict(mended)
        return mended if len(made) < len(mended) else made

    return mend


def _of_struct(fields: dict[str, Callable[[Any], Any]]) -> Callable[[Any], Any] | None:
    def mend(value: Any) -> Any:
        if value is None:
            return None
        return {name: fields[name](inner) if name in fields else inner for name, inner in value.items()}

    return mend if fields else None


def _of_list(element: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
    if element is None:
        return None
    return lambda values: None if values is None else [element(value) for value in values]
