"""What the page about the warehouse shows is so."""

from __future__ import annotations

import inspect
import sqlite3
from contextlib import closing
from datetime import datetime, timezone

from support import markdown

from airflow_channel_provider.extract.parts import MANIFEST
from airflow_channel_provider.extract.windows import window_of
from airflow_channel_provider.operators.extract import ExtractOperator

PAGE = markdown.page("how_to/warehouse.md")


def block(language: str) -> str:
    (found,) = [block.text for block in markdown.blocks(PAGE) if block.language == language]
    return str(found)


def test_folder_is_named_as_it_is_shown() -> None:
    window = window_of([datetime(2026, 11, day, tzinfo=timezone.utc) for day in (1, 2)])
    assert block("text").startswith(f"user_chats/{window.name}/")
    assert MANIFEST in block("text")


def test_view_keeps_the_record_that_counts() -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE messages_extracted (id TEXT, _extracted_at TEXT, plainText TEXT)")
        rows = [
            ("m-1", "2026-11-02T00:00:01.000Z", "old"),
            ("m-1", "2026-11-03T00:00:01.000Z", "new"),
            ("m-2", "2026-11-01T00:00:01.000Z", "only"),
        ]
        database.executemany("INSERT INTO messages_extracted VALUES (?, ?, ?)", rows)
        database.executescript(block("sql"))
        assert sorted(database.execute("SELECT id, plainText FROM messages")) == [
            ("m-1", "new"),
            ("m-2", "only"),
        ]


def test_arguments_are_all_of_them() -> None:
    tables = [table for table in markdown.tables(PAGE) if table[0][:2] == ["argument", "what it is"]]
    said = [markdown.code(row[0]) for row in tables[0][1:]]
    own = inspect.signature(ExtractOperator.__init__).parameters.values()
    assert said == [parameter.name for parameter in own if parameter.kind is parameter.KEYWORD_ONLY]
