"""
What bulk calls cost: beside a bare thread pool with ``requests.Session`` at the same concurrency, in the same run; and
how much memory they take, for ten thousand items and for a million.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, cast

os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "ERROR"

import requests

from airflow_channel_provider.emulator import DEMO_APP_ID, DEMO_SECRET, EmulatorProcess

CONCURRENCY, ROUNDS, CALLS = 8, 7, 2_000
FEW, MANY = 10_000, 1_000_000
TEXT = "Your order {} has left our warehouse."

# A process of its own for each, since the peak of a process never falls. No call leaves it: the engine, the source and
# the books are what could grow.
MEMORY = """
import pathlib, sys
from airflow_channel_provider.bulk.books import Books
from airflow_channel_provider.bulk.checkpoint import MemoryCheckpoints
from airflow_channel_provider.bulk.engine import Engine, Limits
from airflow_channel_provider.bulk.items import Items
from airflow_channel_provider.bulk.pace import Pace
from airflow_channel_provider.bulk.sources import SqlSource
import sqlite3

count = int(sys.argv[1])
rows = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?) "
rows += "SELECT i AS id, 'chat-' || i AS chat_id, 'hello ' || i AS text FROM n"
source = SqlSource(lambda: sqlite3.connect(":memory:"), rows, [count])
books = Books(MemoryCheckpoints(), None, repeatable=True)
pathlib.Path("/proc/self/clear_refs").write_text("5")  # forget the peak of the imports
Engine(lambda item: (), books, Pace(), limits=Limits()).run(Items(source, "id"))
assert books.done == count, books.done
status = pathlib.Path("/proc/self/status").read_text()
print(status.split("VmHWM:")[1].split()[0])
"""


class State(dict[str, Any]):
    """Airflow's task state store, without Airflow."""

    def set(self, key: str, value: Any) -> None:
        self[key] = json.loads(json.dumps(value))


def bare(url: str, token: str) -> float:
    """Return calls per second of what one would write by hand."""
    session = requests.Session()
    adapter = requests.adapters.HTTPAdapter(pool_maxsize=CONCURRENCY)
    session.mount("http://", adapter)

    def call(number: int) -> None:
        dto = {
            "plainText": TEXT.format(number),
            "botName": "Bench",
            "requestId": f"{time.time_ns()}-{number}",
        }
        params = {"channelId": "ch-1", "userChatId": f"chat-ch-1-{number % 9 + 1}", "dto": dto}
        body = {"method": "writeUserChatMessage", "params": params}
        answer = session.put(
            f"{url}/general/v1/native/functions", json=body, headers={"x-access-token": token}, timeout=30
        )
        answer.raise_for_status()
        assert "error" not in answer.json() or not answer.json()["error"].get("message")

    began = time.perf_counter()
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        for _ in pool.map(call, range(CALLS)):
            pass
    return CALLS / (time.perf_counter() - began)


def through_the_operator(run: int) -> float:
    """Return calls per second of the operator, everything around the calls included."""
    from airflow_channel_provider.operators.bulk import BulkNativeFunctionOperator

    operator = BulkNativeFunctionOperator(
        task_id="bulk",
        method="writeUserChatMessage",
        items=[{"n": n, "chat": f"chat-ch-1-{n % 9 + 1}"} for n in range(CALLS)],
        params={
            "userChatId": "{{ item.chat }}",
            "dto": {"plainText": TEXT.format("{{ item.n }}"), "botName": "Bench"},
        },
        item_key="n",
        concurrency=CONCURRENCY,
    )
    ti = SimpleNamespace(dag_id="d", task_id="bulk", run_id=f"run-{run}", map_index=-1, try_number=1)
    began = time.perf_counter()
    summary = operator.execute(cast("Any", {"ti": ti, "task_state_store": State()}))
    assert summary["succeeded"] == CALLS, summary
    return CALLS / (time.perf_counter() - began)


def peak_kilobytes(count: int) -> int:
    """Return the peak memory of a process that carries so many items through."""
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(count)], capture_output=True, text=True, check=True, env=os.environ
    )
    return int(done.stdout)


def throughput() -> None:
    with EmulatorProcess() as emulator, TemporaryDirectory() as home:
        connection: dict[str, object] = {
            "conn_type": "channel_talk",
            "host": emulator.url,
            "login": DEMO_APP_ID,
        }
        connection |= {"password": DEMO_SECRET, "extra": {"channel_id": "ch-1"}}
        os.environ["AIRFLOW_CONN_CHANNEL_TALK_DEFAULT"] = json.dumps(connection)
        os.environ["AIRFLOW__CHANNEL_TALK__STORE"] = f"file://{home}/tokens"
        from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook

        token = ChannelTalkHook().get_access_token()
        rates: dict[str, list[float]] = {"bare": [], "bulk": []}
        for number in range(ROUNDS):
            rates["bare"].append(bare(emulator.url, token))
            rates["bulk"].append(through_the_operator(number))
        assert emulator.stats()["messages"] == 2 * ROUNDS * CALLS
        ratios = [bulk / pool for bulk, pool in zip(rates["bulk"], rates["bare"], strict=True)]
        spread = f"({min(ratios):.2f} to {max(ratios):.2f}; aim: at least 0.90)"
        print(f"thread pool, requests.Session  {statistics.median(rates['bare']):8.0f} calls/s")
        print(f"BulkNativeFunctionOperator     {statistics.median(rates['bulk']):8.0f} calls/s")
        print(f"ratio                          {statistics.median(ratios):8.2f}  {spread}")


def memory() -> None:
    few, many = peak_kilobytes(FEW), peak_kilobytes(MANY)
    print(f"peak memory, {FEW:>9,} items   {few / 1024:8.1f} MB")
    print(
        f"peak memory, {MANY:>9,} items   {many / 1024:8.1f} MB  ({many / few - 1:+.1%}; aim: at most +10 %)"
    )


def main() -> None:
    throughput()
    memory()


if __name__ == "__main__":
    main()
