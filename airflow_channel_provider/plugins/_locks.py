"""Locks of those who write into Airflow's database: of the threads of one server, and of all servers."""

from __future__ import annotations

import hashlib
import threading
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from sqlalchemy import func, select

if TYPE_CHECKING:
    from sqlalchemy.orm import Session
    from sqlalchemy.sql.dml import Update

_ON_SQLITE = threading.Lock()


def turn_to_write(session: Session) -> AbstractContextManager[object]:
    """
    Let the threads that write into SQLite take turns.

    Its one lock goes to whoever happens to ask for it next, and who waits asks again after ever longer pauses.
    """
    return _ON_SQLITE if session.get_bind().dialect.name == "sqlite" else nullcontext()


def wait_for_turn(session: Session, name: str, row: Update) -> None:
    """
    Wait until no other transaction that waits for the same name is open; this one is next until it ends.

    So a call that is sent again finds what the first one has done, and the first one has committed it.

    PostgreSQL has locks of names, so that there only the same wait for each other. Elsewhere all wait that touch a row.

    :param name: of what is done.
    :param row: changes a row to what it is.
    """
    if session.get_bind().dialect.name == "postgresql":
        key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
        session.execute(select(func.pg_advisory_xact_lock(key)))
    else:
        session.execute(row.execution_options(synchronize_session=False))
