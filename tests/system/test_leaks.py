"""The search for leaks finds what is planted; without this, finding nothing would mean nothing."""

from __future__ import annotations

import base64
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from system.leaks import Leak, find_leaks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECRET = "AppSecret0123456789abcdef01234567"
SECRETS = {"App Secret": SECRET, "push token": "Push0123456789abcdef01234567"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "logs" / "dag_id=x").mkdir(parents=True)
    (tmp_path / "logs" / "dag_id=x" / "attempt=1.log").write_text("nothing but ***\n", encoding="utf-8")
    with closing(sqlite3.connect(tmp_path / "airflow.db")) as connection:
        connection.execute("CREATE TABLE xcom (key TEXT, value BLOB)")
        connection.execute("CREATE TABLE log (extra TEXT)")
        connection.execute("INSERT INTO xcom VALUES ('return_value', x'80')")
        connection.commit()
    return tmp_path


def in_database(statement: str, *values: object) -> Callable[[Path], None]:
    def plant(home: Path) -> None:
        with closing(sqlite3.connect(home / "airflow.db")) as connection:
            connection.execute("PRAGMA secure_delete = OFF")
            connection.execute(statement, values)
            connection.commit()

    return plant


def in_file(name: str, content: str | bytes) -> Callable[[Path], None]:
    def plant(home: Path) -> None:
        (home / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    return plant


def deleted_row(home: Path) -> None:
    in_database("INSERT INTO log VALUES (?)", SECRET)(home)
    in_database("DELETE FROM log")(home)


def test_a_home_without_secrets_has_no_leak(home: Path) -> None:
    assert find_leaks(home, SECRETS) == []


@pytest.mark.parametrize(
    ("plant", "where"),
    [
        (
            in_file("logs/dag_id=x/attempt=1.log", f'{{"event": "secret={SECRET}"}}'),
            "logs/dag_id=x/attempt=1.log",
        ),
        (in_file("scheduler.log", b"\xff\x00" + SECRET.encode() + b"\xff"), "scheduler.log"),
        (in_file("airflow.db-wal", SECRET), "airflow.db-wal"),
        (in_database("INSERT INTO log VALUES (?)", f'{{"p": "{SECRET}"}}'), "airflow.db: log.extra"),
        (in_database("INSERT INTO xcom VALUES ('k', ?)", SECRET.encode()), "airflow.db: xcom.value"),
        (in_database("INSERT INTO xcom VALUES (?, NULL)", SECRET), "airflow.db: xcom.key"),
        (deleted_row, "airflow.db"),
        *[
            (in_file("encoded", base64.b64encode(b"x" * before + SECRET.encode() + b"tail")), "encoded")
            for before in range(4)
        ],
        (in_file("encoded", SECRET.encode().hex()), "encoded"),
    ],
)
def test_a_planted_secret_is_found(home: Path, plant: Callable[[Path], None], where: str) -> None:
    plant(home)
    assert Leak(where, "App Secret") in find_leaks(home, SECRETS)
    assert {leak.what for leak in find_leaks(home, SECRETS)} == {"App Secret"}
