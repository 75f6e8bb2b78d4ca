"""Connections to databases, opened through the hook of their type; what is missing is named with its package."""

from __future__ import annotations

from typing import Any

from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError

# Of a type whose package is not called like it.
_PACKAGES = {
    "gcpbigquery": "google",
    "google_cloud_platform": "google",
    "mssql": "microsoft-mssql",
    "redshift": "amazon",
    "athena": "amazon",
    "drill": "apache-drill",
    "druid": "apache-druid",
    "hiveserver2": "apache-hive",
    "impala": "apache-impala",
    "kylin": "apache-kylin",
    "pinot": "apache-pinot",
    "databricks_sql": "databricks",
}


def open_database(conn_id: str) -> Any:
    """
    Open a connection of the Python DB API.

    :param conn_id: of a connection to a database.
    :raises ChannelConfigurationError: there is none of this name, it leads to no database, or a package is missing.
    :raises ChannelError: the database can't be reached now.
    """
    from airflow.providers.common.compat.sdk import AirflowException, AirflowNotFoundException, BaseHook

    try:
        kind = BaseHook.get_connection(conn_id).conn_type or ""
    except AirflowNotFoundException as error:
        raise ChannelConfigurationError(
            f"sql_conn_id names {conn_id!r}, and there is no such connection; create it, or correct the name."
        ) from error
    try:
        hook = BaseHook.get_hook(conn_id)
    except (AirflowException, ImportError) as error:
        raise _package_missing(conn_id, kind, error) from error
    if not hasattr(hook, "get_records"):  # every hook of common.sql has it
        raise ChannelConfigurationError(
            f"sql_conn_id names {conn_id!r}, a connection of the type {kind!r}, which leads to no database that "
            "Airflow reads by SQL; name one that does."
        )
    try:
        return hook.get_conn()
    except ChannelError:
        raise
    except ImportError as error:
        raise _package_missing(conn_id, kind, error) from error
    except Exception as error:
        raise ChannelError(
            f"The database of the connection {conn_id!r} (sql_conn_id) can't be reached ({type(error).__name__}). See "
            "whether its host, port, login and password are right."
        ) from error


def _package_missing(conn_id: str, kind: str, error: Exception) -> ChannelConfigurationError:
    package = f"apache-airflow-providers-{_PACKAGES.get(kind, kind.replace('_', '-'))}"
    return ChannelConfigurationError(
        f"sql_conn_id names {conn_id!r}, a connection of the type {kind!r}, whose hook can't be loaded where this task "
        f"runs ({type(error).__name__}): install its provider there, probably {package}, with its driver."
    )
