"""Open connections to databases through the hook of their type. An error names the package that is missing."""

from __future__ import annotations

from typing import Any

from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError

# The packages that are not named after the connection type.
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

    :param conn_id: connection to a database.
    :raises ChannelConfigurationError: it does not exist, is not a database, or a package is missing.
    :raises ChannelError: the database can't be reached now.
    """
    from airflow.providers.common.compat.sdk import AirflowException, AirflowNotFoundException, BaseHook

    try:
        kind = BaseHook.get_connection(conn_id).conn_type or ""
    except AirflowNotFoundException as error:
        raise ChannelConfigurationError(
            f"There is no connection {conn_id!r} (argument sql_conn_id). Create it, or correct the argument."
        ) from error
    try:
        hook = BaseHook.get_hook(conn_id)
    except (AirflowException, ImportError) as error:
        raise _package_missing(conn_id, kind, error) from error
    if not hasattr(hook, "get_records"):  # every hook of common.sql has it
        raise ChannelConfigurationError(
            f"Connection {conn_id!r} (argument sql_conn_id) has the type {kind!r}, which is not a database that "
            "Airflow can query. Use the connection of a database."
        )
    try:
        return hook.get_conn()
    except ChannelError:
        raise
    except ImportError as error:
        raise _package_missing(conn_id, kind, error) from error
    except Exception as error:
        raise ChannelError(
            f"The database of connection {conn_id!r} (argument sql_conn_id) can't be reached ({type(error).__name__}). "
            "Check the connection's host, port, login and password."
        ) from error


def _package_missing(conn_id: str, kind: str, error: Exception) -> ChannelConfigurationError:
    package = f"apache-airflow-providers-{_PACKAGES.get(kind, kind.replace('_', '-'))}"
    return ChannelConfigurationError(
        f"Connection {conn_id!r} (argument sql_conn_id) has the type {kind!r}, and the hook of that type can't be "
        f"loaded on this worker ({type(error).__name__}). Install its provider on the worker, probably {package}, and "
        "the database driver that it needs."
    )
