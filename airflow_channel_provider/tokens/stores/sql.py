"""
Tokens in a database: PostgreSQL, MySQL (MariaDB) or SQLite serves all processes that reach it.

A document is a row with a version. ``update`` reads it and replaces it *if the version is still the same*; each
statement commits by itself. So no transaction is open during a token request, and no rollback can undo a charge. The
clock is the server's; SQLite has none, so the host's seconds since boot are used.

A process has at most one connection to the database; it releases the connection when it has a token.
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import TYPE_CHECKING, TypeVar, cast

from airflow_channel_provider.exceptions import ChannelNotSentError
from airflow_channel_provider.tokens.clock import steady
from airflow_channel_provider.tokens.stores import document as document_format
from airflow_channel_provider.tokens.stores.base import (
    ASIDE_BYTES,
    ASIDE_SECONDS,
    Anew,
    CachedToken,
    Change,
    HostLock,
    Snapshot,
)

if TYPE_CHECKING:
    from airflow_channel_provider.tokens.stores.sql_session import SqlSession, SqlTarget

T = TypeVar("T")

_PATIENCE_SECONDS = 10.0
_PAUSE_SECONDS, _PAUSE_MAX_SECONDS = 0.005, 0.2


class SqlStore:
    """
    A store in a database.

    :param target: returns the database; called at the first use, and again after a fork or an error.
    :param address: as configured; for messages.
    """

    poll_seconds = (0.05, 1.0)
    margin_seconds = 0.0

    def __init__(self, target: Callable[[], SqlTarget], *, address: str = "sql://") -> None:
        self.address = address
        self.host = "any"  # without a host lock, a lease is never taken over early
        self.local_cache: dict[str, CachedToken] = {}
        self._target = target
        self._lock = threading.RLock()
        self._opened: SqlSession | None = None
        self._inherited: SqlSession | None = None
        os.register_at_fork(after_in_child=self._start_anew)

    def _start_anew(self) -> None:
        self._lock = threading.RLock()
        # It is neither closed nor released: its connection belongs to the parent.
        self._inherited, self._opened = self._opened or self._inherited, None

    def load(self, document: str) -> Snapshot:
        with self._session() as session:
            return session.run(lambda: _Row(session, document).snapshot)

    def update(self, document: str, change: Change[T]) -> T:
        written, result = b"", cast("T", None)

        def attempt(session: SqlSession) -> bool:
            nonlocal written, result
            row = _Row(session, document)
            if written and row.body == written:
                return True  # it was written, only the answer was lost
            state, result = change(row.snapshot)
            if state is None:
                return True
            if row.body is not None and (row.snapshot.lost or isinstance(state, Anew)):
                aside = row.body[:ASIDE_BYTES]
                session.statements.write_blob(document, "unreadable", aside, ASIDE_SECONDS)
            written = document_format.pack(state, row.snapshot.now, looked_at=row.looked_at)
            return session.statements.write_document(document, row.version, written.decode())

        for pause in _pauses():
            with self._session() as session:
                if session.run(partial(attempt, session)):
                    return result
            time.sleep(pause)
        raise ChannelNotSentError(
            f"The token store {self.address} could not be changed for {_PATIENCE_SECONDS:.0f} s, because other "
            "processes changed it each time. No token request was sent."
        )

    def documents(self) -> Collection[str]:
        with self._session() as session:
            return session.run(lambda: session.statements.document_names())

    def read_blob(self, document: str, name: str) -> bytes | None:
        with self._session() as session:
            return session.run(lambda: session.statements.read_blob(document, name))

    def write_blob(self, document: str, name: str, blob: bytes, keep_seconds: float) -> None:
        with self._session() as session:
            session.run(lambda: session.statements.write_blob(document, name, blob, keep_seconds))

    def drop_blob(self, document: str, name: str) -> None:
        with self._session() as session:
            session.run(lambda: session.statements.drop_blob(document, name))

    @contextlib.contextmanager
    def host_lock(self, document: str, scope: str) -> Iterator[HostLock]:
        """The server does not see the death of a process, so the lease has to end by itself."""
        yield HostLock.UNKNOWN

    def rest(self) -> None:
        """Release the connection: hundreds of tasks that only wait must not hold one each."""
        with self._lock:
            if self._opened is not None:
                self._opened.disconnect()

    @contextlib.contextmanager
    def _session(self) -> Iterator[SqlSession]:
        from airflow_channel_provider.tokens.stores.sql_session import SqlSession

        with self._lock:
            if self._opened is None:
                self._opened = SqlSession(self._target(), self.address)
            try:
                yield self._opened
            except Exception:
                # The connection may have been changed since it was looked up.
                if self._opened is not None and not self._opened.connected:
                    self._opened = None
                raise


class _Row:
    """A document as read through the present connection of a session."""

    def __init__(self, session: SqlSession, document: str) -> None:
        clock, self.version, self.body = session.statements.read_document(document)
        self.looked_at = steady() if clock is None else None
        if self.version is None:
            now, lost = time.time() if clock is None else clock, session.statements.has_blobs(document)
            self.snapshot = Snapshot(None, now, lost=lost)
        else:
            self.snapshot = document_format.read(self.body, clock=clock, looked_at=self.looked_at)


def _pauses() -> Iterator[float]:
    give_up_at, longest = steady() + _PATIENCE_SECONDS, _PAUSE_SECONDS
    while steady() < give_up_at:
        yield random.uniform(0.0, longest)
        longest = min(longest * 1.5, _PAUSE_MAX_SECONDS)
