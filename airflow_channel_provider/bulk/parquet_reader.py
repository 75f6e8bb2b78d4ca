"""Reads the rows of a Parquet file in small batches, with little memory, however large its row groups are.

Reading a large row group row by row would hold a page and a dictionary of every column in memory. So its columns are
decoded one after the other into a temporary file.
"""

from __future__ import annotations

import io
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import IO, TYPE_CHECKING, Any

from airflow_channel_provider.bulk import text_files as limits
from airflow_channel_provider.bulk.arrow import (
    check_schema,
    range_index,
    rows_of,
    told_as_numbers,
    without_index,
)
from airflow_channel_provider.bulk.input_file import InputFile
from airflow_channel_provider.bulk.json_values import iso_interval
from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath
    from pyarrow import Array, Field, RecordBatch, Schema

ROWS_AT_ONCE = 1_000
BYTES_AT_ONCE = 2**20
"""Size of the part of a file that becomes rows at once, by the sizes in its row groups."""
AT_ONE_GO_BYTES = 2**21
"""A row group up to this size, uncompressed, is read with all of its columns at once."""
IN_MEMORY_BYTES = 2**20
"""Size up to which the decoded columns of a row group stay in memory."""
READ_AHEAD_BYTES = 2**19
"""Size of one read from the store."""
COLUMN_BYTES = 2**16
"""Size of one read of a column."""


