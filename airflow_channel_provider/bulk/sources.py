"""Sources of items: a list, a DataFrame, a file in any store that fsspec reaches, a query. All are streamed.

A source can be read again from its beginning. While its data is unchanged, it yields the same values in the same order,
so that a resumed task can skip the finished ones.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Protocol

from airflow_channel_provider.bulk import sql_reader
from airflow_channel_provider.bulk.column_names import unique_names
from airflow_channel_provider.bulk.input_file import name_without_compression, open_input
from airflow_channel_provider.bulk.json_values import DuplicateFieldError, named_fields, parse_json
from airflow_channel_provider.bulk.text_files import (
    CsvRows,
    Lines,
    checked_delimiter,
    checked_encoding,
    split_with_ends,
)
from airflow_channel_provider.exceptions import ChannelConfigurationError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath
    from pyarrow import Schema

FORMATS = ("jsonl", "csv", "parquet")
_SUFFIXES = {"jsonl": "jsonl", "ndjson": "jsonl", "csv": "csv", "parquet": "parquet", "pq": "parquet"}
ROWS_AT_ONCE = 1_000
_NO_LINE = "is not valid JSON, or nested too deeply (each line must be exactly one item)"


class Source(Protocol):
    """A stream of values, and how many there will be."""

    def __iter__(self) -> Iterator[object]:
        """Read the values from the beginning."""

    @property
    def expected(self) -> int | None:
        """Number of values, or an estimate from the part that was read; None if unknown."""


class ListSource:
    """
    Values that are in memory already, such as an XCom.

    :param values: a collection; it may be a lazy one.
    """

    def __init__(self, values: Collection[object]) -> None:
        self._values = values

    def __iter__(self) -> Iterator[object]:
        return (value if (named := named_fields(value)) is None else named for value in self._values)

    @property
    def expected(self) -> int | None:
        """How many values there are."""
        return len(self._values)


class FrameSource:
    """
    The rows of a DataFrame, or of another object that offers its columns through the Arrow interchange.

    :param frame: of pandas, Polars, DuckDB or pyarrow; only pyarrow is imported for it.
    """

    def __init__(self, frame: Any) -> None:
        self._frame = frame
        self._schema: Schema | None = None

    def __iter__(self) -> Iterator[object]:
        from airflow_channel_provider.bulk.arrow import rows_of

        reader = self._reader()
        while (batch := self._read(reader.read_next_batch)) is not None:
            for start in range(0, batch.num_rows, ROWS_AT_ONCE):
                yield from rows_of(batch.slice(start, ROWS_AT_ONCE))

    @property
    def expected(self) -> int | None:
        """Number of rows, if known."""
        return len(self._frame) if hasattr(self._frame, "__len__") else None

    def schema(self) -> Schema:
        """Return the columns with their types."""
        if self._schema is None:
            self._reader()
        return self._schema

    def _reader(self) -> Any:
        from airflow_channel_provider.bulk.arrow import reader_of

        reader = self._read(lambda: reader_of(self._frame))
        self._schema = reader.schema
        return reader

    def _read(self, part: Callable[[], Any]) -> Any:
        """Return a part of the frame, None at its end; the frame's library may raise any error."""
        try:
            return part()
        except StopIteration:
            return None
        except ChannelConfigurationError:
            raise
        except Exception as error:
            raise ChannelConfigurationError(
                f"The {type(self._frame).__name__} in items can't be read by Arrow ({type(error).__name__}): a column "
                "may hold values of several types, or of one that Arrow lacks, such as sparse or complex numbers. "
                "Convert it, or pass the rows as a list of mappings, such as frame.to_dict('records')."
            ) from error


def is_frame(value: object) -> bool:
    """
    Return whether a value is a table that offers its rows, and not a list of values.

    :raises ChannelConfigurationError: it is a table that does not offer them, or offers them only once.
    """
    kind = type(value)
    # An object with a single column has a type, and is a list of values.
    is_table = hasattr(kind, "columns") or not (hasattr(kind, "dtype") or hasattr(kind, "type"))
    if hasattr(kind, "read_next_batch"):
        raise ChannelConfigurationError(
            f"items is a {kind.__name__}, which can be read only once, but a retry reads it again; pass its read_all()."
        )
    if hasattr(value, "__arrow_c_stream__"):
        return is_table
    if hasattr(kind, "collect_schema"):
        raise ChannelConfigurationError(
            f"items is a {kind.__name__}, whose rows are not computed yet; pass its collect()."
        )
    if hasattr(kind, "columns"):
        raise ChannelConfigurationError(
            f"items is a {kind.__name__} that does not offer its rows by Arrow (__arrow_c_stream__, as pandas does "
            "from 2.2 on); pass them as a list of mappings, such as frame.to_dict('records'), which keeps only one of "
            "several columns with the same name."
        )
    return False


