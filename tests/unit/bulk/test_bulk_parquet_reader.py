"""Parquet files with row groups of any size: the same rows whichever way they are read, and as little held."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath
from support.arrow_columns import table_of

from airflow_channel_provider.bulk import parquet_reader
from airflow_channel_provider.bulk.input_file import InputFile
from airflow_channel_provider.bulk.sources import FileSource
from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError

COUNT = 3_000


def source_of(folder: Path, table: pyarrow.Table, **options: Any) -> FileSource:
    pyarrow.parquet.write_table(table, folder / "rows.parquet", **options)
    return FileSource(ObjectStoragePath((folder / "rows.parquet").as_uri()))


def texts(columns: int, count: int) -> pyarrow.Table:
    """Return columns in which no text is there twice."""
    return pyarrow.table({f"c{c}": [f"column {c} of row {n}" for n in range(count)] for c in range(columns)})


@pytest.fixture
def _column_by_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_reader, "AT_ONE_GO_BYTES", -1)


TABLES: dict[str, Callable[[], pyarrow.Table]] = {
    "texts": lambda: texts(3, COUNT),
    "every type": lambda: table_of(20),
    "no rows": lambda: texts(2, 0),
    "no columns": lambda: pyarrow.table({}),
    "names with dots": lambda: pyarrow.table(
        {
            "a": [{"b": n, "c.d": str(n)} for n in range(COUNT)],
            "a.b": range(COUNT),
            "a.b.c": [[str(n)] * (n % 3) for n in range(COUNT)],
            "b": [None if n % 2 else n for n in range(COUNT)],
        }
    ),
    "categories": lambda: pyarrow.table(
        {
            "n": range(COUNT),
            "few": pyarrow.array([f"text {n % 7}" for n in range(COUNT)]).dictionary_encode(),
            "many": pyarrow.array([f"text {n // 2}" for n in range(COUNT)]).dictionary_encode(),
        }
    ),
}


@pytest.mark.usefixtures("_column_by_column")
@pytest.mark.parametrize("group", [COUNT, 1_300, 170])
@pytest.mark.parametrize("table_of_kind", TABLES.values(), ids=TABLES)
def test_rows_are_the_same_column_by_column(
    table_of_kind: Callable[[], pyarrow.Table], group: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = source_of(
        tmp_path,
        table_of_kind(),
        row_group_size=group,
        dictionary_pagesize_limit=2_000,
        data_page_size=999,
    )
    laid_out = list(source)
    monkeypatch.setattr(parquet_reader, "AT_ONE_GO_BYTES", 2**40)
    assert [*map(repr, laid_out)] == [*map(repr, source)]
    assert len(laid_out) == table_of_kind().num_rows


def laid_out(folder: Path, **pieces: list[int]) -> parquet_reader.Columns:
    """Return columns of the numbers from 0, each in pieces of its own."""
    columns = parquet_reader.Columns(io.BytesIO(), ObjectStoragePath(folder.as_uri()))
    for name, lengths in pieces.items():
        begins = [sum(lengths[:position]) for position in range(len(lengths))]
        made = [range(begin, begin + length) for begin, length in zip(begins, lengths, strict=True)]
        batches = [pyarrow.record_batch({name: pyarrow.array(piece, pyarrow.int64())}) for piece in made]
        columns.add(pyarrow.field(name, pyarrow.int64()), iter(batches))
    return columns


def test_columns_that_come_in_other_pieces_stay_side_by_side(tmp_path: Path) -> None:
    found: list[tuple[int, ...]] = []
    for arrays in laid_out(tmp_path, a=[4, 4, 1], b=[1, 7, 1], c=[3, 0, 3, 3]).parts():
        found += zip(*(array.to_pylist() for array in arrays), strict=True)
    assert found == [(n, n, n) for n in range(9)]


@pytest.mark.parametrize("shorter", [[4], [4, 3], []])
def test_a_column_that_ends_before_the_others_is_an_error(shorter: list[int], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="shorter"):
        list(laid_out(tmp_path, a=[4, 4], b=shorter, c=[8]).parts())


def most_bytes(folder: Path, columns: int, count: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how much memory pyarrow takes for the columns of a single row group, the pages apart."""
    pool = pyarrow.proxy_memory_pool(pyarrow.system_memory_pool())
    # A page is held as a whole, and an older pyarrow writes larger ones: of up to 1 MiB, whatever their rows.
    pages = {"data_page_size": 2**16, "dictionary_pagesize_limit": 2**16}
    source = source_of(folder, texts(columns, count), row_group_size=count, **pages)
    with monkeypatch.context() as patch:
        patch.setattr(pyarrow, "system_memory_pool", lambda: pool)
        assert sum(1 for _ in source) == count
    held: int = pool.max_memory()
    assert held > 0
    return held


def test_memory_grows_neither_with_the_rows_nor_with_the_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = most_bytes(tmp_path, 4, 25_000, monkeypatch)
    assert most_bytes(tmp_path, 4, 75_000, monkeypatch) < 1.2 * few
    assert most_bytes(tmp_path, 12, 25_000, monkeypatch) < 1.2 * few


@pytest.mark.usefixtures("_column_by_column")
def test_a_folder_without_room_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(parquet_reader, "IN_MEMORY_BYTES", 1)
    source = source_of(tmp_path, texts(2, COUNT))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(ChannelError, match=r"no room for the columns of .*rows\.parquet .*TMPDIR") as caught:
        list(source)
    assert not isinstance(caught.value, ChannelConfigurationError)


def test_a_store_is_asked_for_large_pieces_and_for_little_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = source_of(tmp_path, texts(20, 12_000))
    asked: list[int] = []
    read = InputFile.read

    def noting(file: InputFile, size: int = -1) -> bytes:
        found = read(file, size)
        asked.append(len(found))
        return found

    monkeypatch.setattr(InputFile, "read", noting)
    assert sum(1 for _ in source) == 12_000
    whole = (tmp_path / "rows.parquet").stat().st_size
    assert sum(asked) < whole + 2 * parquet_reader.READ_AHEAD_BYTES
    assert len(asked) < whole / parquet_reader.READ_AHEAD_BYTES + 4
