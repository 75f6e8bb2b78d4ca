"""What the page about the warehouse shows is so."""

from __future__ import annotations

import inspect
import re
import sqlite3
from contextlib import closing
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
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


def recipe(warehouse: str) -> list[str]:
    """Return the pieces of code of a row of the table of warehouses."""
    (said,) = [row[2] for table in markdown.tables(PAGE) for row in table if row[0] == warehouse]
    return re.findall(r"`([^`]+)`", said)


def test_bigquery_finds_the_parts_of_a_window_with_its_only_wildcard() -> None:
    (pattern,) = re.findall(r'"channel-talk/messages/WINDOW/([^"]+)"', " ".join(recipe("BigQuery")))
    assert pattern.count("*") == 1
    assert fnmatchcase("part-00001.parquet", pattern)
    assert not fnmatchcase(MANIFEST, pattern)


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_duckdb_keeps_a_field_that_only_the_last_of_many_files_has(suffix: str, tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    for number in range(40):
        folder = tmp_path / "messages" / f"window-{number:02d}"
        folder.mkdir(parents=True)
        new = ", 'x' AS new_field" if number == 39 else ""
        kind = "parquet" if suffix == "parquet" else "json"
        duckdb.sql(f"COPY (SELECT {number} AS id{new}) TO '{folder}/part-00001.{suffix}' (FORMAT {kind})")
    create, read_json = [code for code in recipe("DuckDB") if "read_" in code]
    if suffix == "jsonl":
        create = create.partition("read_parquet")[0] + read_json
    with closing(duckdb.connect()) as database:
        database.execute(create.replace("/data/channel-talk", str(tmp_path)))
        assert database.execute("SELECT count(*), max(new_field) FROM messages_extracted").fetchall() == [
            (40, "x")
        ]


def test_arguments_are_all_of_them() -> None:
    tables = [table for table in markdown.tables(PAGE) if table[0][:2] == ["argument", "what it is"]]
    said = [markdown.code(row[0]) for row in tables[0][1:]]
    own = inspect.signature(ExtractOperator.__init__).parameters.values()
    assert said == [parameter.name for parameter in own if parameter.kind is parameter.KEYWORD_ONLY]