class ParquetRows:
    """
    Reads the rows.

    :param path: of the file.
    :param file: as it is stored.
    :raises ChannelConfigurationError: the package that reads such files is not installed, or it can't read a column.
    """

    def __init__(self, path: ObjectStoragePath, file: InputFile) -> None:
        self._path = path
        self._parquet = _parquet_file(file)
        self._index = range_index(self._parquet.schema_arrow, self.count)
        self._intervals = _columns_of_intervals(self._parquet.schema, path)
        self._read = 0

    @property
    def count(self) -> int:
        """Number of rows."""
        return int(self._parquet.metadata.num_rows)

    @property
    def schema(self) -> Schema:
        """The columns with their types."""
        return self._with_index(self._stored)

    @property
    def _stored(self) -> Schema:
        from pyarrow import schema

        said = self._parquet.schema_arrow
        return schema([said.field(name) for name in without_index(said)])

    def _with_index(self, said: Schema) -> Schema:
        from pyarrow import field, int64

        return said if self._index is None else said.insert(0, field(self._index[0], int64()))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        check_schema(self._with_index(self._parquet.schema_arrow), self._path)
        for group in range(self._parquet.metadata.num_row_groups):
            yield from self._rows_of_group(group)

    def _rows_of_group(self, group: int) -> Iterator[dict[str, Any]]:
        names = self._stored.names
        try:
            said = self._parquet.metadata.row_group(group)
            row_bytes = said.total_byte_size // max(1, said.num_rows)
            at_once = max(1, min(ROWS_AT_ONCE, BYTES_AT_ONCE // max(1, row_bytes)))
            is_small = said.total_byte_size <= AT_ONE_GO_BYTES
            batches = self._batches(group, at_once) if is_small else self._laid_out(group, at_once)
            for batch in batches:
                self._check(batch)
                rows = rows_of(batch.select(names) if batch.num_columns > len(names) else batch)
                if self._intervals:
                    rows = map(self._with_intervals, rows)
                yield from rows if self._index is None else _numbered(rows, self._index, self._read)
                self._read += batch.num_rows
        except (ChannelError, MemoryError):
            raise
        except Exception as error:
            if _is_encrypted(error):
                raise _encrypted(self._path) from error
            raise ChannelConfigurationError(
                f"Row group {group + 1} of {self._path} can't be read beyond row {self._read} of the file "
                f"({type(error).__name__}); correct the file."
            ) from error

    def _batches(self, group: int, at_once: int, columns: list[str] | None = None) -> Iterator[RecordBatch]:
        read: Iterator[RecordBatch] = self._parquet.iter_batches(at_once, [group], columns, use_threads=False)
        return read

    def _laid_out(self, group: int, at_once: int) -> Iterator[RecordBatch]:
        """Yield the same as :meth:`_batches`, after decoding one column at a time."""
        from pyarrow import RecordBatch, default_memory_pool

        schema = self._stored
        with tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES) as file:
            laid_out = Columns(file, self._path)
            for field in schema:
                laid_out.add(field, self._batches(group, at_once, [field.name]))
                default_memory_pool().release_unused()  # pages come from this one, and it keeps freed memory
            for columns in laid_out.parts():
                yield RecordBatch.from_arrays(columns, schema.names)

    def _with_intervals(self, row: dict[str, Any]) -> dict[str, Any]:
        for name in self._intervals:
            if row[name] is not None:
                months, days, milliseconds = struct.unpack("<3I", row[name])
                row[name] = iso_interval(months, days, milliseconds * 1_000_000)
        return row

    def _check(self, batch: RecordBatch) -> None:
        most = limits.MAX_ITEM_BYTES
        if batch.get_total_buffer_size() <= most:
            return
        for number in range(batch.num_rows):
            if _size(batch.slice(number, 1)) > most:
                raise ChannelConfigurationError(
                    f"Row {self._read + number + 1} of {self._path} exceeds the limit of {most:,} bytes for one item; "
                    "correct the file."
                )


def _numbered(
    rows: Iterator[dict[str, Any]], index: tuple[str, range], start: int
) -> Iterator[dict[str, Any]]:
    name, values = index
    return ({name: value, **row} for value, row in zip(values[start:], rows))  # noqa: B905 - of all rows


def _size(row: RecordBatch) -> int:
    """Return the bytes of a row; roughly where pyarrow doesn't know those of views of strings, as 24 and older."""
    from pyarrow import ArrowTypeError

    try:
        return int(row.nbytes)
    except ArrowTypeError:
        return len(str(row.to_pylist()))


class Columns:
    """
    The columns of a row group, one after the other in a file.

    :param file: of this host.
    :param path: whose row group it is.
    """

    def __init__(self, file: IO[bytes], path: ObjectStoragePath) -> None:
        self._file = file
        self._path = path
        self._ends = [0]

    def add(self, field: Field, batches: Iterator[RecordBatch]) -> None:
        """Write the next column."""
        import pyarrow

        stream = pyarrow.ipc.new_stream(pyarrow.PythonFile(self._file, mode="w"), pyarrow.schema([field]))
        for batch in batches:
            column = batch.select([field.name])  # a field of a struct may have the same path
            with self._room():
                stream.write_batch(column)
        with self._room():
            stream.close()
            self._file.flush()
        self._ends.append(self._file.tell())

    def parts(self) -> Iterator[list[Array]]:
        """
        Yield the next values of each column, the same number of each.

        :raises ValueError: one of them has fewer than the others.
        """
        columns = [self._read(begin, end) for begin, end in pairwise(self._ends)]
        rests: list[Array | tuple[()]] = [next(column, ()) for column in columns]
        while length := min(map(len, rests), default=0):
            yield [rest[:length] for rest in rests]
            # When its dictionary changes, a column comes in other pieces than the others.
            rests = [
                rest[length:] if len(rest) > length else next(column, ())
                for rest, column in zip(rests, columns, strict=True)
            ]
        if any(map(len, rests)):
            raise ValueError("A column is shorter than the others.")

    def _read(self, begin: int, end: int) -> Iterator[Array]:
        import pyarrow

        stored = pyarrow.PythonFile(self._file, mode="r").get_stream(begin, end - begin)
        yield from (batch.column(0) for batch in pyarrow.ipc.open_stream(stored) if batch.num_rows)

    @contextmanager
    def _room(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ChannelError(
                f"There is no room for the columns of {self._path} in the temporary folder of this host "
                f"({type(error).__name__}); free some space, or set TMPDIR to another folder."
            ) from error


def _parquet_file(file: InputFile) -> Any:
    try:
        import pyarrow
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise ChannelConfigurationError(
            "Parquet files are read with pyarrow, which is not installed where this task runs: pip install "
            f"'airflow-channel-provider[parquet]' ({error})."
        ) from error
    # The pool that pyarrow prefers keeps freed memory, as much again as the reader holds.
    usual = pyarrow.default_memory_pool()
    pyarrow.set_memory_pool(pyarrow.system_memory_pool())
    try:
        # In nanoseconds, which pyarrow uses for files of Spark and Impala, the year 9999 would become 1816.
        return ParquetFile(
            io.BufferedReader(file, READ_AHEAD_BYTES),
            buffer_size=COLUMN_BYTES,
            pre_buffer=False,
            coerce_int96_timestamp_unit="us",
        )
    except Exception as error:
        if _is_encrypted(error):
            raise _encrypted(file.path) from error
        raise
    finally:
        pyarrow.set_memory_pool(usual)


def _columns_of_intervals(schema: Any, of: object) -> list[str]:
    """
    Return the columns of intervals, which pyarrow takes for bytes; DuckDB writes them.

    :raises ChannelConfigurationError: a list, a struct or a map holds intervals.
    """
    columns = map(schema.column, range(len(schema)))
    found = [column for column in columns if column.converted_type == "INTERVAL"]
    for column in found:
        if column.path != column.name:
            raise told_as_numbers(column.path, of, "intervals within other values")
    return [column.name for column in found]


def _is_encrypted(error: Exception) -> bool:
    return "crypt" in str(error)  # it has no class of its own


def _encrypted(path: ObjectStoragePath) -> ChannelConfigurationError:
    return ChannelConfigurationError(
        f"{path} is encrypted, and this provider has no key for it; write it unencrypted, in a store that encrypts its "
        "objects."
    )
