"""Every format with every fault that a file or its store may have: an error of ours, with the file's name, always."""

from __future__ import annotations

import builtins
import bz2
import gzip
import importlib
import io
import json
import lzma
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_channel_provider.bulk import lines
from airflow_channel_provider.bulk.opened import Opened
from airflow_channel_provider.bulk.sources import FileSource
from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError

ROWS = [{"id": str(number), "name": f"이름 {number}"} for number in range(3_000)]


def jsonl() -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in ROWS).encode()


def csv() -> bytes:
    return ("id,name\n" + "".join(f"{row['id']},{row['name']}\n" for row in ROWS)).encode()


def parquet() -> bytes:
    file = pyarrow.BufferOutputStream()
    table = pyarrow.Table.from_pylist(ROWS)
    pyarrow.parquet.write_table(table, file, row_group_size=1_000, compression="gzip")
    return bytes(file.getvalue())


def zipped(content: bytes, *more: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("rows", *more):
            archive.writestr(name, content)
    return file.getvalue()


def zstd(content: bytes) -> bytes:
    packed: bytes = pytest.importorskip("backports.zstd").compress(content)
    return packed


CONTENTS = {"jsonl": jsonl, "csv": csv, "parquet": parquet}
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".lzma": lambda content: lzma.compress(content, lzma.FORMAT_ALONE),
    ".zip": zipped,
    ".zst": zstd,
}
NAMES = [f"rows.{kind}{suffix}" for kind in ("jsonl", "csv") for suffix in PACKERS] + ["rows.parquet"]
FAULTS: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda content: content[: len(content) // 2 - 1],
    "its end cut off": lambda content: content[:-3],
    "nothing but a byte": lambda content: content[:1],
    "zeros in it": lambda content: content[:50] + bytes(60) + content[110:],
    "noise in it": lambda content: content[:200] + bytes(range(255, 127, -1)) + content[328:],
    "noise at its end": lambda content: content + bytes(range(255, 127, -1)),
    "something else": lambda content: b"\x89PNG\r\n\x1a\n" + bytes(300),
    "unpacked twice": gzip.compress,
}
SAYS_NOTHING = {
    # The text ends within a line: the line is no JSON, and of CSV it is a shorter field.
    *((name, fault) for name in ("rows.csv",) for fault in ("cut", "its end cut off", "nothing but a byte")),
    ("rows.jsonl", "its end cut off"),
}


def whole(name: str) -> bytes:
    _, kind, *suffix = name.split(".")
    return PACKERS["".join(f".{one}" for one in suffix)](CONTENTS[kind]())


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
    assert list(source_of(folder, name, whole(name))) == ROWS


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", NAMES)
def test_a_file_with_a_fault_is_told_by_its_name(name: str, fault: str, tmp_path: Path) -> None:
    source = source_of(ObjectStoragePath(tmp_path.as_uri()), name, FAULTS[fault](whole(name)))
    rows, error = read(source)
    if error is None:
        assert (name, fault) in SAYS_NOTHING or rows == ROWS
        return
    assert isinstance(error, ChannelConfigurationError)
    assert name in str(error)
    assert "give" in str(error) or "correct the file" in str(error)


@pytest.mark.parametrize("kind", CONTENTS)
@pytest.mark.parametrize("other", CONTENTS)
def test_a_file_of_another_format_is_told(kind: str, other: str, tmp_path: Path) -> None:
    if (kind, other) in ((kind, kind), ("csv", "jsonl")):
        pytest.skip("It can be read.")
    folder = ObjectStoragePath(tmp_path.as_uri())
    rows, error = read(source_of(folder, f"rows.{kind}", CONTENTS[other]()))
    assert isinstance(error, ChannelConfigurationError)
    assert f"rows.{kind}" in str(error)
    assert not rows


# ---- the store


class Raising:
    """An open file of a store that fails on the way."""

    def __init__(self, file: Any, error: Exception) -> None:
        self._file = file
        self._error = error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> Raising:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, size: int = -1) -> bytes:
        raise self._error


FileExpired = type("FileExpired", (OSError,), {})
"""As s3fs calls it."""


class RefusedError(Exception):
    """As the package of a store may have it; its words may hold an address with a key in it."""

    def __str__(self) -> str:
        return "https://bucket/rows?signature=hidden"


TROUBLES: dict[str, tuple[Exception, type[ChannelError], str]] = {
    "is not there": (FileNotFoundError(2, "no"), ChannelError, "it is not there"),
    "is a folder": (IsADirectoryError(21, "no"), ChannelConfigurationError, "no file can be there"),
    "must not be read": (
        PermissionError("Forbidden"),
        ChannelConfigurationError,
        "the permission is missing",
    ),
    "does not answer": (TimeoutError("no"), ChannelError, r"can't be read \(TimeoutError\)"),
    "is broken off": (EOFError("no"), ChannelError, r"can't be read \(EOFError\)"),
    "gives a word of its own": (ValueError("no"), ChannelError, r"can't be read \(ValueError\)"),
    "refuses": (RefusedError(), ChannelError, r"can't be read \(RefusedError\)"),
    "is another file": (FileExpired(16, "no"), ChannelError, "was changed while it was read"),
}


