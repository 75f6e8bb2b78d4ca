"""Every format with every fault that a file or its store may have: an error of ours, with the file's name, always."""

from __future__ import annotations

import builtins
import gzip
import importlib
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath
from support.file_faults import (
    CONTENTS,
    FAULTS,
    NAMES,
    PACKERS,
    SAYS_NOTHING,
    TROUBLES,
    fail_the_store,
    jsonl,
    rows_of_people,
    whole,
    zipped,
)

from airflow_channel_provider.bulk import text_files
from airflow_channel_provider.bulk.input_file import InputFile
from airflow_channel_provider.bulk.sources import FileSource
from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError

ROWS = rows_of_people(3_000)


@cache
def intact(name: str) -> bytes:
    return whole(name, ROWS)


def source_of(folder: Any, name: str, content: bytes, **arguments: Any) -> FileSource:
    path = folder / name
    with path.fs.open(path.path, "wb") as file:
        file.write(content)
    return FileSource(path, **arguments)


def read(source: FileSource) -> tuple[list[object], ChannelError | None]:
    rows: list[object] = []
    try:
        rows.extend(source)
    except ChannelError as error:
        return rows, error
    return rows, None


@pytest.mark.parametrize("name", NAMES)
def test_each_is_read(name: str, folder: Any) -> None:
    assert list(source_of(folder, name, intact(name))) == ROWS


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", NAMES)
def test_a_file_with_a_fault_is_told_by_its_name(name: str, fault: str, tmp_path: Path) -> None:
    source = source_of(ObjectStoragePath(tmp_path.as_uri()), name, FAULTS[fault](intact(name)))
    rows, error = read(source)
    if error is None:
        assert (name, fault) in SAYS_NOTHING or rows == ROWS
        return
    assert isinstance(error, ChannelConfigurationError)
    assert name in str(error)
    assert any(remedy in str(error) for remedy in ("set ", "add the right suffix", "correct the file"))


@pytest.mark.parametrize("kind", CONTENTS)
@pytest.mark.parametrize("other", CONTENTS)
def test_a_file_of_another_format_is_told(kind: str, other: str, tmp_path: Path) -> None:
    if (kind, other) in ((kind, kind), ("csv", "jsonl")):
        pytest.skip("It can be read.")
    folder = ObjectStoragePath(tmp_path.as_uri())
    rows, error = read(source_of(folder, f"rows.{kind}", CONTENTS[other](ROWS)))
    assert isinstance(error, ChannelConfigurationError)
    assert f"rows.{kind}" in str(error)
    assert not rows


# ---- the store


