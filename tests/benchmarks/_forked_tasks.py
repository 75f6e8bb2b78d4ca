"""
Calls in processes that are forked from one that looks like a parent of tasks; prints what they cost as JSON.

    python _forked_tasks.py EMULATOR_URL cold|warm
"""

from __future__ import annotations

import gc
import json
import os
import resource
import statistics
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

# What the scheduler, its workers and the supervisors of their tasks have imported.
import airflow.executors.local_executor
import airflow.jobs.scheduler_job_runner
import airflow.sdk.definitions.connection
import airflow.sdk.execution_time.cache
import airflow.sdk.execution_time.supervisor
import airflow.sdk.execution_time.task_runner  # noqa: F401
from airflow.providers_manager import ProvidersManager

ROUNDS, AT_ONCE = 9, 200
URL = sys.argv[1]


def nothing() -> None:
    pass


def bare() -> None:
    import requests

    body = {"method": "getChannel", "params": {"channelId": "ch-1"}}
    headers = {"x-access-token": "a"}
    requests.put(f"{URL}/general/v1/native/functions", json=body, headers=headers, timeout=60).json()


def ours() -> None:
    from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook

    ChannelTalkHook().call("getChannel", channel_id="ch-1")


class Instance:
    """As much of a task instance as an operator asks for."""

    dag_id, task_id, run_id, map_index = "d", "t", "r", -1


def operator() -> None:
    from airflow_channel_provider.operators.channel_talk import NativeFunctionOperator

    context: Any = {"ti": Instance()}
    NativeFunctionOperator(task_id="t", method="getChannel", channel_id="ch-1").execute(context)


CALLS = (nothing, bare, ours, operator)


def start(call: Callable[[], None], writer: int) -> int:
    if child := os.fork():
        return child
    try:
        call()
        usage = resource.getrusage(resource.RUSAGE_SELF)
        os.write(writer, f"{(usage.ru_utime + usage.ru_stime) * 1e3:.3f}\n".encode())
        os._exit(0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def milliseconds_of(call: Callable[[], None], count: int = 1) -> list[float]:
    """Run a call in some processes at once; return what each has cost, in milliseconds of CPU."""
    reader, writer = os.pipe()
    children = [start(call, writer) for _ in range(count)]
    os.close(writer)
    with os.fdopen(reader) as stream:
        costs = [float(line) for line in stream]
    for child in children:
        os.waitpid(child, 0)
    assert len(costs) == count, f"{count - len(costs)} of {count} failed"
    return costs


def main(mode: str) -> None:
    ProvidersManager().initialize_providers_configuration()  # type: ignore[no-untyped-call]
    if mode == "warm":
        import airflow_channel_provider.preload  # noqa: F401
    gc.freeze()  # as the executors do
    milliseconds_of(ours)
    costs: dict[str, list[float]] = {call.__name__: [] for call in CALLS}
    for _ in range(ROUNDS):
        for call in CALLS:
            costs[call.__name__] += milliseconds_of(call)
    began = time.monotonic()
    milliseconds_of(ours, AT_ONCE)
    together = time.monotonic() - began
    print(json.dumps({name: statistics.median(found) for name, found in costs.items()} | {"wall": together}))


if __name__ == "__main__":
    main(sys.argv[2])
