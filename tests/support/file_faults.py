"""Files in every format, packed in every way, and what may be wrong with them or their store."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError

Rows = Sequence[Mapping[str, str]]


def rows_of_people(count: int) -> list[dict[str, str]]:
    return [{"id": str(number), "name": f"이름 {number}"} for number in range(count)]


def jsonl(rows: Rows) -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def csv(rows: Rows) -> bytes:
    return ("id,name\n" + "".join(f"{row['id']},{row['name']}\n" for row in rows)).encode()


def parquet(rows: Rows) -> bytes:
    file = pyarrow.BufferOutputStream()
    table = pyarrow.Table.from_pylist(rows)
    pyarrow.parquet.write_table(table, file, row_group_size=len(rows) // 3, compression="gzip")
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
NOISE = bytes(range(255, 127, -1))
FAULTS: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda content: content[: len(content) // 2 - 1],
    "its end cut off": lambda content: content[:-3],
    "nothing but a byte": lambda content: content[:1],
    "zeros in it": lambda content: content[:50] + bytes(60) + content[110:],
    "noise in it": lambda content: content[:200] + NOISE + content[328:],
    "noise late in it": lambda content: (
        content[: len(content) * 3 // 4] + NOISE + content[len(content) * 3 // 4 + 128 :]
    ),
    "noise at its end": lambda content: content + NOISE,
    "something else": lambda content: b"\x89PNG\r\n\x1a\n" + bytes(300),
    "unpacked twice": gzip.compress,
}
SAYS_NOTHING = {
    # The text ends within a line: the line is no JSON, and of CSV it is a shorter field.
    *((name, fault) for name in ("rows.csv",) for fault in ("cut", "its end cut off", "nothing but a byte")),
    ("rows.jsonl", "its end cut off"),
}


def whole(name: str, rows: Rows) -> bytes:
    """Return a file without a fault."""
    _, kind, *suffix = name.split(".")
    return PACKERS["".join(f".{one}" for one in suffix)](CONTENTS[kind](rows))


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
    "is not there": (FileNotFoundError(2, "no"), ChannelError, "it does not exist"),
    "is a folder": (IsADirectoryError(21, "no"), ChannelConfigurationError, "it can't be a file"),
    "must not be read": (
        PermissionError("Forbidden"),
        ChannelConfigurationError,
        "permission denied",
    ),
    "does not answer": (TimeoutError("no"), ChannelError, r"can't be read \(TimeoutError\)"),
    "is broken off": (EOFError("no"), ChannelError, r"can't be read \(EOFError\)"),
    "gives a word of its own": (ValueError("no"), ChannelError, r"can't be read \(ValueError\)"),
    "refuses": (RefusedError(), ChannelError, r"can't be read \(RefusedError\)"),
    "is another file": (FileExpired(16, "no"), ChannelError, "was changed while it was read"),
}


def fail_the_store(monkeypatch: pytest.MonkeyPatch, store: Any, error: Exception, *, where: str) -> None:
    """
    Let each file of a store fail.

    :param store: of fsspec.
    :param where: as it is opened, or as it is read.
    """
    opened = type(store).open

    def failing(*args: Any, **kwargs: Any) -> Any:
        if where == "open":
            raise error
        return Raising(opened(*args, **kwargs), error)

    monkeypatch.setattr(type(store), "open", failing)
