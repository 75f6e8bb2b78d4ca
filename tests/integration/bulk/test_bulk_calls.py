"""Bulk calls against the emulator: what is sent, in which order, how fast, and what faults may do to it."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from support.bulk_runs import (
    CHATS,
    FAULTS,
    campaign,
    counts,
    execute,
    rows,
    texts,
)

from airflow_channel_provider.emulator import EmulatorProcess

pytestmark = pytest.mark.filterwarnings("ignore:.*cannot be called outside")


def test_each_item_of_a_list_is_one_message_in_its_order_per_chat(emulator: EmulatorProcess) -> None:
    summary = execute(campaign(items=rows(300), order_by="chat"))
    assert counts(summary) == {"succeeded": 300}
    assert summary["items"] == 300
    assert summary["dead_letter"] is None
    for chat in CHATS:
        written = [int(message["plainText"].split()[1]) for message in emulator.messages(chat)]
        assert written == sorted(written)
    assert sum(texts(emulator).values()) == 300
    assert len(emulator.token_requests()) == 1


def test_eight_calls_share_eight_kept_connections(emulator: EmulatorProcess) -> None:
    execute(campaign(items=rows(400)))
    clients = {entry["client"] for entry in emulator.journal() if entry["method"] == "writeUserChatMessage"}
    assert 1 < len(clients) <= 8


def test_rows_of_a_query_are_streamed_into_messages(emulator: EmulatorProcess, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "orders.db")) as database, database:
        database.execute("CREATE TABLE orders (n, chat, state)")
        database.executemany(
            "INSERT INTO orders VALUES (?, ?, ?)",
            [(row["n"], row["chat"], "sent" if row["n"] % 2 else "open") for row in rows(3_000)],
        )
    query = "SELECT n, chat FROM orders WHERE state = :state ORDER BY n"
    operator = campaign(sql=query, sql_parameters={"state": "sent"}, sql_conn_id="orders")
    assert counts(execute(operator)) == {"succeeded": 1_500}
    assert texts(emulator) == Counter(f"order {n} of 2026-01-31" for n in range(1, 3_000, 2))


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz", "rows.csv", "rows.parquet"])
def test_rows_of_a_file(emulator: EmulatorProcess, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith(".parquet"):
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows(50)), path)
    elif name.endswith(".csv"):
        path.write_text("n,chat\n" + "".join(f"{row['n']},{row['chat']}\n" for row in rows(50)))
    else:
        lines = "".join(f"{json.dumps(row)}\n" for row in rows(50)).encode()
        if name.endswith(".gz"):
            import gzip

            lines = gzip.compress(lines)
        path.write_bytes(lines)
    assert counts(execute(campaign(path=path.as_uri()))) == {"succeeded": 50}
    assert texts(emulator) == Counter(f"order {n} of 2026-01-31" for n in range(50))


def test_params_may_be_made_by_a_callable(emulator: EmulatorProcess) -> None:
    def params(item: dict[str, Any]) -> dict[str, Any] | None:
        if item["n"] % 3 == 0:
            return None
        return {"userChatId": item["chat"], "dto": {"plainText": f"no {item['n']}", "botName": "Shop"}}

    assert counts(execute(campaign(items=rows(30), function_params=params))) == {
        "succeeded": 20,
        "skipped": 10,
    }
    assert len(emulator.messages()) == 20


@pytest.mark.promise(name="templates")
def test_what_an_item_holds_is_no_template(emulator: EmulatorProcess) -> None:
    items = [{"n": "{{ ds }}", "chat": CHATS[0]}, {"n": None, "chat": CHATS[1]}]
    execute(campaign(items=items, item_key="chat"))
    assert texts(emulator) == {"order {{ ds }} of 2026-01-31": 1, "order  of 2026-01-31": 1}


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_a_fault_now_and_then_doubles_and_loses_nothing(emulator: EmulatorProcess, fault: str) -> None:
    emulator.inject(fault, count=1_000, method="writeUserChatMessage", share=0.05, **FAULTS[fault])
    summary = execute(campaign(items=rows(400)))
    assert counts(summary) == {"succeeded": 400}
    assert texts(emulator) == Counter(f"order {n} of 2026-01-31" for n in range(400))
    struck = [entry for entry in emulator.journal() if entry["outcome"] == f"fault:{fault}"]
    assert len(struck) > 5


def test_a_refused_token_is_renewed_once_for_all(emulator: EmulatorProcess) -> None:
    execute(campaign(items=rows(1), item_key=None))
    emulator.advance(60)
    emulator.revoke_tokens("channel:ch-1")
    assert counts(execute(campaign(items=rows(300)))) == {"succeeded": 300}
    assert len(emulator.token_requests()) == 2


def test_a_rate_limit_slows_everybody_once(emulator: EmulatorProcess) -> None:
    emulator.configure(rate_limit=100, rate_limit_window_seconds=2, rate_limit_shape="retry_after")
    summary = execute(campaign(items=rows(250)))
    assert counts(summary) == {"succeeded": 250}
    refused = [entry for entry in emulator.journal() if entry["error"] == "rate limit exceeded"]
    # Two pauses; in each, at most the calls that were under way are refused.
    assert 1 <= len(refused) <= 3 * 8
    assert summary["paused_seconds"] >= 1


def test_a_cap_is_kept(emulator: EmulatorProcess) -> None:
    execute(campaign(items=rows(60), calls_per_second=40))
    at = [entry["at"] for entry in emulator.journal() if entry["method"] == "writeUserChatMessage"]
    assert max(at) - min(at) >= 59 / 40 * 0.95
