"""
Find secrets that were left behind by a run.

Invariant: looks into every file below a directory, whatever its name, and into every column of every table of each
SQLite database among them. A secret counts as found in plain, in base64 at any alignment, and in hexadecimal.
"""

from __future__ import annotations

import base64
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SQLITE_MAGIC = b"SQLite format 3\x00"


@dataclass(frozen=True, order=True)
class Leak:
    """
    A secret where none should be.

    :param where: relative path, or relative path, table and column.
    :param what: name of the secret.
    """

    where: str
    what: str


def find_leaks(directory: Path, secrets: Mapping[str, str]) -> list[Leak]:
    """
    Return every place below a directory that holds one of the secrets.

    :param secrets: the secrets by their names.
    """
    spellings = {name: set(_spellings(secret.encode())) for name, secret in secrets.items()}
    return sorted(
        {Leak(where, what) for where, content in _contents(directory) for what in _in(content, spellings)}
    )


def _in(content: bytes, spellings: Mapping[str, set[bytes]]) -> Iterator[str]:
    for what, written in spellings.items():
        if any(spelling in content for spelling in written):
            yield what


def _spellings(secret: bytes) -> Iterator[bytes]:
    yield secret
    yield secret.hex().encode()
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + secret)
        # The first and the last characters depend on the neighbours too.
        yield encoded[(0, 2, 3)[shift] : len(encoded) - 4]


def _contents(directory: Path) -> Iterator[tuple[str, bytes]]:
    for path in directory.rglob("*"):
        if path.is_file():
            where, content = str(path.relative_to(directory)), path.read_bytes()
            yield where, content
            if content.startswith(SQLITE_MAGIC):
                yield from _values(where, path)


def _values(where: str, database: Path) -> Iterator[tuple[str, bytes]]:
    # Read-only: a writer would tidy the write-ahead log away, and with it what another look might find.
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        connection.text_factory = bytes
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            rows = connection.execute(f'SELECT * FROM "{table.decode()}"')
            columns = [column[0] for column in rows.description]
            for row in rows:
                for column, value in zip(columns, row, strict=True):
                    if isinstance(value, bytes):
                        yield f"{where}: {table.decode()}.{column}", value
