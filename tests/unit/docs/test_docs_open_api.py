"""The page about Open API lists every call that the provider knows, and every name of a list."""

from __future__ import annotations

from support import markdown

from airflow_channel_provider.contract.open_api import OPERATIONS
from airflow_channel_provider.hooks.open_api import STREAMS

TABLES = markdown.tables(markdown.page("open_api.md"))
REPEATED = {
    "yes, a read": "read",
    "yes": "idempotent",
    "yes, with its `requestId`": "request_id",
    "no": "unsafe",
}


def test_the_calls_are_those_of_the_contract() -> None:
    said = [(markdown.code(row[0]), row[3].strip("`"), REPEATED[row[4]]) for row in TABLES[-1][1:]]
    assert said == [(f"{row.verb} {row.path}", row.items or "", row.retry.value) for row in OPERATIONS]
    assert [row[2].replace("`", "") for row in TABLES[-1][1:]] == [
        ", ".join(row.required) for row in OPERATIONS
    ]


def test_the_lists_are_those_of_the_hook() -> None:
    assert [markdown.code(row[0]) for row in TABLES[0][1:]] == list(STREAMS)