class SqlSource:
    """
    The rows of a query, as mappings of column names to values.

    All rows are read into a local file before the first is used: no database keeps a result open while calls are slow.
    If the driver would fetch all rows at once, a server-side cursor is used.

    :param connect: opens a connection of the Python DB API.
    :param sql: the query; use ORDER BY, so that a retry finds the same rows.
    :param parameters: of the query.
    """

    def __init__(
        self,
        connect: Callable[[], Any],
        sql: str,
        parameters: Mapping[str, object] | Collection[object] | None,
    ) -> None:
        self._connect = connect
        self._sql = sql
        self._parameters = parameters
        self._count: int | None = None

    def __iter__(self) -> Iterator[object]:
        with sql_reader.buffered(self._read()) as (self._count, rows):
            yield from rows

    def _read(self) -> Iterator[object]:
        with (
            sql_reader.sql_errors(),
            sql_reader.closing(self._connect()) as connection,
            sql_reader.run_query(connection, self._sql, self._parameters) as cursor,
        ):
            rows = sql_reader.fetch(cursor, ROWS_AT_ONCE)
            # A server-side cursor may know its columns only now.
            names = unique_names((column[0] for column in cursor.description or ()), "The query")
            bits = [names[place] for place in sql_reader.bit_columns(connection, cursor.description or ())]
            while rows:
                yield from (_by_name(names, row, bits) for row in rows)
                rows = sql_reader.fetch(cursor, ROWS_AT_ONCE)

    @property
    def expected(self) -> int | None:
        """Number of rows, once they are read."""
        return self._count


def _by_name(names: Sequence[str], row: Any, bits: Collection[str] = ()) -> dict[str, object]:
    """
    Return a row as a mapping; the connection may have asked its driver for mappings already.

    :param bits: names of the columns with whole numbers that come as bytes.
    """
    try:
        if not isinstance(row, (str, bytes)):
            # The class of a row may have no __iter__: rows of pyodbc and BigQuery are read by position.
            values = map(row.__getitem__, names) if isinstance(row, Mapping) else row
            made = dict(zip(names, values, strict=True))
            for name in bits:
                value = made[name]
                made[name] = int.from_bytes(value, "big") if isinstance(value, bytes) else value
            return made
    except (KeyError, TypeError, ValueError):
        pass
    raise ChannelConfigurationError(
        f"The connection returns each row of the query as a {type(row).__name__}, which does not hold all columns; let "
        "it return tuples, or mappings by column name."
    )


