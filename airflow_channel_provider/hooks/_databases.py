"""Turns an Airflow connection to a database into what SQLAlchemy needs; the provider of the database is not needed.

Understood are the fields of the connection types ``postgres``, ``mysql`` and ``sqlite``, of their extras those of TLS
and ``sqlalchemy_query``, and for another driver ``sqlalchemy_scheme``, as in ``postgresql+psycopg2``.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from airflow_channel_provider.exceptions import ChannelConfigurationError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection

    from airflow_channel_provider.tokens.stores.sql_session import SqlTarget

_DRIVERS = {
    # conn_type: (module, SQLAlchemy's name), the preferred one first; what to install
    "postgres": ([("psycopg", "postgresql+psycopg"), ("psycopg2", "postgresql+psycopg2")], "psycopg[binary]"),
    "mysql": ([("MySQLdb", "mysql+mysqldb"), ("pymysql", "mysql+pymysql")], "pymysql"),
}
_KIND_OF = {"postgresql": "postgres", "mariadb": "mysql"}
_EXTRAS = {
    "postgres": [
        *("sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslpassword", "channel_binding"),
        *("gssencmode", "target_session_attrs", "options"),
    ],
    "mysql": ["ssl_ca", "ssl_cert", "ssl_key", "ssl_capath", "ssl_cipher", "unix_socket", "charset"],
}


def target_of(conn: Connection, address: str) -> SqlTarget:
    """
    Return where a connection leads.

    :param address: of the store; for messages.
    :raises ChannelConfigurationError: it is no database that can be used, or its driver is missing.
    """
    kind = _KIND_OF.get(conn.conn_type or "", conn.conn_type or "")
    if kind == "sqlite":
        return _sqlite(conn, address)
    if kind not in _DRIVERS:
        raise connection_error(
            address, conn, f"has the type {conn.conn_type!r}", "use postgres, mysql or sqlite"
        )
    from sqlalchemy.engine import URL

    from airflow_channel_provider.tokens.stores.sql_session import SqlTarget

    extra = conn.extra_dejson
    query = extra.get("sqlalchemy_query") or {}
    if not isinstance(query, Mapping):
        raise connection_error(
            address, conn, "has an extra sqlalchemy_query that is not an object", "correct it"
        )
    return SqlTarget(
        URL.create(
            str(extra.get("sqlalchemy_scheme") or _driver(kind, conn, address)),
            username=conn.login or None,
            password=conn.password or None,
            host=conn.host or None,
            port=conn.port or None,
            database=conn.schema or None,
            query={
                **{name: str(extra[name]) for name in _EXTRAS[kind] if extra.get(name) is not None},
                **query,
            },
        )
    )


def _sqlite(conn: Connection, address: str) -> SqlTarget:
    from sqlalchemy.engine import URL

    from airflow_channel_provider.tokens.stores.sql_session import SqlTarget

    # A URI with an empty host has the path in the schema, without its first slash.
    path = conn.host or f"/{(conn.schema or '').lstrip('/')}"
    if not path.startswith("/") or path == "/":
        raise connection_error(address, conn, "names no absolute path of a file", "write it as the host")
    return SqlTarget(URL.create("sqlite", database=path))


def _driver(kind: str, conn: Connection, address: str) -> str:
    drivers, package = _DRIVERS[kind]
    if kind == "postgres" and _sqlalchemy_is_old():  # Airflow < 3.1 has one that does not know psycopg
        drivers, package = drivers[1:], "psycopg2-binary"
    for module, name in drivers:
        if find_spec(module) is not None:
            return name
    raise connection_error(
        address, conn, f"needs a driver for {kind} where the tasks run", f"pip install '{package}'"
    )


def _sqlalchemy_is_old() -> bool:
    import sqlalchemy

    return sqlalchemy.__version__.startswith("1.")


def connection_error(address: str, conn: Any, fault: str, remedy: str) -> ChannelConfigurationError:
    """
    Return the error about the connection of a store.

    :param address: of the store.
    """
    return ChannelConfigurationError(
        f"Option [channel_talk] store: the connection {conn.conn_id!r} behind {address} {fault}; {remedy}."
    )
