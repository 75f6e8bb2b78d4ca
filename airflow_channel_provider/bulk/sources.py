"""Where items come from: a list, a file at any place that fsspec reaches, a query. Read as a stream, never as a whole.

A source can be read again from its beginning, and gives the same values in the same order as long as what is behind it
is the same: a resumed task passes over what it has done.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Protocol

from airflow_channel_provider.bulk import queries
from airflow_channel_provider.bulk.columns import distinct
from airflow_channel_provider.bulk.items import FieldTwiceError, json_of_line
from airflow_channel_provider.bulk.lines import Lines
from airflow_channel_provider.bulk.storage_errors import storage_error, told
from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath
    from pyarrow import Schema

__all__ = ["FORMATS", "FileSource", "FrameSource", "ListSource", "Peeked", "Source", "SqlSource", "is_frame"]

FORMATS = ("jsonl", "csv", "parquet")
_SUFFIXES = {"jsonl": "jsonl", "ndjson": "jsonl", "csv": "csv", "parquet": "parquet", "pq": "parquet"}
_COMPRESSIONS = (".gz", ".bz2", ".xz", ".zip", ".zst")
# What a reader raises for a file that is something else than its name says; see :mod:`.lines` for what has lines.
_NOT_AS_NAMED = (ValueError, RecursionError, EOFError, NotImplementedError)
ROWS_AT_ONCE = 1_000


class Source(Protocol):
    """A stream of values, and how many there will be."""

    def __iter__(self) -> Iterator[object]:
        """Read it from its beginning."""

    @property
    def expected(self) -> int | None:
        """How many values there are, or seem to be by what was read so far; None where nothing tells."""


class ListSource:
    """
    Values that are there already, an XCom for example.

    :param values: a collection; one that fetches its values as they are asked for will do.
    """

    def __init__(self, values: Collection[object]) -> None:
        self._values = values

    def __iter__(self) -> Iterator[object]:
        return iter(self._values)

    @property
    def expected(self) -> int | None:
        """How many values there are."""
        return len(self._values)


class FrameSource:
    """
    The rows of a DataFrame, or of whatever else offers its columns by Arrow's interchange.

    :param frame: of pandas, Polars, DuckDB, pyarrow; none of them is imported for it but pyarrow.
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
        """How many rows there are, where it tells."""
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
        """Return a part of the frame, None at its end; its library may raise anything."""
        try:
            return part()
        except StopIteration:
            return None
        except ChannelConfigurationError:
            raise
        except Exception as error:
            raise ChannelConfigurationError(
                f"The {type(self._frame).__name__} in items can't be read by Arrow ({type(error).__name__}): a column "
                "may hold values of several types. Give its rows as a list of mappings, such as "
                "frame.to_dict('records')."
            ) from error


def is_frame(value: object) -> bool:
    """
    Tell whether a value is a table that offers its rows, and no list of values.

    :raises ChannelConfigurationError: it is a table that does not offer them, or offers them only once.
    """
    kind = type(value)
    # What has one column has a type, and is a list of its values.
    is_table = hasattr(kind, "columns") or not (hasattr(kind, "dtype") or hasattr(kind, "type"))
    if hasattr(kind, "read_next_batch"):
        raise ChannelConfigurationError(
            f"items is a {kind.__name__}, which is read only once, and a retry reads again; give its read_all()."
        )
    if hasattr(value, "__arrow_c_stream__"):
        return is_table
    if hasattr(kind, "columns"):
        raise ChannelConfigurationError(
            f"items is a {kind.__name__} that does not offer its rows by Arrow (__arrow_c_stream__, as pandas does "
            "from 2.2 on); give them as a list of mappings, such as frame.to_dict('records')."
        )
    return False