@pytest.mark.parametrize("where", ["open", "read"])
@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("name", NAMES)
def test_the_trouble_of_a_store_is_no_fault_of_the_file(
    name: str, trouble: str, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = source_of(ObjectStoragePath(tmp_path.as_uri()), name, whole(name))
    raised, kind, words = TROUBLES[trouble]
    opened = type(source.path.fs).open

    def failing(*args: Any, **kwargs: Any) -> Any:
        if where == "open":
            raise raised
        return Raising(opened(*args, **kwargs), raised)

    monkeypatch.setattr(type(source.path.fs), "open", failing)
    with pytest.raises(ChannelError, match=words) as caught:
        list(source)
    assert type(caught.value) is kind
    assert name in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv", "rows.parquet", "rows.csv.gz"])
def test_a_file_that_is_not_there_is_told_and_read_once_it_is(name: str, folder: Any) -> None:
    source = FileSource(folder / name)
    with pytest.raises(ChannelError, match=f"{name} .*it is not there"):
        list(source)
    source_of(folder, name, whole(name))
    assert list(source) == ROWS


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv", "rows.jsonl.gz", "rows.parquet"])
def test_a_file_that_is_written_to_while_it_is_read_is_told(
    name: str, folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "READ_AHEAD_BYTES", 1_000)
    monkeypatch.setattr(lines, "BLOCK_BYTES", 1_000)
    source = source_of(folder, name, whole(name))
    rows = iter(source)
    next(rows)
    content = whole(name)
    with folder.fs.open((folder / name).path, "wb") as file:
        file.write(content[: len(content) // 2] if name.endswith("parquet") else content + content[-100:])
    with pytest.raises(ChannelError, match=f"{name} was changed while it was read") as caught:
        list(rows)
    assert type(caught.value) is ChannelError
    source_of(folder, name, content)
    assert list(source) == ROWS


def test_a_file_that_was_replaced_is_read_to_its_end_as_it_was(tmp_path: Path) -> None:
    source = source_of(ObjectStoragePath(tmp_path.as_uri()), "rows.jsonl", jsonl())
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
        ("rows.csv.bz2", ("bz2",), "Python of this task was built without bz2"),
        ("rows.csv.xz", ("lzma",), "Python of this task was built without lzma"),
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
    with pytest.raises(ChannelConfigurationError, match="this one holds 2"):
        list(two)
    assert list(source_of(folder, "one.csv.zip", zipped(b"id\n1\n", "__MACOSX/._rows", "folder/"))) == [
        {"id": "1"}
    ]


@pytest.mark.parametrize("name", ["rows.csv.lz4", "rows.jsonl.tar", "rows.jsonl.snappy"])
def test_what_is_packed_in_another_way_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ChannelConfigurationError, match=f"{name} is packed in a way that is not read"):
        FileSource(ObjectStoragePath((tmp_path / name).as_uri()))
    named = source_of(ObjectStoragePath(tmp_path.as_uri()), name, b"id\n1\n", file_format="csv")
    with pytest.raises(ChannelConfigurationError, match=f"{name} is packed in a way that is not read"):
        list(named)


@pytest.mark.parametrize("name", ["ROWS.CSV.GZ", "Rows.Csv.gz"])
def test_names_may_be_in_capitals(name: str, tmp_path: Path) -> None:
    source = source_of(ObjectStoragePath(tmp_path.as_uri()), name, gzip.compress(b"id\n1\n"))
    assert list(source) == [{"id": "1"}]


def test_the_limit_of_an_item_is_one_of_a_parquet_row_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "MOST_ITEM_BYTES", 10_000)
    file = pyarrow.BufferOutputStream()
    texts = ["x" * 100] * 200 + ["x" * 20_000] + ["y"]
    pyarrow.parquet.write_table(pyarrow.table({"text": texts}), file)
    source = source_of(ObjectStoragePath(tmp_path.as_uri()), "rows.parquet", bytes(file.getvalue()))
    rows, error = read(source)
    assert f"Row 201 of {source.path} makes an item of more than 10,000 bytes" in str(error)
    assert sys.getsizeof(rows) < 10_000


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv", "rows.jsonl.gz"])
def test_a_store_is_asked_for_large_pieces_and_for_none_twice(
    name: str, folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "READ_AHEAD_BYTES", 70_000)
    source, content = source_of(folder, name, whole(name)), whole(name)
    asked: list[tuple[int, int]] = []
    read = Opened.read

    def noting(file: Opened, size: int = -1) -> bytes:
        begin, found = file.tell(), read(file, size)
        asked.append((begin, len(found)))
        return found

    monkeypatch.setattr(Opened, "read", noting)
    assert list(source) == ROWS
    pieces = [(begin, length) for begin, length in asked if length]
    assert pieces == [(begin, min(70_000, len(content) - begin)) for begin in range(0, len(content), 70_000)]
