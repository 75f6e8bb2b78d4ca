"""The rows of a Parquet file, a few at a time: however large it and its row groups are, little of it is held."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from airflow_channel_provider.bulk import lines as limits
from airflow_channel_provider.bulk.items import interval_text
from airflow_channel_provider.bulk.opened import Blocks, Opened
from airflow_channel_provider.exceptions import ChannelConfigurationError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath
    from pyarrow import RecordBatch, Schema

__all__ = ["ParquetRows"]

ROWS_AT_ONCE = 1_000
BYTES_AT_ONCE = 2**20
"""How much of a file is made rows at once, by what its row groups say of their size."""
COLUMN_BYTES = 2**16
"""How much is read of a column at once."""


class ParquetRows:
    """
    Reads the rows.

    :param path: of the file.
    :param file: as it is stored.
    :raises ChannelConfigurationError: the package that reads such files is not installed.
    """

    def __init__(self, path: ObjectStoragePath, file: Opened) -> None:
        self._path = path
        self._parquet = _parquet_file(file)
        self._intervals = _columns_of_intervals(self._parquet.schema)
        self._read = 0

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self._parquet.metadata.num_rows)

    @property
    def schema(self) -> Schema:
        """The columns with their types."""
        from pyarrow import schema

        from airflow_channel_provider.bulk.arrow import without_index

        said = self._parquet.schema_arrow
        return schema([said.field(name) for name in without_index(said)])

    def __iter__(self) -> Iterator[dict[str, Any]]:
        from airflow_channel_provider.bulk.arrow import check_schema

        check_schema(self._parquet.schema_arrow, self._path)
        for group in range(self._parquet.metadata.num_row_groups):
            yield from self._rows_of_group(group)

    def _rows_of_group(self, group: int) -> Iterator[dict[str, Any]]:
        from airflow_channel_provider.bulk.arrow import rows_of

        names = self.schema.names
        try:
            said = self._parquet.metadata.row_group(group)
            row_bytes = said.total_byte_size // max(1, said.num_rows)
            at_once = max(1, min(ROWS_AT_ONCE, BYTES_AT_ONCE // max(1, row_bytes)))
            for batch in self._parquet.iter_batches(at_once, row_groups=[group], use_threads=False):
                self._check(batch)
                rows = rows_of(batch.select(names) if batch.num_columns > len(names) else batch)
                yield from map(self._with_intervals, rows) if self._intervals else rows
                self._read += batch.num_rows
        except (ChannelConfigurationError, MemoryError):
            raise
        except Exception as error:
            if _is_encrypted(error):
                raise _encrypted(self._path) from error
            raise ChannelConfigurationError(
                f"Row group {group + 1} of {self._path} can't be read beyond row {self._read} of the file "
                f"({type(error).__name__}); correct the file."
            ) from error

    def _with_intervals(self, row: dict[str, Any]) -> dict[str, Any]:
        for name in self._intervals:
            if row[name] is not None:
                months, days, milliseconds = struct.unpack("<3I", row[name])
                row[name] = interval_text(months, days, milliseconds * 1_000_000)
        return row

    def _check(self, batch: RecordBatch) -> None:
        most = limits.MOST_ITEM_BYTES
        if batch.nbytes <= most:
            return
        for number in range(batch.num_rows):
            if batch.slice(number, 1).nbytes > most:
                raise ChannelConfigurationError(
                    f"Row {self._read + number + 1} of {self._path} makes an item of more than {most:,} bytes; correct "
                    "the file."
                )


def _parquet_file(file: Opened) -> Any:
    try:
        import pyarrow
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise ChannelConfigurationError(
            "Parquet files are read with pyarrow, which is not installed where this task runs: pip install "
            f"'airflow-channel-provider[parquet]' ({error})."
        ) from error
    # The pool that pyarrow prefers keeps what was freed, which is as much again as all that a reader holds.
    usual = pyarrow.default_memory_pool()
    pyarrow.set_memory_pool(pyarrow.system_memory_pool())
    try:
        # Counted in nanoseconds, as pyarrow does with what Spark and Impala write, the year 9999 would be 1816.
        return ParquetFile(
            Blocks(file), buffer_size=COLUMN_BYTES, pre_buffer=False, coerce_int96_timestamp_unit="us"
        )
    except Exception as error:
        if _is_encrypted(error):
            raise _encrypted(file.path) from error
        raise
    finally:
        pyarrow.set_memory_pool(usual)


def _columns_of_intervals(schema: Any) -> list[str]:
    """Return the columns of a type that pyarrow takes for bytes; DuckDB writes it."""
    columns = map(schema.column, range(len(schema)))
    return [
        column.name
        for column in columns
        if column.converted_type == "INTERVAL" and column.name == column.path
    ]


def _is_encrypted(error: Exception) -> bool:
    return "crypt" in str(error)  # no class of its own tells


def _encrypted(path: ObjectStoragePath) -> ChannelConfigurationError:
    return ChannelConfigurationError(
        f"{path} is encrypted, and no key is known here; let what writes it leave it plain, in a store that encrypts "
        "what it keeps."
    )
