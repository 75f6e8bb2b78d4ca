"""
Where the data of a task comes from and where it goes, for OpenLineage where its provider is installed.

An event has names of tables, files, functions and columns, types of columns, and counts of rows. No parameter, no
text, no row and no SQL is in it: of a query only the names of what it reads are taken. Nothing that goes wrong here
fails a task.

Names: a table as OpenLineage names it by its connection, a file by its store and path, and ``channeltalk://CHANNEL_ID``
with ``function/METHOD`` for a function, ``data_table/NAME`` for a data table of an app, ``open_api/STREAM`` for what an
extraction reads.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

log = logging.getLogger(__name__)

UNKNOWN_CHANNEL = "default"
_DEFAULT_PORTS = {"postgres": 5432, "postgresql": 5432, "mysql": 3306}


@dataclass(frozen=True, slots=True)
class DatasetName:
    """
    One place where data is.

    :param namespace: the system.
    :param name: within it.
    :param columns: their names and types, as far as they are known.
    :param rows: how many were written to it; None: unknown.
    """

    namespace: str
    name: str
    columns: Sequence[tuple[str, str | None]] = ()
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class Way:
    """
    The way of the data of one task.

    :param inputs: where it comes from.
    :param outputs: where it goes.
    :param origins: of columns of the outputs: the input and its column that alone makes them.
    """

    inputs: Sequence[DatasetName] = ()
    outputs: Sequence[DatasetName] = ()
    origins: Mapping[str, tuple[DatasetName, str]] | None = None


def channel_dataset(kind: str, name: str, channel_id: str | None) -> DatasetName:
    """
    Name something of Channel Talk.

    :param kind: ``function``, ``data_table`` or ``open_api``.
    :param channel_id: None: the connection's, which is not known.
    """
    return DatasetName(f"channeltalk://{channel_id or UNKNOWN_CHANNEL}", f"{kind}/{name}")


def file_dataset(address: object) -> DatasetName:
    """Name a file by its address, without the connection in it."""
    parts = urlsplit(str(address))
    path = unquote(parts.path)
    if parts.scheme in ("", "file"):
        return DatasetName("file", path or "/")
    place = parts.netloc.rpartition("@")[2]
    return DatasetName(f"{parts.scheme}://{place}", path.lstrip("/") or "/")


def tables_of(sql: str, conn_id: str) -> tuple[list[DatasetName], dict[str, tuple[DatasetName, str]]]:
    """
    Return the tables that a query reads, and what each of its columns alone comes from.

    :param conn_id: connection of the database.
    """
    try:
        from airflow.providers.common.compat.sdk import BaseHook
        from openlineage_sql import parse

        conn = BaseHook.get_connection(conn_id)
        kind = str(conn.conn_type)
        found = parse([sql], dialect=kind if kind in _DEFAULT_PORTS else "generic")
    except Exception as error:
        log.info("The tables of the query were not reported to OpenLineage (%s)", type(error).__name__)
        return [], {}
    if found is None:
        return [], {}
    tables = {(t.database, t.schema, t.name): _table(conn, kind, t) for t in found.in_tables}
    origins: dict[str, tuple[DatasetName, str]] = {}
    for column in found.column_lineage:
        if len(column.lineage) == 1 and (origin := column.lineage[0].origin) is not None:
            table = tables.get((origin.database, origin.schema, origin.name))
            if table is not None:
                origins[column.descendant.name] = (table, column.lineage[0].name)
    for table, name in origins.values():
        _add_column(tables, table, name)
    named = {(t.namespace, t.name): t for t in tables.values()}
    return list(named.values()), {
        column: (named[table.namespace, table.name], name) for column, (table, name) in origins.items()
    }


def _add_column(tables: dict[Any, DatasetName], table: DatasetName, name: str) -> None:
    for key, known in tables.items():
        if (known.namespace, known.name) == (table.namespace, table.name) and (
            name,
            None,
        ) not in known.columns:
            tables[key] = replace(known, columns=(*known.columns, (name, None)))


def _table(conn: Any, kind: str, table: Any) -> DatasetName:
    if kind == "sqlite":
        return DatasetName("file", f"{unquote(conn.host or '')}#{table.name}")
    port = conn.port or _DEFAULT_PORTS.get(kind)
    place = f"{conn.host or 'localhost'}{f':{port}' if port else ''}"
    scheme = "postgres" if kind == "postgresql" else kind
    database, schema = table.database or conn.schema, table.schema
    if scheme == "postgres":
        schema = schema or "public"
    elif scheme == "mysql":
        database, schema = None, schema or conn.schema
    return DatasetName(
        f"{scheme}://{place}", ".".join(part for part in (database, schema, table.name) if part)
    )


def as_operator_lineage(way: Way) -> OperatorLineage | None:
    """Return the way as OpenLineage takes it; None where its provider is not installed."""
    try:
        from airflow.providers.openlineage.extractors import OperatorLineage
        from openlineage.client.event_v2 import InputDataset, OutputDataset
    except ImportError:
        return None
    inputs: list[Any] = [InputDataset(d.namespace, d.name, facets=_schema(d)) for d in way.inputs]
    outputs: list[Any] = [
        OutputDataset(
            d.namespace,
            d.name,
            facets={**_schema(d), **_column_lineage(d, way.origins or {})},
            outputFacets=_statistics(d),
        )
        for d in way.outputs
    ]
    return OperatorLineage(inputs=inputs, outputs=outputs)


def _schema(dataset: DatasetName) -> dict[str, Any]:
    from openlineage.client.facet_v2 import schema_dataset

    fields = [schema_dataset.SchemaDatasetFacetFields(name=n, type=kind) for n, kind in dataset.columns]
    return {"schema": schema_dataset.SchemaDatasetFacet(fields=fields)} if fields else {}


def _column_lineage(output: DatasetName, origins: Mapping[str, tuple[DatasetName, str]]) -> dict[str, Any]:
    from openlineage.client.facet_v2 import column_lineage_dataset as facet

    fields = {
        name: facet.Fields(
            inputFields=[facet.InputField(source.namespace, source.name, column)],
            transformationType="IDENTITY",
        )
        for name, _ in output.columns
        if name in origins
        for source, column in [origins[name]]
    }
    return {"columnLineage": facet.ColumnLineageDatasetFacet(fields=fields)} if fields else {}


def _statistics(dataset: DatasetName) -> dict[str, Any]:
    from openlineage.client.facet_v2 import output_statistics_output_dataset as facet

    if dataset.rows is None:
        return {}
    return {"outputStatistics": facet.OutputStatisticsOutputDatasetFacet(rowCount=dataset.rows)}
