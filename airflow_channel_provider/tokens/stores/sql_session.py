"""
The one connection of a process to a database: opened when needed, reopened when dead, released when idle.

Every statement commits by itself. A failed connect is tried again with jitter; for half a minute if the server has too
many clients, so that hundreds of tasks that start together take turns.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateTable

from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError, ChannelNotSentError
from airflow_channel_provider.tokens.clock import steady
from airflow_channel_provider.tokens.stores.sql_tables import CLOCKS, METADATA, Statements
from airflow_channel_provider.tokens.stores.sql_trouble import Trouble, reason_of, trouble_of

T = TypeVar("T")

_CONNECT_SECONDS = 5
_ANSWER_SECONDS = 10
_PATIENCE_SECONDS = {
    # How long the caller waits: long if waiting helps, short in an outage.
    Trouble.CROWDED: 30.0,
    Trouble.CONTENDED: 10.0,
    Trouble.DISCONNECTED: 2.0,
    Trouble.NO_TABLES: 30.0,
    Trouble.OTHER: 0.0,
    Trouble.REFUSED: 0.0,
}
_PAUSE_SECONDS, _PAUSE_MAX_SECONDS = 0.02, 0.5
_LIBPQ = {
    "connect_timeout": _CONNECT_SECONDS,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": _ANSWER_SECONDS * 1000,
    "application_name": "airflow-channel-provider",
}
_PYTHON_MYSQL = {
    "connect_timeout": _CONNECT_SECONDS,
    "read_timeout": _ANSWER_SECONDS,
    "write_timeout": _ANSWER_SECONDS,
}
_CONNECT_ARGUMENTS: dict[str, dict[str, Any]] = {
    # A pooler such as PgBouncer may send each statement to another server, so none may be prepared.
    "psycopg": {**_LIBPQ, "prepare_threshold": None},
    "psycopg2": _LIBPQ,
    "pymysql": _PYTHON_MYSQL,
    "mysqldb": _PYTHON_MYSQL,
    "pysqlite": {"timeout": _ANSWER_SECONDS, "check_same_thread": False},
}


@dataclass(frozen=True, slots=True)
class SqlTarget:
    """
    The address of the database.

    :param url: for SQLAlchemy; contains a password.
    :param connect_arguments: for the driver, such as those of TLS.
    """

    url: URL | str = field(repr=False)
    connect_arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)


class SqlSession:
    """
    Runs statements over one connection. Not safe for threads: its store locks.

    :param target: the database; nothing is opened yet.
    :param address: as configured; for messages.
    :raises ChannelConfigurationError: no such database or driver.
    """

    def __init__(self, target: SqlTarget, address: str) -> None:
        self._address = address
        self._engine = self._made(target)
        self._connection: Connection | None = None

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._connection is not None

    @property
    def statements(self) -> Statements:
        """The statements of the present connection; only inside :meth:`run`."""
        if self._connection is None:
            raise RuntimeError("not connected")
        return Statements(self._connection)

    def disconnect(self) -> None:
        """Release the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                connection.close()

    def run(self, work: Callable[[], T]) -> T:
        """
        Run a function with the connection, and again from its start after a temporary problem.

        :param work: the function; may be called more than once.
        """
        # Each kind of trouble has its own time limit: the tables may be missing after a long wait for a connection.
        since: dict[Trouble, float] = {}
        pause = _PAUSE_SECONDS
        while True:
            try:
                if self._connection is None:
                    self._connection = self._engine.connect()
                return work()
            except SQLAlchemyError as error:
                trouble = trouble_of(error, connecting=self._connection is None)
                if trouble not in (Trouble.CONTENDED, Trouble.NO_TABLES):
                    self._drop()
                now = steady()
                if now - since.setdefault(trouble, now) >= _PATIENCE_SECONDS[trouble]:
                    raise self._described(error, trouble) from error
            if trouble is Trouble.NO_TABLES:
                self._make_tables()
            time.sleep(pause * random.uniform(0.3, 1.0))
            pause = min(pause * 1.5, _PAUSE_MAX_SECONDS)

    def _make_tables(self) -> None:
        """Create the missing tables. Other processes may do the same, so only a missing permission is an error."""
        if self._connection is None:
            return
        try:
            for table in METADATA.sorted_tables:
                self._connection.execute(CreateTable(table, if_not_exists=True))
        except DBAPIError as error:
            trouble = trouble_of(error, connecting=False)
            if trouble is Trouble.REFUSED:
                raise self._described(error, trouble) from error

    def _drop(self) -> None:
        if self._connection is not None:
            with suppress(Exception):
                self._connection.invalidate()
        self.disconnect()

    def _made(self, target: SqlTarget) -> Engine:
        try:
            url = make_url(target.url)
            arguments = _CONNECT_ARGUMENTS.get(url.get_dialect().driver, {})
            engine = sa.create_engine(
                url,
                isolation_level="AUTOCOMMIT",
                poolclass=NullPool,
                pool_reset_on_return=None,
                hide_parameters=True,
                future=True,
                connect_args={**arguments, **target.connect_arguments},
            )
        except (SQLAlchemyError, ImportError) as error:
            raise ChannelConfigurationError(
                f"Option [channel_talk] store: the connection behind {self._address} names a database that can't be "
                f"used: {reason_of(error)} Install its driver, or name PostgreSQL, MySQL or SQLite."
            ) from error
        if engine.dialect.name not in CLOCKS:
            raise ChannelConfigurationError(
                f"Option [channel_talk] store: the connection behind {self._address} is to {engine.dialect.name}, "
                "which is not supported; use PostgreSQL, MySQL or SQLite."
            )
        return engine

    def _described(self, error: SQLAlchemyError, trouble: Trouble) -> ChannelError:
        if trouble is Trouble.REFUSED:
            return ChannelConfigurationError(
                f"Option [channel_talk] store: the database behind {self._address} refuses its connection: "
                f"{reason_of(error)} Correct that connection, and let its user create, read and write the tables "
                f"{' and '.join(sorted(METADATA.tables))}; no token request was sent."
            )
        return ChannelNotSentError(
            f"The token store {self._address} can't be used now: {reason_of(error)} No token request was sent."
        )
