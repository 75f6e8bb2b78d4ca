"""Runs a query with any DB API driver, and buffers its rows on the local disk.

No server keeps a result open for hours: MySQL closes one that is not read for ``net_write_timeout``, PostgreSQL an idle
transaction, and both keep old row versions for that long. So all rows are written to a temporary file before the first
is used. The file has no name and ends with the process. At most a thousand rows are in memory.

Errors of drivers become errors of this provider, with the driver's error as their cause.
"""

from __future__ import annotations

import pickle
import re
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any

from airflow_channel_provider.bulk import sql_statements
from airflow_channel_provider.bulk.json_values import to_python
from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError

ROWS_AT_ONCE = 1_000
IN_MEMORY_BYTES = 1 << 20
_POSTGRES = ("psycopg", "psycopg2")
_MYSQL = ("pymysql", "MySQLdb")
_BIT = 16
"""The MySQL type whose numbers these drivers return as bytes."""
_NO_CURSOR_FOR_IT = "42601"  # DECLARE accepts only a query and reports anything else as a syntax error
_WRITES_IN_A_QUERY = "0A000"  # WITH ... AS (DELETE ...)
# The names of PEP 249. An error of Python instead of the database comes from the parameters.
_WRONG = ("ProgrammingError", "DataError", "IntegrityError", "NotSupportedError")
_WRONG_PARAMETERS = (TypeError, ValueError, LookupError)
_SORTED = (*_WRONG, "OperationalError", "InterfaceError", "InternalError")
_STATE = re.compile(r"[0-9A-Z]{5}|(?:ORA|DPY)-\d{4,5}")
# Errors that a driver does not put into these classes: a wrong query, value or permission, by the database's own code.
_WRONG_STATE = re.compile(r"(?:07|22|42)\w{3}|0A000|ORA-009\d\d|ORA-01(?:031|722|8\d\d)")
_OTHER_ENCODING = ("22021", "22P05")

Parameters = Mapping[str, object] | Collection[object] | None


@contextmanager
def sql_errors() -> Iterator[None]:
    """
    Translate the errors of a driver.

    :raises ChannelConfigurationError: the query is wrong.
    :raises ChannelError: the error may be temporary.
    """
    try:
        yield
    except ChannelError:
        raise
    except Exception as error:
        raise _described(error) from error


def _described(error: Exception) -> ChannelError:
    kinds = {kind.__name__ for kind in type(error).__mro__}
    code = _code(error)
    named = f"{type(error).__name__} {code}" if code else type(error).__name__
    if code == _WRITES_IN_A_QUERY:
        return _no_read(named)
    if code in _OTHER_ENCODING or _is_no_text(error):
        return _other_encoding(named)
    # SQLite reports everything as an operational error; its own error name shows a wrong query (from Python 3.11 on).
    is_wrong = kinds.intersection(_WRONG) or getattr(error, "sqlite_errorname", None) == "SQLITE_ERROR"
    if is_wrong or (_WRONG_STATE.fullmatch(code) and not kinds.intersection(_SORTED)):
        return ChannelConfigurationError(
            f"The database rejected sql ({named}). Correct the query, sql_parameters, or the permissions of the user "
            "of sql_conn_id. The cause of this error has the database's own words."
        )
    if isinstance(error, _WRONG_PARAMETERS) and not kinds.intersection(("Error", "DatabaseError")):
        return ChannelConfigurationError(
            f"The driver of sql_conn_id can't run sql ({named}): check that sql_parameters match the placeholders of "
            "the query, in the style of this driver."
        )
    return ChannelError(f"The database of sql_conn_id stopped answering sql before its end ({named}).")


def _code(error: Exception) -> str:
    """Return the number or the state of a database error, and no text, which may contain values."""
    for name in ("sqlstate", "pgcode"):
        if isinstance(found := getattr(error, name, None), str):
            return found
    first = error.args[0] if error.args else None
    if isinstance(first, Mapping):  # the attributes of PostgreSQL's drivers, of pg8000 and of Redshift
        first = first.get("C")
    found = str(getattr(first, "full_code", first))  # Oracle's
    is_of_driver = any(kind.__name__ == "Error" for kind in type(error).__mro__)
    return found if isinstance(first, int) or (is_of_driver and _STATE.fullmatch(found)) else ""