@pytest.mark.parametrize("where", ["open", "read"])
@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("name", NAMES)
def test_the_trouble_of_a_store_is_no_fault_of_the_file(
    name: str, trouble: str, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = source_of(ObjectStoragePath(tmp_path.as_uri()), name, intact(name))
    raised, kind, words = TROUBLES[trouble]
    fail_the_store(monkeypatch, source.path.fs, raised, where=where)
    with pytest.raises(ChannelError, match=words) as caught:
        list(source)
    assert type(caught.value) is kind
    assert name in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv", "rows.parquet", "rows.csv.gz"])
def test_a_file_that_is_not_there_is_told_and_read_once_it_is(name: str, folder: Any) -> None:
    source = FileSource(folder / name)
    with pytest.raises(ChannelError, match=f"{name} .*it does not exist"):
        list(source)
    source_of(folder, name, intact(name))
    assert list(source) == ROWS


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv", "rows.jsonl.gz", "rows.parquet"])
def test_a_file_that_is_written_to_while_it_is_read_is_told(
    name: str, folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_files, "READ_AHEAD_BYTES", 1_000)
    monkeypatch.setattr(text_files, "BLOCK_BYTES", 1_000)
    source = source_of(folder, name, intact(name))
    rows = iter(source)
    next(rows)
    content = intact(name)
    with folder.fs.open((folder / name).path, "wb") as file:
        file.write(content[: len(content) // 2] if name.endswith("parquet") else content + content[-100:])
    with pytest.raises(ChannelError, match=f"{name} was changed while it was read") as caught:
        list(rows)
    assert type(caught.value) is ChannelError
    source_of(folder, name, content)
    assert list(source) == ROWS


def test_a_file_that_was_replaced_is_read_to_its_end_as_it_was(tmp_path: Path) -> None:
    source = source_of(ObjectStoragePath(tmp_path.as_uri()), "rows.jsonl", jsonl(ROWS))
    rows = iter(source)
    first = next(rows)
    (tmp_path / "new").write_bytes(b'{"id": "new"}\n')
    (tmp_path / "new").replace(tmp_path / "rows.jsonl")
    assert [first, *rows] == ROWS
    assert list(source) == [{"id": "new"}]


# ---- what unpacks


def without(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    imported, found = builtins.__import__, importlib.import_module

    def refusing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name in names:
            raise ModuleNotFoundError(f"No module named {name!r}")
        return imported(name, *args, **kwargs)

    def finding(name: str, *args: Any) -> Any:
        if name in names:
            raise ModuleNotFoundError(f"No module named {name!r}")
        return found(name, *args)

    monkeypatch.setattr(builtins, "__import__", refusing)
    monkeypatch.setattr(importlib, "import_module", finding)


@pytest.mark.parametrize(
    ("name", "modules", "words"),
    [
        ("rows.csv.zst", ("compression.zstd", "backports.zstd"), r"airflow-channel-provider\[zstd\]"),
        ("rows.csv.bz2", ("bz2",), "Python of this task was built without the module bz2"),
        ("rows.csv.xz", ("lzma",), "Python of this task was built without the module lzma"),
        ("rows.parquet", ("pyarrow", "pyarrow.parquet"), r"airflow-channel-provider\[parquet\]"),
    ],
)
def test_what_is_not_installed_is_named(
    name: str, modules: tuple[str, ...], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = source_of(ObjectStoragePath(tmp_path.as_uri()), name, b"x")
    without(monkeypatch, *modules)
    with pytest.raises(ChannelConfigurationError, match=words):
        list(source)


@pytest.mark.parametrize("suffix", [suffix for suffix in PACKERS if suffix not in ("", ".zip", ".lzma")])
def test_what_was_packed_in_parts_is_read_to_the_end(suffix: str, tmp_path: Path) -> None:
    packed = PACKERS[suffix]
    source = source_of(
        ObjectStoragePath(tmp_path.as_uri()),
        f"rows.jsonl{suffix}",
        packed(b'{"id": 1}\n') + packed(b'{"id": 2}\n'),
    )
    assert list(source) == [{"id": 1}, {"id": 2}]


def test_an_archive_of_several_files_is_refused_and_its_extras_are_not_counted(tmp_path: Path) -> None:
    folder = ObjectStoragePath(tmp_path.as_uri())
    two = source_of(folder, "two.csv.zip", zipped(b"id\n1\n", "more.csv"))
    with pytest.raises(ChannelConfigurationError, match="this one contains 2"):
        list(two)
    assert list(source_of(folder, "one.csv.zip", zipped(b"id\n1\n", "__MACOSX/._rows", "folder/"))) == [
        {"id": "1"}
    ]


@pytest.mark.parametrize("name", ["rows.csv.lz4", "rows.jsonl.tar", "rows.jsonl.snappy"])
def test_what_is_packed_in_another_way_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ChannelConfigurationError, match=f"{name} has a compression that is not supported"):
        FileSource(ObjectStoragePath((tmp_path / name).as_uri()))
    named = source_of(ObjectStoragePath(tmp_path.as_uri()), name, b"id\n1\n", file_format="csv")
    with pytest.raises(ChannelConfigurationError, match=f"{name} has a compression that is not supported"):
        list(named)


@pytest.mark.parametrize("name", ["ROWS.CSV.GZ", "Rows.Csv.gz"])
def test_names_may_be_in_capitals(name: str, tmp_path: Path) -> None:
    source = source_of(ObjectStoragePath(tmp_path.as_uri()), name, gzip.compress(b"id\n1\n"))
    assert list(source) == [{"id": "1"}]


def test_the_limit_of_an_item_is_one_of_a_parquet_row_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_files, "MAX_ITEM_BYTES", 10_000)
    file = pyarrow.BufferOutputStream()
    texts = ["x" * 100] * 200 + ["x" * 20_000] + ["y"]
    pyarrow.parquet.write_table(pyarrow.table({"text": texts}), file)
    source = source_of(ObjectStoragePath(tmp_path.as_uri()), "rows.parquet", bytes(file.getvalue()))
    rows, error = read(source)
    assert f"Row 201 of {source.path} exceeds the limit of 10,000 bytes" in str(error)
    assert sys.getsizeof(rows) < 10_000


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv", "rows.jsonl.gz"])
def test_a_store_is_asked_for_large_pieces_and_for_none_twice(
    name: str, folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_files, "READ_AHEAD_BYTES", 70_000)
    source, content = source_of(folder, name, intact(name)), intact(name)
    asked: list[tuple[int, int]] = []
    read = InputFile.read

    def noting(file: InputFile, size: int = -1) -> bytes:
        begin, found = file.tell(), read(file, size)
        asked.append((begin, len(found)))
        return found

    monkeypatch.setattr(InputFile, "read", noting)
    assert list(source) == ROWS
    pieces = [(begin, length) for begin, length in asked if length]
    assert pieces == [(begin, min(70_000, len(content) - begin)) for begin in range(0, len(content), 70_000)]
