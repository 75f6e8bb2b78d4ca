"""What real servers and drivers make of odd values: the value, or an error that says what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool
from support.databases import connector

from airflow_channel_provider.bulk.sources import SqlSource
from airflow_channel_provider.exceptions import ChannelConfigurationError

if TYPE_CHECKING:
    from support.servers import Servers

POSTGRES = ["psycopg", "psycopg2"]
IN_HANGUL = "bulk_in_hangul"


def rows(connect: Callable[[], Any], sql: str) -> list[Any]:
    return list(SqlSource(connect, sql, None))


# ---- a database that does not care how its texts are written, as many an old one in Korea


@pytest.fixture(scope="module")
def careless(servers: Servers) -> Iterator[str]:
    with closing(connector(servers.sql, "psycopg", autocommit=True)()) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {IN_HANGUL}")
        connection.execute(
            f"CREATE DATABASE {IN_HANGUL} ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
        )
    with closing(connector(servers.sql, "psycopg", dbname=IN_HANGUL, autocommit=True)()) as connection:
        for table, encoding in (("today", "utf-8"), ("once", "euc-kr")):
            text = "김철수".encode(encoding).hex()
            connection.execute(
                f"CREATE TABLE {table} AS SELECT convert_from('\\x{text}', 'SQL_ASCII') AS name"
            )
    yield IN_HANGUL
    with closing(connector(servers.sql, "psycopg", autocommit=True)()) as connection:
        connection.execute(f"DROP DATABASE {IN_HANGUL}")


@pytest.mark.parametrize("driver", POSTGRES)
def test_texts_are_utf_8_where_nothing_says_so(driver: str, careless: str, servers: Servers) -> None:
    connect = connector(servers.sql, driver, dbname=careless)
    assert rows(
        connect, "SELECT name, ARRAY[name] AS names, 'x'::name AS n, '\\x01'::bytea AS b FROM today"
    ) == [{"name": "김철수", "names": ["김철수"], "n": "x", "b": b"\1"}]


@pytest.mark.parametrize("driver", POSTGRES)
def test_texts_of_another_encoding_are_told_and_read_once_it_is_named(
    driver: str, careless: str, servers: Servers
) -> None:
    with pytest.raises(ChannelConfigurationError, match=r'not in the encoding .* {"client_encoding": "UHC"}'):
        rows(connector(servers.sql, driver, dbname=careless), "SELECT name FROM once")
    named = connector(servers.sql, driver, dbname=careless, client_encoding="UHC")
    assert rows(named, "SELECT name FROM once") == [{"name": "김철수"}]


@pytest.mark.parametrize("driver", POSTGRES)
def test_a_text_that_the_connection_has_no_letters_for_is_told(driver: str, servers: Servers) -> None:
    with pytest.raises(ChannelConfigurationError, match="not in the encoding"):
        rows(connector(servers.sql, driver, client_encoding="LATIN1"), "SELECT U&'\\AE40' AS name")
    careless = connector(servers.sql, driver, client_encoding="SQL_ASCII")
    for before in ("", "SET work_mem = '8MB'; "):  # the second can have no cursor on the server
        assert rows(careless, f"{before}SELECT U&'\\AE40' AS name") == [{"name": "김"}]


# ---- times that Python has not


@pytest.mark.parametrize("driver", POSTGRES)
@pytest.mark.parametrize("value", ["'10000-01-01'::date", "'0044-03-15 BC'::timestamp"])
def test_a_time_that_python_has_not_is_told_with_its_remedy(
    driver: str, value: str, servers: Servers
) -> None:
    connect = connector(servers.sql, driver)
    with pytest.raises(ChannelConfigurationError, match=r"can't convert a row .* Cast it to text"):
        rows(connect, f"SELECT {value} AS at FROM generate_series(1, 2)")
    (row,) = rows(connect, f"SELECT ({value})::text AS at")
    assert row["at"].startswith(value[1:5])


# ---- bits of MySQL, by which many a program keeps what is true


def test_bits_of_mysql_are_whole_numbers(servers: Servers) -> None:
    connect = connector(servers.sql, "pymysql")
    sql = "SELECT n, flag, wide, data FROM bulk_bits ORDER BY n"
    with closing(connect()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute("DROP TABLE IF EXISTS bulk_bits")
        cursor.execute("CREATE TABLE bulk_bits (n INT, flag BIT(1), wide BIT(64), data BINARY(1))")
        cursor.execute(
            "INSERT INTO bulk_bits VALUES (1, b'1', ~0, x'01'), (2, b'0', 5, x'00'), (3, NULL, NULL, NULL)"
        )
        connection.commit()
    try:
        found = rows(connect, sql)
    finally:
        with closing(connect()) as connection, closing(connection.cursor()) as cursor:
            cursor.execute("DROP TABLE bulk_bits")
    assert [(row["flag"], row["wide"], row["data"]) for row in found] == [
        (1, 2**64 - 1, b"\1"),
        (0, 5, b"\0"),
        (None, None, None),
    ]


# ---- connections that others have made


class Derived(psycopg.Connection[Any]):
    """As plugins derive one."""


Derived.__module__ = "plugin.of.somebody"


def pooled(servers: Servers) -> Callable[[], Any]:
    return create_engine(servers.sql("postgres").url, poolclass=NullPool).raw_connection


def derived(servers: Servers) -> Callable[[], Any]:
    plain = connector(servers.sql, "psycopg")
    with closing(plain()) as connection:
        address = connection.info.dsn
    return lambda: Derived.connect(address)


@pytest.mark.parametrize("make", [pooled, derived])
def test_a_cursor_on_the_server_is_used_whoever_made_the_connection(
    make: Callable[[Servers], Callable[[], Any]], servers: Servers
) -> None:
    sql = "SELECT name FROM pg_cursors WHERE name LIKE 'channel_talk%'"
    assert rows(make(servers), sql) == [{"name": "channel_talk_bulk"}]
