"""
A real Airflow with bulk tasks, beside an emulator in which all kinds of things go wrong.

Invariant: whatever was started is stopped when the `with` block is left, in the reverse order.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.demo.airflow_home import AirflowHome, DemoSetupError
from tools.demo.local_airflow import LocalAirflow
from tools.demo.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airflow_channel_provider.emulator.jsontypes import JSONObject
    from tools.demo.progress import Progress

JSON = Any
DAGS = Path(__file__).with_name("dags")
POLL_SECONDS = 0.2
TIMEOUT_SECONDS = 600.0
# So many calls take a second each while their task is looked for: it must not end before it is killed.
HELD_CALLS = 24

# Two of a hundred requests, each kind of fault about as often; a refused token costs one of ten token requests, and a
# rate limit a second, so these two are rarer.
FAULTS: dict[str, dict[str, JSON]] = {
    "close_before": {"share": 0.0025},
    "close_after": {"share": 0.0025},
    "http_500": {"share": 0.0025},
    "http_500_after": {"share": 0.0025},
    "truncated": {"share": 0.0025},
    "html": {"share": 0.0025},
    "empty": {"share": 0.0025},
    "huge": {"share": 0.001},
    "slow": {"share": 0.001, "seconds": 0.5},
    "rate_limit": {"share": 0.0005, "shape": "retry_after", "reset_after_seconds": 1},
    "unauthorized": {"share": 0.001, "count": 3},
    "token_quota": {"count": 1, "shape": "http_429_retry_after", "retry_after_seconds": 2},
}


class BulkHome(AirflowHome):
    """A home whose DAGs find their files in a folder of it."""

    mapped = 1

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return self.path / "bulk"

    def environment(self) -> dict[str, str]:
        """Return what every process of this Airflow is started with."""
        return {
            **super().environment(),
            "BULK_FOLDER": str(self.folder),
            "BULK_MAPPED": str(self.mapped),
            "AIRFLOW__CORE__MAX_MAP_LENGTH": "10000",
        }


class BulkAirflow(LocalAirflow):
    """
    Runs the DAGs, and kills their tasks.

    :param path: home directory.
    :param progress: where to say what is going on.
    :param mapped: how many mapped tasks there are.
    :param timeout_seconds: of everything that is waited for, each for itself.
    """

    def __init__(
        self, path: Path, progress: Progress, *, mapped: int = 1, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        home = BulkHome(path, dags_folder=DAGS, api_port=free_port())
        home.mapped = mapped
        super().__init__(home, progress)
        self.folder = home.folder
        self.wait_seconds = timeout_seconds
        self.poll_seconds = POLL_SECONDS

    def connections(self) -> Iterable[JSONObject]:
        """Return the connections of the demo and one to the orders."""
        orders: JSONObject = {
            "connection_id": "orders",
            "conn_type": "sqlite",
            "host": str(self.folder / "orders.db"),
        }
        return [*super().connections(), orders]

    def _start(self) -> None:
        super()._start()
        self.folder.mkdir(exist_ok=True)
        self.add_connections()
        self.wait_for("campaign", "load", "mapped", "bulk")
        self.progress.step("Airflow knows the DAGs")

    def run(self, dag_id: str, run_id: str, *, kill_at: list[int], count: Callable[[], int]) -> float:
        """
        Run a DAG to its end, and kill the process of its task each time the count is reached.

        :param kill_at: counts.
        :param count: tells how far the work is.
        :return: how long it took, in seconds.
        :raises DemoSetupError: the run was over before its task could be killed.
        """
        started = time.monotonic()
        self.rest.trigger(dag_id, run_id)
        for number in kill_at:
            self.wait_until(
                f"{dag_id}, {number}",
                lambda wanted=number: self._goes_on(dag_id, run_id) and count() >= wanted,  # type: ignore[misc]
            )
            self.emulator.inject("slow", count=HELD_CALLS, seconds=1.0)
            self.wait_until("a process to kill", lambda: self._kill(dag_id, run_id))
            self.progress.step(f"{dag_id}: killed after {count()}")
        self.wait_until(f"the end of {dag_id}", lambda: self._is_over(dag_id, run_id))
        seconds = time.monotonic() - started
        self.progress.step(f"{dag_id}: {self.rest.run_state(dag_id, run_id)} after {seconds:.0f} s")
        return seconds

    def _is_over(self, dag_id: str, run_id: str) -> bool:
        return self.rest.run_state(dag_id, run_id) in ("success", "failed")

    def _goes_on(self, dag_id: str, run_id: str) -> bool:
        if self._is_over(dag_id, run_id):
            raise DemoSetupError(f"{dag_id} was over before its task could be killed")
        return True

    def _kill(self, dag_id: str, run_id: str) -> bool:
        (task,) = self.rest.task_instances(dag_id, run_id)
        if task["state"] != "running" or not task["pid"]:
            return not self._goes_on(dag_id, run_id)
        try:
            os.kill(task["pid"], signal.SIGKILL)
        except ProcessLookupError:  # killed before, and not yet missed
            return False
        return True
