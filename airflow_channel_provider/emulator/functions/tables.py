"""App data tables: schemas that are revised, rows that are upserted by primary key or else appended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_channel_provider.emulator.answers import RefusalError
from airflow_channel_provider.emulator.functions.base import APP, Function

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_channel_provider.emulator.functions.base import Call
    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject

__all__ = ["FUNCTIONS"]

_ROWS_KEPT = 1_000_000


def _request_id(call: Call) -> str:
    return call.world.new_id("request")


def _schema(call: Call) -> JSONObject:
    columns = call.items("columns", least=1)
    for column in columns:
        if not all(isinstance(column.get(key), str) and column[key] for key in ("key", "name", "type")):
            raise RefusalError("each of columns needs key, name and type")
    keys = call.params.get("primaryKeyColumns") or []
    known = {column["key"] for column in columns}
    if not isinstance(keys, list) or not all(isinstance(key, str) and key in known for key in keys):
        raise RefusalError("primaryKeyColumns must name columns")
    return {"tableName": call.text("tableName"), "columns": columns, "primaryKeyColumns": keys}


def _create_table(call: Call) -> JSON:
    schema = _schema(call)
    key = (None, schema["tableName"])
    if key in call.app.tables:
        raise RefusalError(f"table {schema['tableName']} already exists")
    call.app.tables[key] = {"schema": {**schema, "revision": 1}, "rows": {}}
    return {"requestId": _request_id(call)}


def _create_schema(call: Call) -> JSON:
    schema, channel_id = _schema(call), call.channel().id
    table = call.app.tables.setdefault(
        (channel_id, schema["tableName"]), {"schema": {"revision": 0}, "rows": {}}
    )
    table["schema"] = {**schema, "channelId": channel_id, "revision": table["schema"]["revision"] + 1}
    return {"requestId": _request_id(call), "schema": table["schema"]}


def _find(call: Call) -> JSONObject | None:
    name = call.text("tableName")
    return call.app.tables.get((call.channel().id, name)) or call.app.tables.get((None, name))


def _table(call: Call) -> JSONObject:
    table = _find(call)
    if table is None:
        raise RefusalError(f"table {call.text('tableName')} not found")
    return table


def _get_schema(call: Call) -> JSON:
    table = _find(call)
    return {} if table is None else {"schema": table["schema"]}


def _upsert(call: Call) -> JSON:
    table, new = _table(call), call.items("rows", least=1)
    keys, rows = table["schema"]["primaryKeyColumns"], table["rows"]
    for row in new:
        if any(row.get(key) is None for key in keys):
            raise RefusalError("each of rows needs the primary key columns")
    for row in new:
        place = tuple(str(row[key]) for key in keys) or (call.world.new_id("row"),)
        rows[place] = {**rows.get(place, {}), **row}
        if len(rows) > _ROWS_KEPT:
            rows.pop(next(iter(rows)))
    return {"requestId": _request_id(call), "acceptedRowCount": len(new)}


def _own(name: str, required: str, run: Callable[[Call], JSON]) -> Function:
    return Function(name, APP, tuple(required.split()), run, proxied=False)


FUNCTIONS = [
    _own("createAppDataTable", "appId tableName columns", _create_table),
    _own("createAppDataTableSchema", "channelId appId tableName columns", _create_schema),
    _own("getAppDataTableSchema", "channelId appId tableName", _get_schema),
    _own("upsertAppDataTableRows", "channelId appId tableName rows", _upsert),
]
