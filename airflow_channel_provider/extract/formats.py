"""
Rows into the bytes of a part: lines of JSON, or Parquet.

A page is turned into bytes at once, so that no more than some thousand rows are in memory, whatever the size of a part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.extract.schema import (
    EXTRACTED_AT,
    WINDOW_END,
    WINDOW_START,
    Found,
    Layout,
    encode,
    fit,
)
from airflow_channel_provider.extract.streams import Kind
from airflow_channel_provider.extract.windows import Window
from airflow_channel_provider.times import iso, to_ms
from airflow_channel_provider.xcom import utf8

if TYPE_CHECKING:
    from pyarrow import Array, DataType, Schema

    from airflow_channel_provider.bulk.files import Output

FORMATS = ("jsonl", "parquet")
BATCH_ROWS = 2_000
"""So many rows are turned into columns at once."""
GROUP_ROWS = 20_000
"""So many rows make a row group of a Parquet file."""


class RowWriter(Protocol):
    """Writes the rows of one part."""

    def write(self, rows: Sequence[dict[str, Any]], at_ms: int) -> None:
        """
        Write rows, which are no longer needed then.

        :param at_ms: when they were asked for; epoch milliseconds.
        """

    def close(self) -> None:
        """Write what is left."""


def row_writer(file_format: str, output: Output, layout: Layout, window: Window, found: Found) -> RowWriter:
    """
    Return what writes the rows of one part.

    :param found: counts what the columns do not foresee.
    """
    kind = JsonLines if file_format == "jsonl" else Parquet
    return kind(output, layout, window, found)


class JsonLines:
    """A record a line, as the service sent it, and what we know of it."""

    def __init__(self, output: Output, layout: Layout, window: Window, found: Found) -> None:
        self._output = output
        self._layout = layout
        self._found = found
        own = encode({WINDOW_START: iso(window.start_ms), WINDOW_END: iso(window.end_ms)})
        self._tail = f",{own[1:]}\n"

    def write(self, rows: Sequence[dict[str, Any]], at_ms: int) -> None:
        """Write rows."""
        self._layout.prepare(rows, self._found)
        tail = f',"{EXTRACTED_AT}":"{iso(at_ms)}"{self._tail}'
        text = "".join([encode(row)[:-1] + tail if row else f"{{{tail[1:]}" for row in rows])
        self._output.write(utf8(text))

    def close(self) -> None:
        """Leave nothing: each write is complete."""


class Parquet:
    """Typed columns; times are UTC."""

    def __init__(self, output: Output, layout: Layout, window: Window, found: Found) -> None:
        from pyarrow import parquet

        self._layout = layout
        self._window = window
        self._found = found
        self._types = arrow_types()
        self._schema = arrow_schema(layout)
        self._sink = _Sink(output)
        self._file = parquet.ParquetWriter(self._sink, self._schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []
        self._times: list[int] = []
        self._batches: list[Any] = []
        self._batched = 0

    def write(self, rows: Sequence[dict[str, Any]], at_ms: int) -> None:
        """Write rows."""
        self._rows += rows
        self._times += [at_ms] * len(rows)
        if len(self._rows) >= BATCH_ROWS:
            self._to_columns()
        if self._batched >= GROUP_ROWS:
            self._write_group()

    def close(self) -> None:
        """Write what is left, and the footer."""
        self._to_columns()
        self._write_group()
        self._file.close()

    def _to_columns(self) -> None:
        import pyarrow

        rows, self._rows = self._rows, []
        times, self._times = self._times, []
        if not rows:
            return
        unknown = self._layout.prepare(rows, self._found)
        extra: dict[int, dict[str, Any]] = {}
        for name in unknown:
            for place, row in enumerate(rows):
                if name in row:
                    extra.setdefault(place, {})[name] = row[name]
        present = set().union(*rows)
        arrays = [
            self._column(name, kind, rows, extra)
            if name in present
            else pyarrow.nulls(len(rows), self._types[kind])
            for name, kind in self._layout.columns.items()
        ]
        extras = [encode(extra[place]) if place in extra else None for place in range(len(rows))]
        moment = self._types[Kind.TIME]
        arrays.append(_texts(extras))
        arrays.append(pyarrow.array(times, pyarrow.int64()).cast(moment))
        arrays += [
            pyarrow.repeat(pyarrow.scalar(border, pyarrow.int64()).cast(moment), len(rows))
            for border in (self._window.start_ms, self._window.end_ms)
        ]
        self._batches.append(pyarrow.RecordBatch.from_arrays(arrays, schema=self._schema))
        self._batched += len(rows)

    def _column(
        self, name: str, kind: Kind, rows: Sequence[Mapping[str, Any]], extra: dict[int, dict[str, Any]]
    ) -> Array:
        values = [row.get(name) for row in rows]
        if kind is Kind.JSON:
            return _texts([None if value is None else encode(value) for value in values])
        array = _as_they_are(values, kind, self._types)
        if array is not None:
            return array
        fitted = [None if value is None else fit(value, kind) for value in values]
        for place, (value, held) in enumerate(zip(values, fitted, strict=True)):
            if held is None and value is not None:
                extra.setdefault(place, {})[name] = value
                self._found.unfit[name] += 1
        return _typed(fitted, kind, self._types)

    def _write_group(self) -> None:
        import pyarrow

        if self._batches:
            table = pyarrow.Table.from_batches(self._batches, self._schema)
            self._batches, self._batched = [], 0
            self._file.write_table(table, row_group_size=2 * GROUP_ROWS)


def _as_they_are(values: list[Any], kind: Kind, types: Mapping[Kind, DataType]) -> Array | None:
    """Return a column of values that have its type already; None where one has another."""
    import pyarrow

    if kind is Kind.NUMBER:
        kinds = {float, int}
    elif kind is Kind.TEXT:
        kinds = {str}
    else:
        kinds = {bool} if kind is Kind.BOOLEAN else {int}
    if not set(map(type, values)) - {type(None)} <= kinds:
        return None
    try:
        array = _typed(values, kind, types)
    except (pyarrow.ArrowException, OverflowError, UnicodeEncodeError):
        return None
    return array if kind is not Kind.TIME or _are_moments(array) else None


def _are_moments(array: Array) -> bool:
    from pyarrow import compute, int64

    ends = compute.min_max(array.cast(int64())).as_py().values()
    return all(ms is None or to_ms(ms) is not None for ms in ends)


def _typed(values: list[Any], kind: Kind, types: Mapping[Kind, DataType]) -> Array:
    import pyarrow

    if kind is Kind.TIME:
        return pyarrow.array(values, pyarrow.int64()).cast(types[kind])
    return _texts(values) if kind is Kind.TEXT else pyarrow.array(values, types[kind])


def _texts(values: list[str | None]) -> Array:
    import pyarrow

    try:
        return pyarrow.array(values, pyarrow.string())
    except UnicodeEncodeError:  # half of a surrogate pair
        fit = [None if value is None else utf8(value).decode() for value in values]
        return pyarrow.array(fit, pyarrow.string())


def arrow_types() -> dict[Kind, DataType]:
    """
    Return Arrow's type for each kind.

    :raises ChannelConfigurationError: pyarrow is not there.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise ChannelConfigurationError(
            "Parquet is written with pyarrow, which is not installed where this task runs: pip install "
            f"'airflow-channel-provider[parquet]' ({error})."
        ) from error
    return {
        Kind.TEXT: pyarrow.string(),
        Kind.JSON: pyarrow.string(),
        Kind.INTEGER: pyarrow.int64(),
        Kind.NUMBER: pyarrow.float64(),
        Kind.BOOLEAN: pyarrow.bool_(),
        Kind.TIME: pyarrow.timestamp("ms", tz="UTC"),
    }


def arrow_schema(layout: Layout) -> Schema:
    """Return the schema of a Parquet file of a layout."""
    types = arrow_types()
    import pyarrow

    kinds = {column["name"]: Kind(column["type"]) for column in layout.described()}
    return pyarrow.schema([(name, types[kind]) for name, kind in kinds.items()])


class _Sink:
    """What pyarrow writes a file into: it asks for more than bytes need."""

    closed = False

    def __init__(self, output: Output) -> None:
        self._output = output
        self._written = 0

    def write(self, content: Any) -> int:
        size = len(content)
        self._output.write(bytes(content))
        self._written += size
        return size

    def tell(self) -> int:
        return self._written

    def flush(self) -> None:
        """Nothing is kept back."""

    def close(self) -> None:
        self.closed = True