class SqlSource:
    """
    The rows of a query, as mappings of column names to values.

    All are read before the first is used, into a file of this host: no database holds an answer open while calls are
    slow. Where its driver would fetch them all at once, a server-side cursor is used.

    :param connect: opens a connection of the Python DB API.
    :param sql: the query; it should say in which order.
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
        with queries.kept(self._read()) as (self._count, rows):
            yield from rows

    def _read(self) -> Iterator[object]:
        with (
            queries.sql_errors(),
            closing(self._connect()) as connection,
            queries.executed(connection, self._sql, self._parameters) as cursor,
        ):
            rows = cursor.fetchmany(ROWS_AT_ONCE)
            # A cursor on the server may know its columns only now.
            names = distinct((column[0] for column in cursor.description or ()), "The query")
            while rows:
                yield from (_by_name(names, row) for row in rows)
                rows = cursor.fetchmany(ROWS_AT_ONCE)

    @property
    def expected(self) -> int | None:
        """How many rows there are, once they are read."""
        return self._count


def _by_name(names: Sequence[str], row: Any) -> dict[str, object]:
    """Return a row as a mapping, which the connection may have asked its driver for already."""
    try:
        if isinstance(row, Mapping):
            return {name: row[name] for name in names}
        if isinstance(row, Iterable) and not isinstance(row, (str, bytes)):
            return dict(zip(names, row, strict=True))
    except (KeyError, ValueError):
        pass
    raise ChannelConfigurationError(
        f"The connection makes a {type(row).__name__} of each row of the query, which is not all of its columns; let "
        "it give tuples, or mappings by the names of the columns."
    )


class FileSource:
    """
    The lines of a JSONL file, or the rows of a CSV or Parquet file.

    :param path: of the file.
    :param file_format: one of :data:`FORMATS`; None: as its name says, a compression's suffix apart.
    :raises ChannelConfigurationError: the name says nothing, or there is no such format.
    """

    def __init__(self, path: ObjectStoragePath, file_format: str | None = None) -> None:
        self.path = path
        self.file_format = file_format or _format_of(path.name)
        if self.file_format not in FORMATS:
            raise ChannelConfigurationError(f"file_format must be one of {', '.join(FORMATS)}.")
        self._read_rows = 0
        self._share: Callable[[], float] | None = None

    def __iter__(self) -> Iterator[object]:
        rows = {"jsonl": self._json_lines, "csv": self._csv_rows, "parquet": self._parquet_rows}
        self._read_rows = 0
        try:
            for row in rows[self.file_format]():
                self._read_rows += 1
                yield row
        except _NOT_AS_NAMED as error:
            raise ChannelConfigurationError(
                f"{self.path} can't be read as {self.file_format} beyond row {self._read_rows} "
                f"({type(error).__name__}); correct the file, or give its file_format."
            ) from error
        except ChannelError:
            raise
        except Exception as error:
            raise storage_error(error, self.path, "read") from error

    @property
    def expected(self) -> int | None:
        """How many rows there are: a Parquet file tells, of the others the share that was read does."""
        share = self._share() if self._share is not None else 0.0
        return round(self._read_rows / share) if share > 0 else None

    def schema(self) -> Schema | None:
        """Return the columns with their types; None where the format knows none."""
        if self.file_format != "parquet":
            return None
        with told(self.path, "read"), self.path.fs.open(self.path.path, "rb") as file:
            return _parquet_file(file).schema_arrow

    def _json_lines(self) -> Iterator[object]:
        with self._lines() as lines:
            for line in lines:
                lines.begin_item()
                if line.strip():
                    try:
                        yield json_of_line(line)
                    except FieldTwiceError as error:
                        raise lines.wrong("names a field of an object twice") from error
                    except (ValueError, RecursionError) as error:
                        raise lines.wrong("is no JSON, or nested too deeply") from error

    def _csv_rows(self) -> Iterator[object]:
        with self._lines(newline="", encoding="utf-8-sig") as lines:
            rows = csv.DictReader(lines, restkey="")
            try:
                distinct(rows.fieldnames or (), self.path)
                for row in rows:
                    lines.begin_item()
                    yield row
            except csv.Error as error:
                raise lines.wrong(f"is no CSV ({error})") from error

    def _parquet_rows(self) -> Iterator[object]:
        from airflow_channel_provider.bulk.arrow import check_schema, rows_of

        with self.path.fs.open(self.path.path, "rb") as file:
            parquet = _parquet_file(file)
            check_schema(parquet.schema_arrow, self.path)
            count = parquet.metadata.num_rows
            self._share = lambda: self._read_rows / count if count else 0.0
            for batch in parquet.iter_batches(batch_size=ROWS_AT_ONCE, use_threads=False):
                yield from rows_of(batch)

    @contextmanager
    def _lines(self, **text: str) -> Iterator[Lines]:
        size = self.path.stat().st_size
        with self.path.fs.open(self.path.path, "rb") as raw:
            # Beneath a compression, so that the share is one of the bytes that the file has.
            self._share = lambda: min(1.0, raw.tell() / size) if size and not raw.closed else 1.0
            with closing(Lines(self.path, raw, text)) as lines:
                yield lines


def _parquet_file(file: Any) -> Any:
    try:
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise ChannelConfigurationError(
            "Parquet files are read with pyarrow, which is not installed where this task runs: pip install "
            f"'airflow-channel-provider[parquet]' ({error})."
        ) from error
    return ParquetFile(file)


def _format_of(name: str) -> str:
    for suffix in _COMPRESSIONS:
        name = name.removesuffix(suffix)
    found = _SUFFIXES.get(name.rpartition(".")[2].lower())
    if found is None:
        raise ChannelConfigurationError(
            f"The name {name!r} does not tell the format of the file; give file_format: {', '.join(FORMATS)}."
        )
    return found


class Peeked:
    """
    A source whose first values were looked at; they are not read twice.

    :param source: what is looked at.
    :param count: at so many values.
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
        """As the source says."""
        return self._source.expected
