"""Tables in memory as items: whatever offers Arrow's interchange gives its rows, whoever made it."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow
import pyarrow.compute
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import cases

from airflow_channel_provider.bulk.arrow import _clock_text, _day_text, type_of_arrow
from airflow_channel_provider.bulk.column_types import DATE, LIST_OF_NUMBER, LIST_OF_STRING, NUMBER, STRING
from airflow_channel_provider.bulk.json_values import to_json_value
from airflow_channel_provider.bulk.sources import FrameSource, is_frame
from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.operators._table import columns_of

TABLE = pyarrow.table(
    {
        "id": [1, 2, None],
        "name": ["mina", None, ""],
        "total": pyarrow.array([Decimal("1.50"), None, Decimal("0.00")]),
        "at": [date(2026, 1, 31), None, None],
    }
)
ROWS = TABLE.to_pylist()


class Offers:
    """Another library's table: nothing is known of it but that it offers its columns."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._table.__arrow_c_stream__(requested_schema)


class Frame:
    """A DataFrame of a library that offers nothing, and is a collection of the names of its columns."""

    columns = ("id", "name")

    def __iter__(self) -> Any:
        return iter(self.columns)

    def __len__(self) -> int:
        return 3

    def __contains__(self, name: object) -> bool:
        return name in self.columns


@pytest.mark.parametrize(
    ("value", "expected"),
    [(TABLE, 3), (TABLE.to_batches()[0], 3), (Offers(TABLE), None), (TABLE.slice(0, 0), 0)],
)
def test_a_table_gives_its_rows_as_often_as_they_are_asked_for(value: Any, expected: int | None) -> None:
    assert is_frame(value)
    source = FrameSource(value)
    rows = [] if expected == 0 else ROWS
    assert list(source) == rows
    assert list(source) == rows
    assert source.expected == expected


def test_its_columns_have_the_types_that_it_says() -> None:
    found = {column["key"]: column["type"] for column in columns_of(FrameSource(TABLE), ROWS, ["id"])}
    assert found == {"id": NUMBER, "name": STRING, "total": NUMBER, "at": DATE}
    empty = FrameSource(TABLE.slice(0, 0))
    assert [column["type"] for column in columns_of(empty, [], [])] == [NUMBER, STRING, NUMBER, DATE]


def test_a_table_is_read_in_pieces() -> None:
    count = 2_500
    rows = iter(FrameSource(pyarrow.table({"n": range(count)})))
    assert [row["n"] for row in rows] == list(range(count))  # type: ignore[index]


def test_one_that_is_read_only_once_is_refused() -> None:
    with pytest.raises(
        ChannelConfigurationError, match="items is a RecordBatchReader, which can be read only once"
    ):
        is_frame(TABLE.to_reader())


def test_an_index_without_a_name_is_left_out() -> None:
    table = TABLE.append_column("__index_level_0__", [[0, 2, 4]])
    assert list(FrameSource(table)) == ROWS
    assert FrameSource(table).schema().names == TABLE.schema.names


def test_two_columns_of_one_name_are_told() -> None:
    table = pyarrow.Table.from_arrays([pyarrow.array([1]), pyarrow.array([2])], names=["a", "a"])
    with pytest.raises(ChannelConfigurationError, match="The Table in items has several columns named 'a'"):
        next(iter(FrameSource(table)))


def test_what_its_library_raises_is_told_without_a_value() -> None:
    class Mixed:
        def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
            raise TypeError("Could not convert 'A1' with type str")

    with pytest.raises(ChannelConfigurationError, match=r"The Mixed in items .* \(TypeError\)") as caught:
        next(iter(FrameSource(Mixed())))
    assert "A1" not in str(caught.value)


@pytest.mark.parametrize("value", [[], [1], ("a",), {"a": 1}, "text", b"bytes", {1, 2}, range(3), None, 7])
def test_a_list_is_no_table(value: Any) -> None:
    assert not is_frame(value)


def test_one_column_is_a_list_of_its_values() -> None:
    assert not is_frame(pyarrow.chunked_array([[1, 2]]))
    assert not is_frame(pyarrow.array([1, 2]))


def test_a_table_that_offers_nothing_is_refused() -> None:
    with pytest.raises(ChannelConfigurationError, match="items is a Frame that does not offer its rows"):
        is_frame(Frame())


def frame_of(column: Any) -> FrameSource:
    return FrameSource(pyarrow.table({"column": column}))


LIST_VIEWS = [name for name in ("list_view", "large_list_view") if hasattr(pyarrow, name)]
VIEWS = [name for name in ("string_view",) if hasattr(pyarrow, name)]
MONTHS = pyarrow.month_day_nano_interval()


