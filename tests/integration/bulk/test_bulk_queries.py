"""Queries as sources, on real servers: the rows go to the disk of this host, and a few of them to memory."""

from __future__ import annotations

import sqlite3
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import psycopg.rows
import psycopg2.extras  # type: ignore[import-untyped]
import pymysql.cursors
import pytest
from support.databases import connector

from airflow_channel_provider.bulk.sources import SqlSource
from airflow_channel_provider.exceptions import ChannelConfigurationError

if TYPE_CHECKING:
    from support.servers import Servers

ROWS = 60_000
LEAST_BYTES_OF_ALL = 20_000_000
"""What the rows take as dictionaries, 340 bytes each."""


@pytest.fixture(params=["psycopg", "psycopg2", "pymysql"])
def connect(request: pytest.FixtureRequest, servers: Servers) -> Iterator[Callable[[], Any]]:
    opened = connector(servers.sql, request.param)
    with closing(opened()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute("DROP TABLE IF EXISTS bulk_rows")
        cursor.execute("CREATE TABLE bulk_rows (n INTEGER PRIMARY KEY, text VARCHAR(100))")
        digits = " CROSS JOIN ".join(
            f"(SELECT 0 AS d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6"
            f" UNION SELECT 7 UNION SELECT 8 UNION SELECT 9) d{place}"
            for place in range(6)
        )
        number = " + ".join(f"d{place}.d * {10**place}" for place in range(6))
        cursor.execute(
            f"INSERT INTO bulk_rows SELECT {number}, REPEAT('x', 100) FROM {digits} WHERE {number} < {ROWS}"
        )
        connection.commit()
    yield opened
    with closing(opened()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute("DROP TABLE bulk_rows")
        connection.commit()


def test_rows_are_all_there_in_their_order_and_never_all_in_memory(connect: Callable[[], Any]) -> None:
    source = SqlSource(connect, "SELECT n, text FROM bulk_rows WHERE n >= %s ORDER BY n", (0,))
    tracemalloc.start()
    try:
        count = 0
        for row in source:
            assert isinstance(row, dict)
            assert row["n"] == count
            count += 1
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == ROWS
    assert peak < LEAST_BYTES_OF_ALL / 4


def test_a_query_that_is_left_in_the_middle_leaves_nothing_open(connect: Callable[[], Any]) -> None:
    source = SqlSource(connect, "SELECT n FROM bulk_rows ORDER BY n", None)
    assert [row["n"] for row in islice(source, 3)] == [0, 1, 2]  # type: ignore[index]
    assert len(list(source)) == ROWS


def rows_as_dicts(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip((column[0] for column in cursor.description), row, strict=True))


def sqlite(row_factory: Any) -> Any:
    connection = sqlite3.connect(":memory:")
    connection.row_factory = row_factory
    return connection


# How the rows of a connection come: as its driver makes them, and as people ask it to.
SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "tuples of psycopg": ("psycopg", {}),
    "dict_row": ("psycopg", {"row_factory": psycopg.rows.dict_row}),
    "namedtuple_row": ("psycopg", {"row_factory": psycopg.rows.namedtuple_row}),
    "kwargs_row": ("psycopg", {"row_factory": psycopg.rows.kwargs_row(dict)}),
    "RealDictCursor": ("psycopg2", {"cursor_factory": psycopg2.extras.RealDictCursor}),
    "class_row": ("psycopg", {"row_factory": psycopg.rows.class_row(complex)}),
    "DictCursor": ("psycopg2", {"cursor_factory": psycopg2.extras.DictCursor}),
    "NamedTupleCursor": ("psycopg2", {"cursor_factory": psycopg2.extras.NamedTupleCursor}),
    "DictCursor of pymysql": ("pymysql", {"cursorclass": pymysql.cursors.DictCursor}),
    "SSDictCursor of pymysql": ("pymysql", {"cursorclass": pymysql.cursors.SSDictCursor}),
    "sqlite3.Row": ("sqlite", {"row_factory": sqlite3.Row}),
    "row_factory of sqlite3": ("sqlite", {"row_factory": rows_as_dicts}),
}
if hasattr(psycopg.rows, "scalar_row"):  # from psycopg 3.2 on
    SHAPES["scalar_row"] = ("psycopg", {"row_factory": psycopg.rows.scalar_row})


@pytest.fixture(params=SHAPES)
def shaped(request: pytest.FixtureRequest, servers: Servers) -> Callable[[], Any]:
    driver, options = SHAPES[request.param]
    return partial(sqlite, **options) if driver == "sqlite" else connector(servers.sql, driver, **options)


def test_rows_are_the_values_by_name_however_a_driver_makes_them(shaped: Callable[[], Any]) -> None:
    source = SqlSource(shaped, "SELECT 7 AS id, 'mina' AS name UNION ALL SELECT 8, NULL ORDER BY 1", None)
    assert list(source) == [{"id": 7, "name": "mina"}, {"id": 8, "name": None}]


def test_two_columns_of_one_name_are_told_before_a_row_is_sent(shaped: Callable[[], Any]) -> None:
    sql = "SELECT o.*, c.* FROM (SELECT 1 AS id, 2 AS total) o CROSS JOIN (SELECT 3 AS id, 4 AS name) c"
    with pytest.raises(ChannelConfigurationError, match="The query has several columns named 'id'"):
        next(iter(SqlSource(shaped, sql, None)))


@pytest.mark.parametrize(
    "made", [lambda row: row[1], lambda row: "78", lambda row: {"real": row[0]}, lambda row: row[:1]]
)
def test_rows_that_are_not_all_of_their_columns_are_refused(made: Callable[[Any], Any]) -> None:
    connect = partial(sqlite, row_factory=lambda cursor, row: made(row))
    with pytest.raises(
        ChannelConfigurationError, match=r"The connection returns each row of the query as a "
    ):
        next(iter(SqlSource(connect, "SELECT 7 AS real, 8 AS imag", None)))


def test_columns_that_the_database_names_itself_are_told(servers: Servers) -> None:
    source = SqlSource(connector(servers.sql, "psycopg"), "SELECT 1 + 1, 2 + 2", None)
    with pytest.raises(ChannelConfigurationError, match=r"several columns named '\?column\?'"):
        next(iter(source))