class FileSource:
    """
    The lines of a JSONL file, or the rows of a CSV or Parquet file.

    :param path: of the file.
    :param file_format: one of :data:`FORMATS`; None: by the file's name, without the suffix of a compression.
    :param encoding: of a JSONL or CSV file; None: by the byte order mark, otherwise UTF-8.
    :param delimiter: of a CSV file; None: the comma, or the semicolon, tab or bar that its header uses instead.
    :raises ChannelConfigurationError: the format is unknown, or does not have one of these arguments.
    """

    def __init__(
        self,
        path: ObjectStoragePath,
        file_format: str | None = None,
        *,
        encoding: str | None = None,
        delimiter: str | None = None,
    ) -> None:
        self.path = path
        self.file_format = file_format or _format_of(path.name)
        if self.file_format not in FORMATS:
            raise ChannelConfigurationError(f"file_format must be one of {', '.join(FORMATS)}.")
        if delimiter is not None and self.file_format != "csv":
            raise ChannelConfigurationError(f"delimiter is for CSV files, but {path} is {self.file_format}.")
        if encoding is not None and self.file_format == "parquet":
            raise ChannelConfigurationError(f"encoding is for JSONL and CSV files, but {path} is parquet.")
        self._encoding = checked_encoding(encoding)
        self._delimiter = checked_delimiter(delimiter)
        self._read_rows = 0
        self._share: Callable[[], float] | None = None

    def __iter__(self) -> Iterator[object]:
        rows = {"jsonl": self._items_of_json, "csv": self._csv_rows, "parquet": self._parquet_rows}
        self._read_rows = 0
        return rows[self.file_format]()

    @property
    def expected(self) -> int | None:
        """Number of rows: exact for a Parquet file, otherwise estimated from the share that was read."""
        share = self._share() if self._share is not None else 0.0
        return round(self._read_rows / share) if share > 0 else None

    def schema(self) -> Schema | None:
        """Return the columns with their types; None if the format has none."""
        if self.file_format != "parquet":
            return None
        from airflow_channel_provider.bulk.parquet_reader import ParquetRows

        with open_input(self.path, self.file_format) as file:
            return ParquetRows(self.path, file).schema

    def _items_of_json(self) -> Iterator[object]:
        """Yield the lines; a single line with a list of all items is refused, since it would be one item."""
        values = self._json_lines()
        for first in islice(values, 1):
            rest = list(islice(values, 1)) if isinstance(first, list) else []
            if isinstance(first, list) and not rest and any(isinstance(inner, Mapping) for inner in first):
                raise ChannelConfigurationError(
                    f"{self.path} is one JSON list, but JSONL has one item per line; write each item on its own line "
                    "(jq -c '.[]'), or pass the list as items."
                )
            yield first
            yield from rest
        yield from values

    def _json_lines(self) -> Iterator[object]:
        # JSON allows half of a surrogate pair, and only that item fails.
        errors = "strict" if self._encoding else "surrogatepass"
        with open_input(self.path, self.file_format) as file:
            lines = Lines(self.path, file, encoding=self._encoding, errors=errors)
            self._share = lambda: lines.share
            for block in lines.blocks():
                for number, line in enumerate(block, lines.count + 1):
                    try:
                        value = parse_json(line)
                    except DuplicateFieldError as error:
                        raise lines.wrong(str(error), number) from error
                    except (ValueError, RecursionError) as error:
                        if line.strip():
                            raise lines.wrong(_NO_LINE, number) from error
                    else:
                        self._read_rows += 1
                        yield value

    def _csv_rows(self) -> Iterator[object]:
        with open_input(self.path, self.file_format) as file:
            lines = Lines(self.path, file, encoding=self._encoding, split=split_with_ends)
            self._share = lambda: lines.share
            for row in CsvRows(lines, self._delimiter):
                self._read_rows += 1
                yield row

    def _parquet_rows(self) -> Iterator[object]:
        from airflow_channel_provider.bulk.parquet_reader import ParquetRows

        with open_input(self.path, self.file_format) as file:
            rows = ParquetRows(self.path, file)
            self._read_rows, self._share = rows.count, lambda: 1.0
            yield from rows


def check_json_lines_name(path: ObjectStoragePath, *, argument: str) -> None:
    """
    Refuse a name for lines of JSON by which :class:`FileSource` would not read them again.

    :param argument: names the path in the message.
    :raises ChannelConfigurationError: its ending is that of another format, or of a compressed file.
    """
    try:
        bare = name_without_compression(path.name)
        fits = bare == path.name.lower() and _known_format(bare) in (None, "jsonl")
    except ChannelConfigurationError:
        fits = False
    if not fits:
        raise ChannelConfigurationError(
            f"{argument} names {path}, whose ending says that it is of another format or compressed, but lines of JSON "
            "are written, which could not be read again under this name; let it end with .jsonl."
        )


def _known_format(bare_name: str) -> str | None:
    return _SUFFIXES.get(bare_name.rpartition(".")[2])


def _format_of(name: str) -> str:
    found = _known_format(name_without_compression(name))
    if found is None:
        raise ChannelConfigurationError(
            f"The file name {name!r} does not show its format; set file_format to one of {', '.join(FORMATS)}."
        )
    return found


class Peeked:
    """
    A source whose first values were read ahead; they are not read twice.

    :param source: is read ahead.
    :param count: maximum number of values to read ahead.
    """

    def __init__(self, source: Source, count: int) -> None:
        self._source = source
        rest = iter(source)
        self.head = list(islice(rest, count))
        self._rest: Iterator[object] | None = rest

    def __iter__(self) -> Iterator[object]:
        rest, self._rest = self._rest, None
        return iter(self._source) if rest is None else chain(self.head, rest)

    @property
    def expected(self) -> int | None:
        """Number of values, from the source."""
        return self._source.expected