@pytest.mark.parametrize(
    ("column", "kind", "values"),
    [
        (pyarrow.array([(1, 2, 0), None], MONTHS), STRING, ["P1M2D", None]),
        (pyarrow.array([[(14, 0, 0)], None], pyarrow.list_(MONTHS)), STRING, [["P1Y2M"], None]),
        (pyarrow.array([["a"], None], pyarrow.list_(pyarrow.large_string())), LIST_OF_STRING, [["a"], None]),
        (pyarrow.array([[], None], pyarrow.list_(pyarrow.null())), LIST_OF_STRING, [[], None]),
        *(
            (pyarrow.array([["a"]], pyarrow.large_list(getattr(pyarrow, name)())), LIST_OF_STRING, [["a"]])
            for name in VIEWS
        ),
        *(
            (
                pyarrow.array([[1, 2], None], getattr(pyarrow, name)(pyarrow.int8())),
                LIST_OF_NUMBER,
                [[1, 2], None],
            )
            for name in LIST_VIEWS
        ),
        (
            pyarrow.compute.run_end_encode(pyarrow.array([0.1, 0.1], pyarrow.float32())),
            NUMBER,
            [0.1, 0.1],
        ),
    ],
)
def test_a_type_that_no_file_has_is_read_as_what_it_means(column: Any, kind: str, values: list[Any]) -> None:
    frame = frame_of(column)
    assert [to_json_value(row) for row in frame] == [{"column": value} for value in values]
    assert type_of_arrow(frame.schema().field(0).type) == kind


NANOSECONDS = pyarrow.timestamp("ns")


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (pyarrow.timestamp("s"), 2**63 - 1, "infinity"),
        (pyarrow.timestamp("s"), -(2**63 - 1), "-infinity"),
        (NANOSECONDS, 2**63 - 1, "infinity"),
        (pyarrow.date32(), 2**31 - 1, "infinity"),
        (pyarrow.date32(), -(2**31 - 1), "-infinity"),
        (pyarrow.timestamp("s"), 10**17, "+3168875820-09-06T09:46:40"),
        (pyarrow.timestamp("ms"), 253_402_300_800_007, "+10000-01-01T00:00:00.007000"),
        (pyarrow.timestamp("us", tz="Asia/Seoul"), 10**18, "+33658-09-27T01:46:40Z"),
        # Of Seoul it is the first second of the year 10,000.
        (pyarrow.timestamp("s", tz="Asia/Seoul"), 253_402_268_400, "9999-12-31T15:00:00Z"),
        (pyarrow.timestamp("s"), -62_135_596_801, "0000-12-31T23:59:59"),
        (pyarrow.date32(), -735_525, "-0044-03-15"),
        (pyarrow.date64(), 253_402_300_800_000, "+10000-01-01"),
        (pyarrow.date32(), 2**31 - 2, "+5881580-07-10"),
        (NANOSECONDS, -1, "1969-12-31T23:59:59.999999999"),
        (pyarrow.timestamp("ns", tz="America/New_York"), 1, "1969-12-31T19:00:00.000000001-05:00"),
        (pyarrow.timestamp("ns", tz="+09:00"), -(2**63) + 193, "1677-09-21T09:12:43.145224385+09:00"),
        (pyarrow.time64("ns"), 1, "00:00:00.000000001"),
        (pyarrow.time64("ns"), 86_400_000_000_000, "24:00:00"),
        (pyarrow.time32("s"), 86_400, "24:00:00"),
    ],
)
def test_a_time_that_python_has_not_is_its_text(kind: Any, value: int, text: str) -> None:
    column = pyarrow.array([value, None], kind)
    lists = pyarrow.array([[value, None], None], pyarrow.list_(kind))
    structs = pyarrow.array([{"at": value}, None], pyarrow.struct([("at", kind)]))
    assert list(frame_of(column)) == [{"column": text}, {"column": None}]
    assert list(frame_of(column.dictionary_encode())) == [{"column": text}, {"column": None}]
    assert list(frame_of(lists)) == [{"column": [text, None]}, {"column": None}]
    assert list(frame_of(structs)) == [{"column": {"at": text}}, {"column": None}]


@pytest.mark.parametrize(
    ("kind", "value", "own"),
    [
        (NANOSECONDS, 1_000, datetime.fromisoformat("1970-01-01T00:00:00.000001")),
        (pyarrow.timestamp("ns", tz="UTC"), 0, datetime.fromisoformat("1970-01-01T00:00:00+00:00")),
        (pyarrow.duration("ns"), -1_000, timedelta(microseconds=-1)),
        (pyarrow.time64("ns"), 86_399_999_999_000, time.max),
        (pyarrow.time32("ms"), 1, time(0, 0, 0, 1_000)),
    ],
)
def test_a_time_that_python_has_is_pythons_own_whoever_is_there(kind: Any, value: int, own: object) -> None:
    column = pyarrow.array([value, None], kind)
    lists = pyarrow.array([[value, None], None], pyarrow.list_(kind))
    found = [row["column"] for row in frame_of(column)]  # type: ignore[index]
    assert (found, type(found[0])) == ([own, None], type(own))
    assert list(frame_of(lists)) == [{"column": [own, None]}, {"column": None}]


@pytest.mark.fuzz
@cases(200)
@given(moment=st.datetimes())
def test_a_time_is_told_as_python_tells_it(moment: datetime) -> None:
    micros = (moment - datetime.fromisoformat("1970-01-01")) // timedelta(microseconds=1)
    days, rest = divmod(micros, 86_400_000_000)
    assert _day_text(days) == moment.date().isoformat()
    assert _clock_text(rest * 1_000) == moment.time().isoformat()