def _no_read(what: str) -> ChannelConfigurationError:
    return ChannelConfigurationError(
        f"sql changes data ({what}), and each try would change it again. Change the data in a separate task and only "
        "read here; if that is the name of a column, quote it."
    )


def _is_no_text(error: Exception) -> bool:
    is_of_sqlite = type(error).__module__ == "sqlite3" and "Could not decode to UTF-8" in str(error)
    return is_of_sqlite or isinstance(error, UnicodeDecodeError)


def _other_encoding(named: str) -> ChannelConfigurationError:
    return ChannelConfigurationError(
        f"Text in the rows of sql is not in the encoding of sql_conn_id ({named}): set the right one in the extra of "
        'the connection, such as {"client_encoding": "UHC"} for PostgreSQL and {"charset": "euckr"} for MySQL, or '
        "convert the text in the query."
    )


@contextmanager
def closing(opened: Any) -> Iterator[Any]:
    """
    Close a connection or a cursor at the end.

    Some drivers refuse to close a result that was not read to its end. That must not hide the first error.
    """
    try:
        yield opened
    except BaseException:
        with suppress(Exception):
            opened.close()
        raise
    opened.close()


@contextmanager
def run_query(connection: Any, sql: str, parameters: Parameters) -> Iterator[Any]:
    """
    Run a query and yield the cursor with its rows.

    :param connection: of the Python DB API.
    :raises ChannelConfigurationError: the query returns no rows, or would change some.
    """
    connection = _inner(connection)
    driver = _driver(connection)
    if sql_statements.is_empty(sql, driver):
        raise ChannelConfigurationError("sql is empty; set a query.")
    if found := sql_statements.find_change(sql, driver):
        raise _no_read(found)
    arguments = (sql, parameters) if parameters else (sql,)
    _expect_text(connection, driver)
    cursor, on_server = _run(connection, driver, arguments)
    with closing(cursor):
        # A server-side cursor may know its columns only after the first read.
        while not on_server and cursor.description is None:
            if not _next_answer(cursor):
                raise ChannelConfigurationError("sql returns no rows: its last statement must be a query.")
        yield cursor
        while not on_server and _next_answer(cursor):
            if cursor.description is not None:
                raise ChannelConfigurationError(
                    "sql returns more than one result set; use one query, or a procedure that returns one."
                )


def _inner(connection: Any) -> Any:
    """Return the driver's connection, without the wrapper of SQLAlchemy's pool."""
    return getattr(connection, "driver_connection", None) or connection


def _driver(connection: Any) -> str:
    """Return the name of the driver's package, also for a derived class or a wrapper."""
    packages: list[str] = [kind.__module__.partition(".")[0] for kind in connection.__class__.__mro__]
    return next((name for name in packages if name in (*_POSTGRES, *_MYSQL)), packages[0])


def _expect_text(connection: Any, driver: str) -> None:
    """
    Read texts as UTF-8 if PostgreSQL has the encoding SQL_ASCII, for which one driver returns bytes and another raises
    an error.
    """
    if driver not in _POSTGRES or connection.info.parameter_status("client_encoding") != "SQL_ASCII":
        return
    if driver == "psycopg2":
        connection.set_client_encoding("UTF8")
    else:
        connection.execute("SET client_encoding TO 'UTF8'")
        connection.commit()  # so that no rollback takes it back


def _run(connection: Any, driver: str, arguments: tuple[Any, ...]) -> tuple[Any, bool]:
    """Run a query, with a cursor that does not fetch all rows at once if the driver and the query allow one."""
    if driver in _POSTGRES and not connection.autocommit:
        try:
            return _ran(connection.cursor("channel_talk_bulk", **_of_tuples(driver)), arguments), True
        except Exception as error:
            if _code(error) != _NO_CURSOR_FOR_IT:
                raise
            connection.rollback()
    return _ran(connection.cursor(*_unbuffered(driver), **_of_tuples(driver)), arguments), False


def _ran(cursor: Any, arguments: tuple[Any, ...]) -> Any:
    try:
        cursor.execute(*arguments)
    except BaseException:
        with suppress(Exception):
            cursor.close()
        raise
    return cursor


