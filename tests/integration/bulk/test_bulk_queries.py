"""Queries as sources, on real servers: the rows stay there until they are asked for."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.engine import make_url

from airflow_channel_provider.bulk.sources import SqlSource

if TYPE_CHECKING:
    from integration.conftest import Servers

ROWS = 200_000
LEAST_BYTES_OF_ALL = 20_000_000


def connector(servers: Servers, driver: str) -> Callable[[], Any]:
    url = make_url(servers.sql("mysql" if driver == "pymysql" else "postgres").url)
    module = __import__(driver)
    names = {"host": url.host, "port": url.port, "user": url.username, "password": url.password or ""}
    database = "database" if driver == "pymysql" else "dbname"
    return lambda: module.connect(**names, **{database: url.database})


@pytest.fixture(params=["psycopg", "psycopg2", "pymysql"])
def connect(request: pytest.FixtureRequest, servers: Servers) -> Iterator[Callable[[], Any]]:
    opened = connector(servers, request.param)
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
