"""DataFrames of pandas and Polars and relations of DuckDB as items; none of them is a requirement of the provider."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_channel_provider.bulk import parquet_reader
from airflow_channel_provider.bulk.sources import FileSource, FrameSource, is_frame
from airflow_channel_provider.exceptions import ChannelConfigurationError

pandas: Any = pytest.importorskip("pandas", minversion="2.2")
polars: Any = pytest.importorskip("polars")
duckdb: Any = pytest.importorskip("duckdb")


def file_of(folder: Path) -> FileSource:
    return FileSource(ObjectStoragePath((folder / "rows.parquet").as_uri()))


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


def test_a_frame_whose_rows_are_not_computed_is_refused_with_what_computes_them() -> None:
    with pytest.raises(ChannelConfigurationError, match=r"a LazyFrame, .*; pass its collect\(\)"):
        is_frame(FRAMES["polars"].lazy())


def test_a_column_that_arrow_lacks_may_be_why_a_frame_is_not_read() -> None:
    frame = pandas.DataFrame({"a": pandas.arrays.SparseArray([0, 1])})
    with pytest.raises(ChannelConfigurationError, match="or of one that Arrow lacks, such as sparse"):
        list(FrameSource(frame))


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


@pytest.mark.parametrize("name", ["id", None])
def test_an_index_that_is_a_range_is_in_a_file_and_a_table_of_pyarrow_as_in_the_frame(
    name: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(parquet_reader, "ROWS_AT_ONCE", 2)
    frame = pandas.DataFrame({"a": range(7)}, index=pandas.RangeIndex(10, 80, 10, name=name))
    frame.to_parquet(tmp_path / "rows.parquet", row_group_size=3)
    rows = [{"id": 10 + 10 * n, "a": n} if name else {"a": n} for n in range(7)]
    for source in (FrameSource(frame), FrameSource(pyarrow.Table.from_pandas(frame)), file_of(tmp_path)):
        assert list(source) == rows
        schema = source.schema()
        assert schema is not None
        assert {field.name: str(field.type) for field in schema} == dict.fromkeys(rows[0], "int64")


def test_a_description_of_an_index_that_is_of_other_rows_is_left_out(tmp_path: Path) -> None:
    table = pyarrow.Table.from_pandas(pandas.DataFrame({"a": [1, 2]}, index=pandas.RangeIndex(2, name="id")))
    for left in (table.slice(1), table.slice(1).replace_schema_metadata({"pandas": "no JSON"})):
        pyarrow.parquet.write_table(left, tmp_path / "rows.parquet")
        assert list(FrameSource(left)) == list(file_of(tmp_path)) == [{"a": 2}]


def test_an_index_that_is_a_range_has_no_name_of_a_column(tmp_path: Path) -> None:
    pandas.DataFrame({"id": ["a"]}, index=pandas.RangeIndex(1, name="id")).to_parquet(
        tmp_path / "rows.parquet"
    )
    with pytest.raises(ChannelConfigurationError, match=r"rows\.parquet has several columns named 'id'"):
        list(file_of(tmp_path))


@pytest.mark.parametrize(
    ("value", "path"), [("[INTERVAL 1 DAY]", "a.list.element"), ("{'b': INTERVAL 1 DAY}", "a.b")]
)
def test_intervals_within_other_values_of_a_file_are_told(value: str, path: str, tmp_path: Path) -> None:
    duckdb.sql(f"SELECT {value} AS a").write_parquet(str(tmp_path / "rows.parquet"))
    for read in (list, FileSource.schema):
        with pytest.raises(ChannelConfigurationError, match=rf"Column '{path}' of .* holds intervals within"):
            read(file_of(tmp_path))


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
