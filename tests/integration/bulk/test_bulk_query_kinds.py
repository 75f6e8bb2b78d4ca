"""What is no plain query, a server that does not wait, and every way in which a database fails."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import BaseHook
from support.bulk_runs import campaign, execute
from support.databases import DRIVERS, DatabaseHook, connector

from airflow_channel_provider.bulk.sources import SqlSource
from airflow_channel_provider.emulator import EmulatorProcess
from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError
from tools.demo.ports import free_port

if TYPE_CHECKING:
    from support.servers import Servers

pytestmark = pytest.mark.filterwarnings("ignore:.*cannot be called outside")

POSTGRES = DRIVERS[:2]
MANY = 100_000
SESSION = {"pymysql": "SELECT CONNECTION_ID()"}
KILL = {"pymysql": "KILL {}"}
IN_A_QUERY = [
    "WITH gone AS (DELETE FROM kinds RETURNING n) SELECT n FROM gone",
    "SET work_mem = '8MB'; WITH gone AS (DELETE FROM kinds RETURNING n) SELECT n FROM gone",
    "WITH more AS (INSERT INTO kinds VALUES (3) RETURNING n) SELECT n FROM more",
    "WITH other AS (UPDATE kinds SET n = 3 RETURNING n) SELECT n FROM other",
    "SELECT n INTO kinds_too FROM kinds",
    "EXPLAIN ANALYZE DELETE FROM kinds",
]
CHANGES_OF_MYSQL = [
    "REPLACE INTO kinds VALUES (3) RETURNING n",
    "/*! DELETE FROM kinds RETURNING n */",
    "SET STATEMENT max_statement_time = 9 FOR DELETE FROM kinds RETURNING n",
    "SELECT 1--1 FROM kinds; DELETE FROM kinds",
]
SERIES = {
    "psycopg": f"SELECT n, repeat('x', 200) AS text FROM generate_series(1, {MANY}) n",
    "psycopg2": f"SELECT n, repeat('x', 200) AS text FROM generate_series(1, {MANY}) n",
    "pymysql": f"SELECT seq AS n, REPEAT('x', 200) AS text FROM seq_1_to_{MANY}",
}


@pytest.fixture(params=DRIVERS)
def driver(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def connect(driver: str, servers: Servers) -> Iterator[Callable[[], Any]]:
    opened = connector(servers.sql, driver)
    set_up(
        opened,
        "DROP TABLE IF EXISTS kinds",
        "CREATE TABLE kinds (n INTEGER)",
        "INSERT INTO kinds VALUES (1), (2)",
    )
    yield opened
    set_up(opened, "DROP TABLE kinds")


def set_up(connect: Callable[[], Any], *statements: str) -> None:
    with closing(connect()) as connection, closing(connection.cursor()) as cursor:
        for statement in statements:
            cursor.execute(statement)
        connection.commit()


def committing(connect: Callable[[], Any]) -> Callable[[], Any]:
    """Let connections commit each statement."""

    def opened() -> Any:
        connection = connect()
        if callable(connection.autocommit):
            connection.autocommit(True)
        else:
            connection.autocommit = True
        return connection

    return opened


def ask(connection: Any, sql: str) -> Any:
    with closing(connection.cursor()) as cursor:
        cursor.execute(sql)
        answer = cursor.fetchone()
    connection.rollback()
    return answer


def rows(connect: Callable[[], Any], sql: str, parameters: Any = None) -> list[Any]:
    return list(SqlSource(connect, sql, parameters))


# ---- a server that does not wait


def test_a_query_outlives_a_server_that_closes_its_session(driver: str, servers: Servers) -> None:
    opened: dict[int, Any] = {}
    make = connector(servers.sql, driver)

    def connect() -> Any:
        connection = make()
        (session,) = ask(connection, SESSION.get(driver, "SELECT pg_backend_pid()"))
        opened[session] = connection
        return connection

    source = SqlSource(connect, SERIES[driver], None)
    assert source.expected is None
    reader = iter(source)
    first: Any = next(reader)
    ((session, connection),) = opened.items()
    assert connection.closed if driver in POSTGRES else not connection.open
    with closing(make()) as other, suppress(Exception):  # which is gone
        ask(other, KILL.get(driver, "SELECT pg_terminate_backend({})").format(session))
    assert [first["n"], *(row["n"] for row in reader)] == list(range(1, MANY + 1))  # type: ignore[index]
    assert source.expected == MANY


# ---- what is no plain query


def test_what_would_change_data_is_refused_and_changes_none(driver: str, connect: Callable[[], Any]) -> None:
    statements = [
        "DELETE FROM kinds WHERE n = 1 RETURNING n",
        "  -- the ripe ones\n(delete from kinds)",
        "/* x */ INSERT INTO kinds VALUES (3) RETURNING n",
        "UPDATE kinds SET n = 3",
        "SELECT n FROM kinds; DELETE FROM kinds",
        "DROP TABLE kinds",
        "TRUNCATE TABLE kinds",
        "/* all of them */ SELECT n FROM kinds; ALTER TABLE kinds ADD x INTEGER",
        *(IN_A_QUERY if driver in POSTGRES else CHANGES_OF_MYSQL),
    ]
    for statement in statements:
        with pytest.raises(ChannelConfigurationError, match="sql changes data"):
            rows(committing(connect), statement)
    assert rows(connect, "SELECT * FROM kinds ORDER BY n") == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize(
    "statement",
    [
        "WITH ripe AS (SELECT 1 AS n) DELETE FROM kinds WHERE n IN (SELECT n FROM ripe) RETURNING n",
        "REPLACE INTO kinds VALUES (3)",
        "DROP TABLE kinds",
    ],
)
def test_what_would_change_a_file_of_sqlite_is_refused(statement: str, tmp_path: Path) -> None:
    def connect() -> Any:
        return sqlite3.connect(tmp_path / "kinds.db", isolation_level=None)

    set_up(connect, "CREATE TABLE kinds (n INTEGER)", "INSERT INTO kinds VALUES (1), (2)")
    with pytest.raises(ChannelConfigurationError, match="sql changes data"):
        rows(connect, statement)
    assert rows(connect, "SELECT n FROM kinds ORDER BY n") == [{"n": 1}, {"n": 2}]


def test_a_refused_change_sends_nothing(
    driver: str, connect: Callable[[], Any], emulator: EmulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps({"conn_type": "generic"}))
    monkeypatch.setattr(BaseHook, "get_hook", lambda *a, **k: DatabaseHook(committing(connect)))
    change = "WITH gone AS (DELETE FROM kinds RETURNING n) SELECT n, 'chat-ch-1-1' AS chat FROM gone"
    with pytest.raises(ChannelConfigurationError, match=r"sql changes data \(DELETE\)"):
        execute(campaign(sql=change, sql_conn_id="shop"))
    assert emulator.messages() == []
    assert rows(connect, "SELECT n FROM kinds ORDER BY n") == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize("driver", POSTGRES)
def test_what_lives_as_long_as_the_session_may_be_made(connect: Callable[[], Any]) -> None:
    made = "CREATE TEMP TABLE ripe ON COMMIT DROP AS SELECT n FROM kinds; SELECT n FROM ripe ORDER BY n"
    assert rows(connect, made) == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize("text", ["; DELETE FROM kinds", "DELETE", "it''s; update x", "-- ; DELETE x"])
def test_what_only_reads_like_a_change_is_read(text: str, connect: Callable[[], Any]) -> None:
    found = rows(connect, f"SELECT n, '{text}' AS text FROM kinds WHERE n = 2 -- ; DELETE FROM kinds")
    assert found == [{"n": 2, "text": text.replace("''", "'")}]


def test_settings_before_a_query(driver: str, connect: Callable[[], Any]) -> None:
    if driver == "pymysql":
        with pytest.raises(ChannelConfigurationError, match="rejected sql"):
            rows(connect, "SET @x = 1; SELECT n FROM kinds")
        return
    for before in ("SET work_mem = '8MB'", "SET LOCAL TIME ZONE 'Asia/Seoul'; SET work_mem = '8MB'"):
        assert rows(connect, f"{before}; SELECT n FROM kinds ORDER BY n") == [{"n": 1}, {"n": 2}]
    assert rows(connect, "SHOW work_mem")[0].keys() == {"work_mem"}


def test_a_procedure_and_a_function(driver: str, connect: Callable[[], Any]) -> None:
    if driver == "pymysql":
        set_up(
            connect,
            "DROP PROCEDURE IF EXISTS give",
            "CREATE PROCEDURE give(IN x INT) SELECT n + x AS n FROM kinds ORDER BY n",
        )
        assert rows(connect, "CALL give(%s)", [10]) == [{"n": 11}, {"n": 12}]
        set_up(
            connect, "DROP PROCEDURE give", "CREATE PROCEDURE give() BEGIN SELECT 1 AS a; SELECT 2 AS a; END"
        )
        with pytest.raises(ChannelConfigurationError, match="more than one result set"):
            rows(connect, "CALL give()")
        set_up(connect, "DROP PROCEDURE give", "CREATE PROCEDURE give() SET @x = 1")
        with pytest.raises(ChannelConfigurationError, match="returns no rows"):
            rows(connect, "CALL give()")
        set_up(connect, "DROP PROCEDURE give")
        return
    set_up(
        connect,
        "CREATE OR REPLACE PROCEDURE give(INOUT n int) LANGUAGE plpgsql AS $$ BEGIN n := n + 1; END $$",
        "CREATE OR REPLACE FUNCTION given(x int) RETURNS SETOF int LANGUAGE sql "
        "AS $$ SELECT n + x FROM kinds ORDER BY n $$",
    )
    assert rows(connect, "CALL give(10)") == [{"n": 11}]
    assert rows(connect, "SELECT given AS n FROM given(%s)", [10]) == [{"n": 11}, {"n": 12}]
    set_up(connect, "DROP PROCEDURE give", "DROP FUNCTION given")


@pytest.mark.parametrize(
    "sql",
    ["VALUES (1), (2)", "TABLE kinds", "WITH k AS (SELECT 1 AS n) SELECT n FROM k", "(SELECT n FROM kinds)"],
)
def test_other_ways_to_write_a_query(sql: str, driver: str, connect: Callable[[], Any]) -> None:
    if driver == "pymysql" and sql == "TABLE kinds":
        pytest.skip("MariaDB has no TABLE")
    assert rows(connect, sql)


def test_a_connection_that_commits_each_statement(driver: str, servers: Servers) -> None:
    connect = committing(connector(servers.sql, driver))
    assert [row["n"] for row in rows(connect, SERIES[driver])] == list(range(1, MANY + 1))


def test_what_gives_no_rows_says_so(driver: str, connect: Callable[[], Any]) -> None:
    with pytest.raises(ChannelConfigurationError, match="returns no rows"):
        rows(connect, "SET @x = 1" if driver == "pymysql" else "SET work_mem = '8MB'")
    assert rows(connect, "SELECT n FROM kinds WHERE n > 9") == []


def test_values_that_python_can_not_copy_are_kept(servers: Servers) -> None:
    connect = connector(servers.sql, "psycopg2")
    (row,) = rows(connect, "SELECT 'abc'::bytea AS b, 1.50::numeric AS d, '[1,3)'::int4range::text AS r")
    assert (bytes(row["b"]), str(row["d"]), row["r"]) == (b"abc", "1.50", "[1,3)")


# ---- every way in which a database fails


class FaultyConnections:
    """Opens connections for a fault."""

    def __init__(self, sql: Callable[[str], Any], driver: str) -> None:
        self._sql = sql
        self.driver = driver

    def __call__(self, **options: Any) -> Callable[[], Any]:
        if self.driver == "sqlite3":
            return lambda: sqlite3.connect(options.get("database", ":memory:"))
        return connector(self._sql, self.driver, **options)


WRONG = {
    "syntax": "SELEC 1",
    "no table": "SELECT * FROM nowhere",
    "no column": "SELECT nothing",
    "parameters": ("SELECT 1 WHERE 1 = %s", []),
    "too many parameters": ("SELECT 1", [1, 2]),
    "named parameters": ("SELECT %(a)s", {"b": 1}),
    "empty": " ",
    "half": "SELECT 1 WHERE (",
    "no text": "SELECT 1 AS a; SELECT 2 AS a",
    "zero": "SELECT 'a\\0'",
    "half of a pair": "SELECT '\\ud83d'",
}
ONLY = {
    "psycopg": {
        "division on the way": "SELECT 1 / (n - 5000) FROM generate_series(1, 9000) n",
        "killed": "SELECT pg_terminate_backend(pg_backend_pid())",
        "killed on the way": "SELECT CASE n WHEN 5000 THEN pg_terminate_backend(pg_backend_pid()) END "
        "FROM generate_series(1, 9000) n",
        "cast": "SELECT 'x'::int",
        "timeout": "SET statement_timeout = 1; SELECT pg_sleep(5)",
        "permission": "SET ROLE nobody_here; SELECT 1",
    },
    "pymysql": {
        "killed": "KILL CONNECTION_ID()",
        "timeout": "SET STATEMENT max_statement_time = 0.01 FOR SELECT SLEEP(5) FROM seq_1_to_100",
    },
    "sqlite3": {
        "overflow": "SELECT abs(-9223372036854775808)",
        "on the way": "SELECT abs(n) FROM (SELECT 1 AS n UNION ALL SELECT -9223372036854775808)",
    },
}
ONLY["psycopg2"] = ONLY["psycopg"]
UNREACHABLE: dict[str, dict[str, Any]] = {
    "nothing listens": {"host": "127.0.0.1", "port": 0},
    "no such name": {"host": "nowhere.invalid"},
    "no such user": {"user": "nobody_here"},
    "no such database": {"database": "nowhere"},
}


@pytest.mark.parametrize("name", [*DRIVERS, "sqlite3"])
def test_whatever_a_database_raises_is_told_as_an_error_of_ours(
    name: str,
    servers: Servers,
    emulator: EmulatorProcess,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    faulty = FaultyConnections(servers.sql, name)
    faults: dict[str, tuple[dict[str, Any], Any]] = {
        key: ({}, sql) for key, sql in {**WRONG, **ONLY[name]}.items()
    }
    if name == "sqlite3":
        faults["no folder"] = ({"database": str(tmp_path / "nowhere" / "x.db")}, "SELECT 1")
        (tmp_path / "text.db").write_text("this is no database, whatever its name is" * 100)
        faults["no database"] = ({"database": str(tmp_path / "text.db")}, "SELECT * FROM t")
    else:
        for key, options in UNREACHABLE.items():
            given = {
                ("dbname" if k == "database" and name != "pymysql" else k): v for k, v in options.items()
            }
            faults[key] = ({**given, "port": free_port()} if "port" in given else given, "SELECT 1")
    monkeypatch.setenv("AIRFLOW_CONN_FAULTY", json.dumps({"conn_type": "generic"}))
    told: dict[str, str] = {}
    for key, (options, sql) in faults.items():
        statement, parameters = sql if isinstance(sql, tuple) else (sql, None)
        hook = DatabaseHook(faulty(**options))
        monkeypatch.setattr(BaseHook, "get_hook", lambda *ignored, hook=hook, **kwargs: hook)
        operator = campaign(sql=statement, sql_parameters=parameters, sql_conn_id="faulty", item_key=None)
        try:
            execute(operator)
        except Exception as error:
            told[key] = type(error).__name__ if isinstance(error, ChannelError) else repr(error)
    may_pass, wrong = "ChannelError", "ChannelConfigurationError"
    assert set(told.values()) <= {may_pass, wrong, "ChannelTooManyFailuresError"}, told
    assert told["empty"] == wrong
    if name != "sqlite3" or sys.version_info >= (3, 11):
        assert told["parameters"] == told["syntax"] == told["no table"] == wrong
    assert {told[key] for key in {"killed", "timeout", *UNREACHABLE} & set(faults)} <= {may_pass}
    assert emulator.messages() == []
