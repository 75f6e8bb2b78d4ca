"""Bulk tasks whose process is killed on the way, again and again, and retried by a real scheduler."""

from __future__ import annotations

import json
import os
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from airflow_channel_provider.emulator import DEMO_APP_ID
from tools.bulk.running import FAULTS, BulkAirflow
from tools.demo.progress import Progress

ITEMS = int(os.environ.get("BULK_ITEMS", "5000"))
ROWS = int(os.environ.get("BULK_ROWS", "30000"))
GONE_EVERY = 100
CHATS = 9


@dataclass
class Run:
    """What was left when it was over."""

    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    summaries: dict[str, dict[str, Any]] = field(default_factory=dict)
    messages: list[dict[str, Any]] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    tokens_in_a_window: int = 0
    dead_letters: list[dict[str, Any]] = field(default_factory=list)
    files: set[str] = field(default_factory=set)
    table_rows: list[dict[str, Any]] = field(default_factory=list)
    log: str = ""


def is_gone(number: int) -> bool:
    return number % GONE_EVERY == 7


def lay_out(folder: Path) -> None:
    rows = (
        (n, "chat-that-is-gone" if is_gone(n) else f"chat-ch-1-{n % CHATS + 1}", f"order {n}")
        for n in range(ITEMS)
    )
    with closing(sqlite3.connect(folder / "orders.db")) as database, database:
        database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, chat_id TEXT, text TEXT)")
        database.executemany("INSERT INTO orders VALUES (?, ?, ?)", rows)
    numbers = range(ROWS)
    columns = {
        "id": list(numbers),
        "state": [f"state {n % 5}" for n in numbers],
        "total": [n / 4 for n in numbers],
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), folder / "orders.parquet")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    left = Run()
    with BulkAirflow(tmp_path_factory.mktemp("bulk") / "home", Progress()) as airflow:
        lay_out(airflow.folder)
        emulator = airflow.emulator
        for fault, options in FAULTS.items():
            emulator.inject(fault, **{"count": 1_000_000, **options})
        kill_at = [ITEMS // 5, ITEMS // 2, ITEMS * 4 // 5]
        airflow.run("campaign", "run", kill_at=kill_at, count=lambda: int(emulator.stats()["messages"]))
        left.messages = emulator.messages()
        left.outcomes = Counter(entry["outcome"] for entry in emulator.journal())
        calls = emulator.stats()["calls"]
        kill_at = [calls + ROWS // 500 // 3]
        emulator.inject("slow", count=ROWS // 500 // 2, seconds=0.2)
        airflow.run("load", "run", kill_at=kill_at, count=lambda: int(emulator.stats()["calls"]))
        left.table_rows = emulator.table(DEMO_APP_ID, "ch-1", "orders")["rows"]
        left.tokens_in_a_window = emulator.stats()["max_token_requests_in_any_window"]
        for dag_id, task_id in (("campaign", "write"), ("load", "load")):
            (left.tasks[dag_id],) = airflow.rest.task_instances(dag_id, "run")
            left.summaries[dag_id] = airflow.rest.xcom(dag_id, "run", task_id)
        dead_letters = airflow.folder / "failed.jsonl"
        left.dead_letters = [json.loads(line) for line in dead_letters.read_text().splitlines()]
        left.files = {path.name for path in airflow.folder.iterdir()}
        logs = sorted(airflow.home.logs.glob("dag_id=campaign/**/*.log"))
        left.log = "\n".join(path.read_text(errors="replace") for path in logs)
    for name, summary in left.summaries.items():
        airflow.progress.say(f"{name}: {summary}")
    return left


@pytest.mark.parametrize(("dag_id", "tries"), [("campaign", 4), ("load", 2)])
def test_the_task_succeeds_in_the_try_after_the_last_kill(run: Run, dag_id: str, tries: int) -> None:
    assert (run.tasks[dag_id]["state"], run.tasks[dag_id]["try_number"]) == ("success", tries)


def test_every_kind_of_fault_has_struck(run: Run) -> None:
    struck = {outcome.removeprefix("fault:") for outcome in run.outcomes if outcome.startswith("fault:")}
    assert struck == set(FAULTS)


def test_each_message_exists_exactly_once(run: Run) -> None:
    written = Counter(message["plainText"] for message in run.messages)
    assert written == Counter(f"order {n}" for n in range(ITEMS) if not is_gone(n))


def test_the_summary_adds_up(run: Run) -> None:
    summary = run.summaries["campaign"]
    gone = sum(map(is_gone, range(ITEMS)))
    assert (summary["items"], summary["failed"], summary["uncertain"]) == (ITEMS, gone, 0)
    assert summary["succeeded"] == ITEMS - gone
    assert 0 < summary["done_before"] < ITEMS


def test_the_dead_letter_file_holds_exactly_the_permanent_failures(run: Run) -> None:
    assert sorted(letter["item"]["id"] for letter in run.dead_letters) == [
        n for n in range(ITEMS) if is_gone(n)
    ]
    assert {letter["error"] for letter in run.dead_letters} == {"ChannelRequestError"}
    assert len({letter["attempt"] for letter in run.dead_letters}) > 1
    assert run.files == {"orders.db", "orders.parquet", "failed.jsonl"}


def test_progress_is_told(run: Run) -> None:
    assert "writeUserChatMessage: continuing after" in run.log
    assert "failed, " in run.log
    assert "/s" in run.log


def test_the_quota_of_token_requests_is_kept(run: Run) -> None:
    assert run.tokens_in_a_window <= 10


def test_each_row_is_in_the_table_exactly_once(run: Run) -> None:
    assert sorted(row["id"] for row in run.table_rows) == list(range(ROWS))
    summary = run.summaries["load"]
    assert (summary["items"], summary["succeeded"], summary["failed"]) == (ROWS, ROWS, 0)
    assert summary["done_before"] < ROWS
