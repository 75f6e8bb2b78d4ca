"""Databases as a task reaches them: a driver's connection, and a hook around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy.engine import make_url

DRIVERS = ["psycopg", "psycopg2", "pymysql"]


def connector(sql: Callable[[str], Any], driver: str, **options: Any) -> Callable[[], Any]:
    """
    Return what opens a connection.

    :param sql: gives a running server by its name.
    :param options: more of the driver's own.
    """
    url = make_url(sql("mysql" if driver == "pymysql" else "postgres").url)
    module = __import__(driver)
    names = {"host": url.host, "port": url.port, "user": url.username, "password": url.password or ""}
    database = "database" if driver == "pymysql" else "dbname"
    return lambda: module.connect(**{**names, database: url.database, **options})


class DatabaseHook:
    """A hook of ``common.sql``, as far as bulk tasks know one: the provider of its type need not be here."""

    def __init__(self, connect: Callable[[], Any]) -> None:
        self.get_conn = connect

    def get_records(self, sql: str) -> Any:
        raise NotImplementedError
