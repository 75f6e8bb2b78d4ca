"""
What bulk calls cost: beside a bare thread pool with ``requests.Session`` at the same concurrency, in the same run; how
much memory they take, for ten thousand items and for a million; and what it costs to read files, from the disk and from
an object store on this machine: memory for Parquet of several sizes, time for JSONL beside the CSV of the same rows.
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
# the run_state are what could grow.
MEMORY = """
import pathlib, sys
from airflow_channel_provider.bulk.run_state import RunState
from airflow_channel_provider.bulk.checkpoint import MemoryCheckpoints
from airflow_channel_provider.bulk.engine import Engine
from airflow_channel_provider.bulk.items import Items
from airflow_channel_provider.bulk.rate_limiter import RateLimiter
from airflow_channel_provider.bulk.sources import SqlSource
from support.bulk_plans import plan_of
import sqlite3

count = int(sys.argv[1])
rows = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?) "
rows += "SELECT i AS id, 'chat-' || i AS chat_id, 'hello ' || i AS text FROM n"
source = SqlSource(lambda: sqlite3.connect(":memory:"), rows, [count])
run_state = RunState(MemoryCheckpoints(), None)
pathlib.Path("/proc/self/clear_refs").write_text("5")  # forget the peak of the imports
Engine(plan_of(Items(source, "id")), run_state, RateLimiter()).run()
assert run_state.done == count, run_state.done
status = pathlib.Path("/proc/self/status").read_text()
print(status.split("VmHWM:")[1].split()[0])
"""

FILE_ROWS, LINES, FILE_ROUNDS = (10_000, 200_000, 600_000), 100_000, 3

STORE = """
import sys
from support.object_store import serving

with serving() as store:
    print(store.url, flush=True)
    sys.stdin.read()
"""

# What both of the next begin with: the store, the way to it, and all that a reader imports.
FILES = """
import csv, io, json, os, pathlib, sys, time
import pyarrow.parquet
import s3fs
from airflow.providers.common.compat.sdk import ObjectStoragePath
from support.airflow_features import attach
from support.bulk_plans import plan_of
from airflow_channel_provider.bulk import arrow, parquet_reader
from airflow_channel_provider.bulk.run_state import RunState
from airflow_channel_provider.bulk.checkpoint import MemoryCheckpoints
from airflow_channel_provider.bulk.items import Items
from airflow_channel_provider.bulk.sources import FileSource

store, command, place, count = *sys.argv[1:4], int(sys.argv[4])
lake = s3fs.S3FileSystem(key="a-key", secret="a-secret", endpoint_url=store)
attach("s3", conn_id="lake", fs=lake)
lake.makedirs("bench", exist_ok=True)

def rows():
    for n in range(count):
        text = f"Hello {n}, your order has left our warehouse."
        yield {"id": n, "chat_id": f"chat-{n}", "name": f"name {n}", "text": text, "price": n * 1.25, "city": "Seoul"}

def status(name):
    return int(pathlib.Path("/proc/self/status").read_text().split(f"{name}:")[1].split()[0])
"""

# The peak above the process that has imported all and reached the store.
FILE_MEMORY = """
path = ObjectStoragePath(place)
if command == "write":
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows())), path.path, row_group_size=count)
    lake.put(path.path, f"bench/{path.name}")
else:
    path.fs.info(path.path)
    idle = status("VmRSS")
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    assert sum(1 for _ in FileSource(path)) == count
    print(status("VmHWM") - idle)
"""

# Seconds of the processor, of the first try and of what a retry passes over, for either format in turn.
FILE_SPEED = """
def read(name):
    run_state = RunState(MemoryCheckpoints(), None)
    items = Items(FileSource(ObjectStoragePath(f"{place}/{name}")), "id")
    began = time.process_time()
    for item in run_state.pending_items(plan_of(items)):
        run_state.record(item, ())
    done = time.process_time()
    assert (run_state.done, list(run_state.pending_items(plan_of(items)))) == (count, [])
    return done - began, time.process_time() - done

def write(name, content):
    with lake.open(f"bench/{name}", "wb") as file:
        file.write(content.encode())

lines = io.StringIO()
writer = csv.DictWriter(lines, next(rows()))
writer.writeheader()
writer.writerows(rows())
write("rows.csv", lines.getvalue())
write("rows.jsonl", "".join(json.dumps(row) + chr(10) for row in rows()))
print(json.dumps([[read("rows.jsonl"), read("rows.csv")] for _ in range(int(command))]))
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
        function_params={
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


def of_files(url: str, script: str, command: str, place: str, count: int) -> str:
    """Return what a process of its own says that reads or writes files."""
    arguments = [sys.executable, "-c", FILES + script, url, command, place, str(count)]
    return subprocess.run(arguments, capture_output=True, text=True, check=True, env=os.environ).stdout


def parquet_memory(url: str) -> None:
    """A single row group each, which is the most that could be held."""
    with TemporaryDirectory() as home:
        for count in FILE_ROWS:
            of_files(url, FILE_MEMORY, "write", f"file://{home}/{count}.parquet", count)
        for kind, folder in (("disk", f"file://{home}"), ("s3", "s3://lake@bench")):
            peaks = [
                int(of_files(url, FILE_MEMORY, "read", f"{folder}/{count}.parquet", count))
                for count in FILE_ROWS
            ]
            for count, peak in zip(FILE_ROWS, peaks, strict=True):
                print(
                    f"{kind:<4} Parquet, {count:>7,} rows   {peak / 1024:8.1f} MB above idle  "
                    f"({peak / peaks[0]:.2f}; aim: at most 1.20)"
                )


def lines_beside_csv(url: str) -> None:
    rounds = json.loads(of_files(url, FILE_SPEED, str(FILE_ROUNDS), "s3://lake@bench", LINES))
    for number, what in enumerate(("first try", "retry's skipping")):
        jsonl, csv = (min(found[kind][number] for found in rounds) for kind in (0, 1))
        print(
            f"s3 JSONL, CSV, {what:<16} {jsonl:6.2f} s, {csv:.2f} s  ({jsonl / csv:.2f}; aim: at most 1.50)"
        )


def files() -> None:
    serving = [sys.executable, "-c", STORE]
    with subprocess.Popen(serving, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as store:
        assert store.stdin is not None
        assert store.stdout is not None
        url = store.stdout.readline().strip()
        parquet_memory(url)
        lines_beside_csv(url)
        store.stdin.close()


def main() -> None:
    throughput()
    memory()
    files()


if __name__ == "__main__":
    main()
