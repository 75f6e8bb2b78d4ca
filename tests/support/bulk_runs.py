"""Bulk tasks as a worker runs them, and what came of them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from select import select
from types import SimpleNamespace
from typing import Any

from airflow_channel_provider.emulator import EmulatorProcess
from airflow_channel_provider.operators import bulk
from airflow_channel_provider.operators.bulk import BulkNativeFunctionOperator
from support.fleet import Child, fork

CHATS = [f"chat-ch-1-{number}" for number in range(1, 10)]
GONE = "chat-that-is-gone"
FAULTS: dict[str, dict[str, Any]] = {
    "close_before": {},
    "close_after": {},
    "http_500": {},
    "http_500_after": {},
    "truncated": {},
    "html": {},
    "empty": {},
    "slow": {"seconds": 0.05},
    "huge": {},
}


class State:
    """Airflow's task state store."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def get(self, key: str) -> Any:
        return json.loads(self.kept[key]) if key in self.kept else None

    def set(self, key: str, value: Any) -> None:
        self.kept[key] = json.dumps(value)


def context(state: State | None, try_number: int = 1, run_id: str = "r") -> Any:
    ti = SimpleNamespace(dag_id="d", task_id="bulk", run_id=run_id, map_index=-1, try_number=try_number)
    return {"ti": ti, "run_id": run_id, "ds": "2026-01-31", "task_state_store": state}


def campaign(**kwargs: Any) -> BulkNativeFunctionOperator:
    plain: dict[str, Any] = {
        "task_id": "bulk",
        "method": "writeUserChatMessage",
        "function_params": {
            "userChatId": "{{ item.chat }}",
            "dto": {"plainText": "order {{ item.n }} of {{ ds }}", "botName": "Shop"},
        },
        "item_key": "n",
    }
    return BulkNativeFunctionOperator(**{**plain, **kwargs})


def rows(count: int, bad: frozenset[int] | set[int] = frozenset()) -> list[dict[str, Any]]:
    return [{"n": n, "chat": GONE if n in bad else CHATS[n % len(CHATS)]} for n in range(count)]


def execute(operator: Any, state: State | None = None, **kwargs: Any) -> dict[str, Any]:
    summary: dict[str, Any] = operator.execute(context(state or State(), **kwargs))
    return summary


def counts(summary: dict[str, Any]) -> dict[str, int]:
    return {name: summary[name] for name in ("succeeded", "failed", "uncertain", "skipped") if summary[name]}


def dead(path: Path) -> list[dict[str, Any]]:
    # Of a text Python would take more than the end of a line for one.
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def texts(emulator: EmulatorProcess) -> Counter[str]:
    return Counter(message["plainText"] for message in emulator.messages())


def worker(arguments: dict[str, Any], try_number: int) -> Child:
    """Fork a worker that runs one try and returns its summary."""

    def work() -> Any:
        operator = getattr(bulk, arguments["operator"])
        given = {name: value for name, value in arguments.items() if name != "operator"}
        return operator(task_id="bulk", **given).execute(context(None, try_number))

    return fork(work)


def killed_on_the_way(
    emulator: EmulatorProcess, arguments: dict[str, Any], calls: list[int], method: str
) -> dict[str, Any]:
    """Kill a worker each time the service has seen so many calls, then let one finish."""
    for try_number, count in enumerate(calls, start=1):
        process = worker(arguments, try_number)
        try:
            while emulator.stats()["calls"] < count:
                ended, _, _ = select([process.reader], [], [], 0.01)
                assert not ended, process.join()
        finally:
            process.kill()
        process.join()
    summary = worker(arguments, len(calls) + 1).join()
    assert isinstance(summary, dict), summary
    return summary