def _unbuffered(driver: str) -> tuple[Any, ...]:
    if driver == "pymysql":
        from pymysql.cursors import SSCursor

        return (SSCursor,)
    if driver == "MySQLdb":
        from MySQLdb.cursors import SSCursor as MysqlSSCursor

        return (MysqlSSCursor,)
    return ()


def _of_tuples(driver: str) -> dict[str, Any]:
    """Ask for tuples even if the connection returns mappings: a mapping can't hold two columns of one name."""
    if driver == "psycopg":
        from psycopg.rows import tuple_row

        return {"row_factory": tuple_row}
    if driver == "psycopg2":
        from psycopg2.extensions import cursor  # type: ignore[import-untyped]

        return {"cursor_factory": cursor}
    return {}


def _next_answer(cursor: Any) -> bool:
    """Go to the next result set; some drivers have no such method."""
    try:
        return bool(cursor.nextset())
    except Exception as error:
        if isinstance(error, AttributeError) or type(error).__name__ == "NotSupportedError":
            return False
        raise


# ---- what a driver makes of rows


def fetch(cursor: Any, count: int) -> Any:
    """
    Return the next rows.

    :raises ChannelConfigurationError: Python has no type for one of the values.
    """
    try:
        return cursor.fetchmany(count)
    except Exception as error:
        is_of_values = isinstance(error, (ArithmeticError, ValueError)) or type(error).__name__ == "DataError"
        if _code(error) or _is_no_text(error) or not is_of_values:
            raise
        raise ChannelConfigurationError(
            f"The driver of sql_conn_id can't convert a row of sql ({type(error).__name__}): it may hold a time that "
            "Python can't represent, such as infinity, 24:00 or a year BC. Cast it to text in the query, or leave it "
            "out. The cause of this error has the driver's own words."
        ) from error


def bit_columns(connection: Any, description: Iterable[Any]) -> list[int]:
    """Return the positions of the columns whose values are whole numbers and come as bytes."""
    if _driver(_inner(connection)) not in _MYSQL:
        return []
    return [place for place, column in enumerate(description) if column[1] == _BIT]


# ---- rows on the disk of this host


@contextmanager
def buffered(rows: Iterable[object]) -> Iterator[tuple[int, Iterator[object]]]:
    """
    Read all rows into a file, and yield them from it, with their number.

    :raises ChannelError: the disk has no room for the file.
    """
    with tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES) as file:
        count = pieces = 0
        rest = iter(rows)
        while piece := list(islice(rest, ROWS_AT_ONCE)):
            _write(file, piece)
            count, pieces = count + len(piece), pieces + 1
        file.seek(0)
        yield count, (row for _ in range(pieces) for row in _read(file))


def _write(file: Any, piece: list[object]) -> None:
    try:
        _Pickler(file, pickle.HIGHEST_PROTOCOL).dump(piece)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise _not_kept() from error
    except OSError as error:
        raise ChannelError(
            f"There is no room for the rows of sql in the temporary folder of this host ({type(error).__name__}); free "
            "some space, or set TMPDIR to another folder."
        ) from error


def _read(file: Any) -> list[object]:
    try:
        rows: list[object] = pickle.load(file)  # noqa: S301 - this process has written it, and nobody else can
    except (pickle.UnpicklingError, TypeError, AttributeError) as error:
        raise _not_kept() from error
    return rows


def _not_kept() -> ChannelConfigurationError:
    return ChannelConfigurationError(
        "The driver of sql_conn_id returns a value that can't be stored in a temporary file; cast its column to text "
        "in the query. The cause of this error names its type."
    )


class _Pickler(pickle.Pickler):
    """Pickles the values of drivers, also those that Python can't pickle."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, memoryview):  # bytes of psycopg2
            return bytes, (value.tobytes(),)
        if isinstance(value, tuple):  # a named tuple, whose class may not be importable
            own = to_python(value)
            return (tuple, (list(value),)) if own is value else (_itself, (own,))
        if not isinstance(value, type) and callable(
            read := getattr(value, "read", None)
        ):  # a large object, which can't be read after its connection
            return _itself, (read(),)
        return NotImplemented


def _itself(value: object) -> object:
    return value
