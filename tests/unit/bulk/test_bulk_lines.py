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

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import cases

from airflow_channel_provider.bulk import lines
from airflow_channel_provider.bulk.sources import FileSource
from airflow_channel_provider.exceptions import ChannelConfigurationError

pytestmark = pytest.mark.promise(name="limits")

STATED_LIMIT = lines.MOST_ITEM_BYTES
LIMIT = 1_000
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MOST_ITEM_BYTES", LIMIT)


def file_of(folder: Path, name: str, content: bytes) -> FileSource:
    (folder / name).write_bytes(content)
    return FileSource(ObjectStoragePath((folder / name).as_uri()))


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
        f"Line 2 of {longer.path} makes an item of more than 1,000 bytes; correct the file."
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
    assert "makes an item of more than" in refusal(source)


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
    assert "makes an item of more than 1,000 bytes" in refusal(
        file_of(tmp_path, "rows.csv", b"id,name\n" + rows)
    )


def test_many_rows_are_many_items(tmp_path: Path) -> None:
    rows = b'1,"two\nlines"\n' * 500
    assert len(list(file_of(tmp_path, "rows.csv", b"id,name\n" + rows))) == 500


def test_the_limit_is_generous() -> None:
    assert STATED_LIMIT == 33_554_432


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("rows.csv", b"id\n1\n\xff\xfe\n", "is no UTF-8; give its encoding, such as cp949"),
        ("rows.csv", b'id\n1\n"2\n3\n', "is no CSV (unexpected end of data)"),
        ("rows.jsonl", b'{"id": 1}\n' + b"[" * 100_000 + b"\n", "is no JSON, or nested too deeply"),
        ("rows.jsonl", b'{"id": 1}\n' + b"9" * 5_000 + b"\n", "is no JSON, or nested too deeply"),
        ("rows.jsonl", b'"\xff"\n', "is no UTF-8; give its encoding, such as cp949"),
        ("rows.jsonl.gz", b"no gzip\n", "can't be unpacked (BadGzipFile)"),
        ("rows.jsonl.gz", gzip.compress(b'"a"\n', mtime=0)[:-3], "can't be unpacked (EOFError)"),
        ("rows.jsonl.gz", gzip.compress(b"", mtime=0)[:10] + b"\xff" * 20, "can't be unpacked (error)"),
        ("rows.csv.bz2", b"no bz2\n", "can't be unpacked (OSError)"),
        ("rows.csv.xz", b"no xz\n", "can't be unpacked (LZMAError)"),
        ("rows.jsonl.zip", b"no zip\n", "can't be unpacked (BadZipFile)"),
    ],
)
def test_what_is_no_valid_file_is_told(
    name: str, content: bytes, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "MOST_ITEM_BYTES", 200_000)
    source = file_of(tmp_path, name, content)
    told = refusal(source)
    assert f" of {source.path} {words}; correct the file." in told
    assert told.startswith("Line ")


@pytest.mark.fuzz
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
