"""
What an error of a database means for a store. Each database and driver reports it in its own way: with SQLSTATE, a
number, or only in words.
"""

from __future__ import annotations

from enum import Enum

from sqlalchemy.exc import DBAPIError


class Trouble(Enum):
    """How the store reacts."""

    CROWDED = "the server has too many clients: wait"
    CONTENDED = "another statement was in the way: once more"
    DISCONNECTED = "the connection is dead, or none could be made: connect again"
    NO_TABLES = "the tables are not there: make them"
    REFUSED = "somebody has to correct the connection or its rights"
    OTHER = "give up"


_SQLSTATES = {
    "53300": Trouble.CROWDED,
    "40001": Trouble.CONTENDED,
    "40P01": Trouble.CONTENDED,
    "55P03": Trouble.CONTENDED,
    "42P01": Trouble.NO_TABLES,
    "42501": Trouble.REFUSED,
    "3D000": Trouble.REFUSED,
    "3F000": Trouble.REFUSED,
    "28000": Trouble.REFUSED,
    "28P01": Trouble.REFUSED,
}
_MYSQL_NUMBERS = {
    1040: Trouble.CROWDED,
    1203: Trouble.CROWDED,
    1205: Trouble.CONTENDED,
    1213: Trouble.CONTENDED,
    1020: Trouble.CONTENDED,  # MariaDB: record has changed since last read
    1146: Trouble.NO_TABLES,
    1044: Trouble.REFUSED,
    1045: Trouble.REFUSED,
    1049: Trouble.REFUSED,
    1142: Trouble.REFUSED,
    1698: Trouble.REFUSED,
}
# libpq gives no SQLSTATE for a connection that was not made, and SQLite gives words only.
_WORDS = {
    "too many clients": Trouble.CROWDED,
    "too many connections": Trouble.CROWDED,
    "remaining connection slots": Trouble.CROWDED,
    "database is locked": Trouble.CONTENDED,
    "database table is locked": Trouble.CONTENDED,
    "no such table": Trouble.NO_TABLES,
    "authentication failed": Trouble.REFUSED,
    "no password supplied": Trouble.REFUSED,
    "no pg_hba.conf entry": Trouble.REFUSED,
    "unable to open database file": Trouble.REFUSED,
    "readonly database": Trouble.REFUSED,
    "file is not a database": Trouble.REFUSED,
}
_UNKNOWN = ('role "', 'database "')


def trouble_of(error: Exception, *, connecting: bool) -> Trouble:
    """
    Return the kind of an error.

    :param connecting: there was no connection yet.
    """
    original = error.orig if isinstance(error, DBAPIError) else None
    state = getattr(original, "sqlstate", None) or getattr(original, "pgcode", None)
    number = original.args[0] if original is not None and original.args else None
    if state in _SQLSTATES:
        return _SQLSTATES[state]
    if isinstance(number, int) and number in _MYSQL_NUMBERS:
        return _MYSQL_NUMBERS[number]
    words = str(original if original is not None else error)
    for fragment, trouble in _WORDS.items():
        if fragment in words:
            return trouble
    if connecting and "does not exist" in words and any(name in words for name in _UNKNOWN):
        return Trouble.REFUSED
    if connecting or (isinstance(error, DBAPIError) and error.connection_invalidated):
        return Trouble.DISCONNECTED
    return Trouble.OTHER


def reason_of(error: Exception) -> str:
    """Return the driver's message as one sentence, without the statement and its values."""
    original = error.orig if isinstance(error, DBAPIError) else error
    words = " ".join(str(original).split())
    return f"{words.rstrip('.') or type(original).__name__}."
