"""Files whose lines are too long, unpack to much more, or are no text: told by file and line, and never held."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import json
import lzma
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import cases

from airflow_channel_provider.bulk import text_files
from airflow_channel_provider.bulk.sources import FileSource
from airflow_channel_provider.exceptions import ChannelConfigurationError

pytestmark = pytest.mark.promise(name="limits")

STATED_LIMIT = text_files.MAX_ITEM_BYTES
LIMIT = 1_000
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_files, "MAX_ITEM_BYTES", LIMIT)


def file_of(folder: Path, name: str, content: bytes, **arguments: Any) -> FileSource:
    (folder / name).write_bytes(content)
    return FileSource(ObjectStoragePath((folder / name).as_uri()), **arguments)


def refusal(source: FileSource) -> str:
    with pytest.raises(ChannelConfigurationError) as caught:
        list(source)
    return str(caught.value)


def line_of(length: int) -> bytes:
    """Return a line of JSON of so many bytes, and its end."""
    return json.dumps("x" * (length - 2)).encode() + b"\n"


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_line_has_a_limit(suffix: str, tmp_path: Path) -> None:
    packed = PACKERS[suffix]
    whole = file_of(tmp_path, f"whole.jsonl{suffix}", packed(line_of(LIMIT) * 3))
    assert len(list(whole)) == 3
    longer = file_of(tmp_path, f"rows.jsonl{suffix}", packed(line_of(LIMIT) + line_of(LIMIT + 1)))
    assert refusal(longer) == (
        f"Line 2 of {longer.path} exceeds the limit of 1,000 bytes for one item; correct the file."
    )


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv"])
def test_a_line_that_unpacks_to_much_more_is_never_held(name: str, suffix: str, tmp_path: Path) -> None:
    source = file_of(tmp_path, name + suffix, PACKERS[suffix](bytes(20 * 2**20)))
    tracemalloc.start()
    assert "Line 1 of" in refusal(source)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 16 * 2**20  # the window of xz alone is 8 MiB, what is read ahead 4


def test_a_zip_file_is_unpacked_within_the_limit_as_well(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "rows.jsonl.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rows.jsonl", bytes(20 * 2**20))
    source = FileSource(ObjectStoragePath((tmp_path / "rows.jsonl.zip").as_uri()))
    assert "exceeds the limit of" in refusal(source)


@pytest.mark.parametrize(
    "rows",
    [
        b'"' + b"many\n" * 900 + b'",2\n',
        b'"a\n","b",' * 450 + b"c\n",
        b"x" * 1_001 + b"\n",
        b"a," * 600 + b"\n",
    ],
    ids=["a field of many lines", "many fields of two lines", "a long field", "many fields"],
)
def test_a_row_of_a_csv_file_has_a_limit(rows: bytes, tmp_path: Path) -> None:
    assert "exceeds the limit of 1,000 bytes" in refusal(file_of(tmp_path, "rows.csv", b"id,name\n" + rows))


def test_many_rows_are_many_items(tmp_path: Path) -> None:
    rows = b'1,"two\nlines"\n' * 500
    assert len(list(file_of(tmp_path, "rows.csv", b"id,name\n" + rows))) == 500


def test_the_limit_is_generous() -> None:
    assert STATED_LIMIT == 33_554_432


NO_LINE = "is not valid JSON, or nested too deeply (each line must be exactly one item)"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("rows.csv", b"id\n1\n\xff\xfe\n", "is not valid UTF-8; set encoding, such as cp949"),
        ("rows.csv", b'id\n1\n"2\n3\n', "is not valid CSV (unexpected end of data)"),
        ("rows.jsonl", b'{"id": 1}\n' + b"[" * 100_000 + b"\n", NO_LINE),
        ("rows.jsonl", b'{"id": 1}\n' + b"9" * 5_000 + b"\n", NO_LINE),
        ("rows.jsonl", b'"\xff"\n', "is not valid UTF-8; set encoding, such as cp949"),
        ("rows.jsonl.gz", b"no gzip\n", "can't be decompressed (BadGzipFile)"),
        ("rows.jsonl.gz", gzip.compress(b'"a"\n', mtime=0)[:-3], "can't be decompressed (EOFError)"),
        ("rows.jsonl.gz", gzip.compress(b"", mtime=0)[:10] + b"\xff" * 20, "can't be decompressed (error)"),
        ("rows.csv.bz2", b"no bz2\n", "can't be decompressed (OSError)"),
        ("rows.csv.xz", b"no xz\n", "can't be decompressed (LZMAError)"),
        ("rows.jsonl.zip", b"no zip\n", "can't be decompressed (BadZipFile)"),
    ],
)
def test_what_is_no_valid_file_is_told(
    name: str, content: bytes, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_files, "MAX_ITEM_BYTES", 200_000)
    source = file_of(tmp_path, name, content)
    told = refusal(source)
    assert f" of {source.path} {words}; correct the file." in told
    assert told.startswith("Line ")


@pytest.mark.fuzz
@pytest.mark.parametrize(
    "content",
    [
        b'[\n  {"id": 1},\n  {"id": 2}\n]\n',
        b'{\n  "id": 1\n}\n',
        b'{"id": 1},\n{"id": 2}\n',
        b'{"id": 1}{"id": 2}\n',
        b'// made by hand\n{"id": 1}\n',
        b'\x1e{"id": 1}\n',
    ],
)
def test_json_that_is_no_lines_of_it_is_told_in_its_first_line(content: bytes, tmp_path: Path) -> None:
    source = file_of(tmp_path, "rows.jsonl", content)
    assert refusal(source) == f"Line 1 of {source.path} {NO_LINE}; correct the file."


@pytest.mark.parametrize("content", [b'[{"id": 1}, {"id": 2}]', b'\n[{"id": 1}]\n\n'])
def test_one_list_of_all_items_is_no_item(content: bytes, tmp_path: Path) -> None:
    told = refusal(file_of(tmp_path, "rows.jsonl", content))
    assert "rows.jsonl is one JSON list, but JSONL has one item per line" in told
    assert "write each item on its own line" in told


@pytest.mark.parametrize(
    ("content", "items"),
    [
        (b"[1, 2]\n", [[1, 2]]),
        (b"[]\n", [[]]),
        (b'[{"id": 1}]\n[{"id": 2}]\n', [[{"id": 1}], [{"id": 2}]]),
        (b'{"id": 1}\n', [{"id": 1}]),
        (b"", []),
    ],
)
def test_a_list_may_be_an_item(content: bytes, items: list[Any], tmp_path: Path) -> None:
    assert list(file_of(tmp_path, "rows.jsonl", content)) == items


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (gzip.compress(b"id\n1\n", mtime=0), "compressed by gzip"),
        (bz2.compress(b"id\n1\n"), "compressed by bzip2"),
        (lzma.compress(b"id\n1\n"), "compressed by xz"),
        (b"\x28\xb5\x2f\xfd\x04\x00", "compressed by Zstandard"),
        (b"PK\x03\x04\x14\x00", "a zip file, or an Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "an Excel workbook"),
        (b"Obj\x01\x04", "Avro"),
    ],
)
@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
@pytest.mark.parametrize("encoding", [None, "latin-1"])
def test_what_is_no_text_is_not_taken_for_one_in_another_encoding(
    name: str, content: bytes, what: str, encoding: str | None, tmp_path: Path
) -> None:
    source = file_of(tmp_path, name, content, encoding=encoding)
    assert refusal(source) == (
        f"{source.path} is {what}, which its name does not say; add the right suffix to its name (.gz, .zip), or "
        "save it as text."
    )


def test_what_is_packed_twice_is_told(tmp_path: Path) -> None:
    told = refusal(file_of(tmp_path, "rows.csv.gz", gzip.compress(gzip.compress(b"id\n1\n"))))
    assert told.endswith(
        "rows.csv.gz decompresses to data that is compressed by gzip; correct the file: compress a text file, once."
    )


@pytest.mark.parametrize("block_bytes", [1, 3, 64])
@pytest.mark.parametrize("marks", [1, 2, 3])
def test_marks_at_the_beginning_are_no_part_of_a_name(
    marks: int, block_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_files, "BLOCK_BYTES", block_bytes)
    text = "\ufeff" * marks
    assert list(file_of(tmp_path, "rows.csv", f"{text}id\n\ufeff1\n".encode())) == [{"id": "\ufeff1"}]
    assert list(file_of(tmp_path, "rows.jsonl", f'{text}{{"id": 1}}\n'.encode())) == [{"id": 1}]


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv"])
@cases(60)
@given(content=st.binary(max_size=3_000), cut=st.integers(0, 40), is_packed=st.booleans())
def test_any_bytes_are_items_or_a_wrong_file(
    name: str, suffix: str, content: bytes, cut: int, is_packed: bool, tmp_path: Path
) -> None:
    packed = PACKERS[suffix](content) if is_packed else content
    source = file_of(tmp_path, name + suffix, packed[: len(packed) - cut])
    with contextlib.suppress(ChannelConfigurationError):
        list(source)
