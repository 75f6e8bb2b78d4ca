"""DataFrames of pandas and Polars and relations of DuckDB as items; none of them is a requirement of the provider."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_channel_provider.bulk.sources import FrameSource, is_frame
from airflow_channel_provider.exceptions import ChannelConfigurationError

pandas: Any = pytest.importorskip("pandas", minversion="2.2")
polars: Any = pytest.importorskip("polars")
duckdb: Any = pytest.importorskip("duckdb")

FRAMES: dict[str, Any] = {
    "pandas": pandas.DataFrame({"id": [1, 2, 3], "name": ["a", None, "c"]}).query("id != 2"),
    "polars": polars.DataFrame({"id": [1, 3], "name": ["a", "c"]}),
    "duckdb": duckdb.sql("SELECT 1 AS id, 'a' AS name UNION ALL SELECT 3, 'c' ORDER BY 1"),
}


@pytest.mark.parametrize("library", FRAMES)
def test_a_frame_of_a_library_gives_its_rows(library: str) -> None:
    frame = FRAMES[library]
    assert is_frame(frame)
    assert list(FrameSource(frame)) == [{"id": 1, "name": "a"}, {"id": 3, "name": "c"}]


ROW = [["a", "b"]]


@pytest.mark.parametrize(
    ("frame", "named"),
    [
        (
            pandas.DataFrame(ROW, columns=["chat", "chat"]),
            "The DataFrame in items has several columns named 'chat'",
        ),
        (pandas.DataFrame(ROW, columns=[1, "1"]), "The DataFrame in items has several columns named '1'"),
        (
            pandas.DataFrame(ROW, columns=["chat", "n"], index=pandas.Index([7], name="chat")),
            "The DataFrame in items, with its index, has several columns named 'chat'",
        ),
        (
            pandas.DataFrame(ROW, columns=["chat", "n"], index=pandas.RangeIndex(1, name="chat")),
            "The DataFrame in items, with its index, has several columns named 'chat'",
        ),
        (
            pandas.DataFrame(ROW, index=pandas.MultiIndex.from_tuples([(1, 2)], names=["x", "x"])),
            "The DataFrame in items, with its index, has several columns named 'x'",
        ),
        (
            duckdb.sql("SELECT 1 AS chat, 2 AS chat"),
            "The DuckDBPyRelation in items has several columns named 'chat'",
        ),
    ],
)
def test_two_columns_of_one_name_are_told_by_it(frame: Any, named: str) -> None:
    with pytest.raises(ChannelConfigurationError, match=named):
        next(iter(FrameSource(frame)))


@pytest.mark.parametrize(
    ("index", "values"),
    [
        (pandas.Index([7], name="id"), {"a": 1, "id": 7}),
        (pandas.RangeIndex(7, 8, name="id"), {"a": 1, "id": 7}),
        (pandas.MultiIndex.from_tuples([(7, 8)], names=["id", None]), {"a": 1, "id": 7}),
        (pandas.RangeIndex(7, 8), {"a": 1}),
        (pandas.Index([7]), {"a": 1}),
    ],
)
def test_an_index_that_has_a_name_is_a_column(index: Any, values: Any) -> None:
    source = FrameSource(pandas.DataFrame({"a": [1]}, index=index))
    assert list(source) == [values]
    assert set(source.schema().names) == set(values)


@pytest.mark.parametrize("ids", [[7], [7, 8], ["a", None]])
def test_an_index_that_repeats_a_column_is_no_second_one(ids: list[Any]) -> None:
    frame = pandas.DataFrame({"id": ids, "a": 1}).set_index("id", drop=False)
    assert list(FrameSource(frame)) == [{"id": number, "a": 1} for number in ids]


def test_a_time_of_polars_keeps_its_nanoseconds() -> None:
    times = polars.Series([30_600_000_000_001, None]).cast(polars.Time)
    assert list(FrameSource(polars.DataFrame({"at": times}))) == [{"at": "08:30:00.000000001"}, {"at": None}]


@pytest.mark.parametrize("series", [pandas.Series([1, 2]), polars.Series([1, 2])])
def test_one_column_of_a_library_is_a_list_of_its_values(series: Any) -> None:
    assert not is_frame(series)
