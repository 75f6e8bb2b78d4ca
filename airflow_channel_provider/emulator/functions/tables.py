"""App data tables: schemas that are revised, rows that are upserted by primary key or else appended."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

from airflow_channel_provider.contract.parts import OPERATOR_TYPE
from airflow_channel_provider.contract.shapes import Flag, Text, is_number, is_object, type_of
from airflow_channel_provider.emulator.answers import RefusalError, unprocessable
from airflow_channel_provider.emulator.functions.base import Function

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_channel_provider.emulator.functions.base import Call
    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject

_ROWS_KEPT = 1_000_000


_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _is_day(value: JSON) -> bool:
    try:
        return isinstance(value, str) and str(date.fromisoformat(value)) == value
    except ValueError:
        return False


def _is_moment(value: JSON) -> bool:
    return isinstance(value, str) and _MOMENT.fullmatch(value) is not None and _is_day(value[:10])


def _list_of(is_item: Callable[[JSON], bool]) -> Callable[[JSON], bool]:
    return lambda value: isinstance(value, list) and all(map(is_item, value))


_HOLDS: dict[str, Callable[[JSON], bool]] = {
    "BOOLEAN": Flag().fits,
    "NUMBER": is_number,
    "STRING": Text().fits,
    "DATE": _is_day,
    "DATETIME": _is_moment,
    "LIST_OF_STRING": _list_of(Text().fits),
    "LIST_OF_NUMBER": _list_of(is_number),
    "LIST_OF_OBJECT": _list_of(is_object),
}
"""What a cell of each type of column may be; the vendor's documents leave it open, these are what JSON suggests."""


def _check_rows(schema: JSONObject, rows: list[JSONObject]) -> None:
    columns = {column["key"]: column for column in schema["columns"]}
    for index, row in enumerate(rows):
        for key, value in row.items():
            problem = _problem(columns.get(key), value)
            if problem:
                raise unprocessable(f"validation failed: rows[{index}].{key} {problem}")


def _problem(column: JSONObject | None, value: JSON) -> str | None:
    if column is None:
        return "is no column of the table"
    if value is None:
        return "must not be null" if column.get("nullable") is False else None
    holds = _HOLDS.get(column["type"].removeprefix(OPERATOR_TYPE.prefix))
    if holds is None or holds(value):
        return None
    return f"does not fit {column['type']}, it is {type_of(value)}"


def _request_id(call: Call) -> str:
    return call.world.new_id("request")


def _schema(call: Call) -> JSONObject:
    columns, keys = call.params["columns"], call.params.get("primaryKeyColumns") or []
    if not {column.get("key") for column in columns}.issuperset(keys):
        raise RefusalError("primaryKeyColumns must name columns")
    named = {"appId": call.app.app_id, "tableName": call.text("tableName")}
    return {**named, "columns": columns, "primaryKeyColumns": keys}


def _create_table(call: Call) -> JSON:
    schema = _schema(call)
    key = (None, schema["tableName"])
    if key in call.app.tables:
        raise RefusalError(f"table {schema['tableName']} already exists")
    call.app.tables[key] = {"schema": schema, "revision": 1, "rows": {}}
    return {"requestId": _request_id(call)}


def _create_schema(call: Call) -> JSON:
    schema, channel_id = _schema(call), call.channel().id
    table = call.app.tables.setdefault((channel_id, schema["tableName"]), {"revision": 0, "rows": {}})
    table.update(schema={**schema, "channelId": channel_id}, revision=table["revision"] + 1)
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
    table, new = _table(call), call.params["rows"]
    keys, rows = table["schema"]["primaryKeyColumns"], table["rows"]
    if call.is_strict:
        _check_rows(table["schema"], new)
    for row in new:
        if any(row.get(key) is None for key in keys):
            raise RefusalError("each of rows needs the primary key columns")
    for row in new:
        place = tuple(str(row[key]) for key in keys) or (call.world.new_id("row"),)
        rows[place] = {**rows.get(place, {}), **row}
        if len(rows) > _ROWS_KEPT:
            rows.pop(next(iter(rows)))
    return {"requestId": _request_id(call), "acceptedRowCount": len(new)}


def _own(name: str, run: Callable[[Call], JSON]) -> Function:
    return Function(name, run, proxied=False)


FUNCTIONS = [
    _own("createAppDataTable", _create_table),
    _own("createAppDataTableSchema", _create_schema),
    _own("getAppDataTableSchema", _get_schema),
    _own("upsertAppDataTableRows", _upsert),
]
