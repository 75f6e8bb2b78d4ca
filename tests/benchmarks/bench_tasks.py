"""
What a task of this provider costs, beside one that calls the service with ``requests`` alone.

Under the real LocalExecutor and CeleryExecutor, each with and without preloading, under an executor that starts a new
Python for each task as a pod does, and in forked processes without Airflow's own work. CPU time, by getrusage, since
the wall time of a machine says more about its load.

    python bench_tasks.py [forked] [LocalExecutor] [CeleryExecutor] [PodExecutor]
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from support.servers import RedisServer

from airflow_channel_provider.emulator import DEMO_SECRET, EmulatorProcess
from tools.demo.airflow_home import AirflowHome
from tools.demo.local_airflow import LocalAirflow
from tools.demo.ports import free_port
from tools.demo.progress import Progress
from tools.demo.supervised import Command

FOLDER = Path(__file__).parent
ROUNDS = 2
TASKS = 13
DAG_ID = "start_cost"
AIMS = {"warm": 0.30, "cold": 1.30}
OFF = {"AIRFLOW__CHANNEL_TALK__PRELOAD": "False"}
IMPORTS = '{"imports": ["airflow_channel_provider.preload"]}'
# By executor, what the environment says in each mode. A pod has no parent that could preload.
MODES = {
    "LocalExecutor": {"cold": OFF, "warm": {"AIRFLOW__CHANNEL_TALK__PRELOAD": "True"}},
    "CeleryExecutor": {"cold": OFF, "warm": OFF | {"AIRFLOW__CELERY__EXTRA_CELERY_CONFIG": IMPORTS}},
    "PodExecutor": {"cold": OFF},
}
Costs = dict[str, dict[str, list[dict[str, Any]]]]


class Home(AirflowHome):
    """An Airflow whose executor can be chosen, and what its tasks need."""

    executor = "LocalExecutor"
    emulator_url = ""
    broker_url = ""
    mode = "cold"

    @property
    def results(self) -> Path:
        return self.output / "results.jsonl"

    def environment(self) -> dict[str, str]:
        shared = super().environment()
        return {
            **shared,
            **MODES[self.executor][self.mode],
            "PYTHONPATH": os.pathsep.join((str(FOLDER), shared.get("PYTHONPATH", ""))),
            "AIRFLOW__CORE__EXECUTOR": "pod_executor.PodExecutor"
            if self.executor == "PodExecutor"
            else self.executor,
            "AIRFLOW__CORE__PARALLELISM": "2",
            "AIRFLOW__CELERY__WORKER_CONCURRENCY": "2",
            "AIRFLOW__CELERY__BROKER_URL": self.broker_url,
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+sqlite:///{self.path}/results.db",
            "BENCH_EMULATOR": self.emulator_url,
            "BENCH_RESULTS": str(self.results),
        }


class Airflow(LocalAirflow):
    """Runs the tasks under one executor after the other."""

    home: Home
    runs = 0

    def connections(self) -> Iterable[Any]:
        return (one for one in super().connections() if one["connection_id"] == "channel_talk_default")

    def prepare(self) -> None:
        self.home.emulator_url = self.emulator.url
        self.home.broker_url = self._stack.enter_context(RedisServer(password="a-password")).url(0)
        self.add_connections()
        self.wait_for(DAG_ID)

    def measure(self, executor: str) -> Costs:
        """Return what the tasks cost: by ``cold`` or ``warm``, and by kind."""
        found: Costs = {mode: {"bare": [], "ours": []} for mode in MODES[executor]}
        for mode in [*MODES[executor]] * ROUNDS:
            for one in self._run(executor, mode):
                found[mode][one["kind"]].append(one)
        return found

    def _run(self, executor: str, mode: str) -> list[dict[str, Any]]:
        self.home.executor, self.home.mode = executor, mode
        self.home.results.write_text("")
        self.components.stop("scheduler")
        self.components.start_all("scheduler")
        if executor == "CeleryExecutor":
            self._start_worker()
        self.runs += 1
        run_id = f"run-{self.runs}"
        self.progress.step(f"{executor}, {mode}")
        self.rest.trigger(DAG_ID, run_id)
        ended = ("success", "failed")
        self.wait_until("the tasks", lambda: self.rest.run_states().get((DAG_ID, run_id)) in ended)
        if executor == "CeleryExecutor":
            self.components.stop("worker")
        lines = [json.loads(line) for line in self.home.results.read_text().splitlines()]
        if len(lines) != TASKS:
            logs = [path.read_text() for path in self.home.logs.glob("dag_id=*/**/*.log")]
            errors = [line for log in logs for line in log.splitlines() if '"level":"error"' in line]
            raise RuntimeError(f"only {len(lines)} of {TASKS} tasks succeeded: {errors[:1]}")
        return lines[1:]  # the first may have fetched the token

    def _start_worker(self) -> None:
        arguments = ("celery", "worker", "--skip-serve-logs", "--without-gossip", "--without-mingle")
        command = Command(
            arguments=(sys.executable, "-m", "airflow", *arguments),
            environment=self.home.environment(),
            directory=self.home.path,
            output=self.home.output / "worker.log",
        )
        self.components.start("worker", command)


def median(found: Iterable[Mapping[str, Any]], name: str) -> float:
    return statistics.median(float(one[name]) for one in found)


def show(executor: str, costs: Costs) -> None:
    """Ratios are to the bare task whose parent has preloaded nothing: what a task costs without this provider."""
    bare = median(costs["cold"]["bare"], "cpu")
    whole = median(costs["cold"]["bare"], "process_cpu")
    print(f"{executor:15} bare requests      {bare:7.1f} ms  whole process {whole:7.1f} ms")
    for mode, of_mode in costs.items():
        ours, aim = of_mode["ours"], AIMS[mode]
        cpu, process = median(ours, "cpu"), median(ours, "process_cpu")
        print(
            f"{'':15} hook, {mode:12} {cpu:7.1f} ms  whole process {process:7.1f} ms"
            f"  ratio {cpu / bare:.2f} (aim: {aim:.2f}), of the process {process / whole:.2f}"
            f"  rss: task {median(ours, 'rss'):.0f}, its parent {median(ours, 'worker_rss'):.0f},"
            f" that one's {median(ours, 'first_rss'):.0f} MB"
        )


def show_forked() -> None:
    found = {}
    with EmulatorProcess() as emulator, TemporaryDirectory() as home:
        connection = {"conn_type": "channel_talk", "host": emulator.url, "login": "demo-app"}
        environment = {
            **os.environ,
            "AIRFLOW_CONN_CHANNEL_TALK_DEFAULT": json.dumps({**connection, "password": DEMO_SECRET}),
            "AIRFLOW__CHANNEL_TALK__STORE": f"file://{home}",
            # 200 that connect at once are accepted in turn.
            "AIRFLOW__CHANNEL_TALK__CONNECT_TIMEOUT_SECONDS": "60",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        }
        for mode in AIMS:
            command = [sys.executable, "-W", "ignore", str(FOLDER / "_forked_tasks.py"), emulator.url, mode]
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
            found[mode] = json.loads(done.stdout.splitlines()[-1])
    bare = found["cold"]["bare"]
    print(f"forked          nothing            {found['cold']['nothing']:7.1f} ms")
    print(f"{'':15} bare requests      {bare:7.1f} ms")
    for mode, aim in AIMS.items():
        for name, kind in (("hook", "ours"), ("operator", "operator")):
            cost, what = found[mode][kind], f"{name}, {mode}"
            print(f"{'':15} {what:18} {cost:7.1f} ms  ratio {cost / bare:.2f} (aim: {aim:.2f})")
    cold, warm = found["cold"]["wall"], found["warm"]["wall"]
    print(f"200 at once     cold {cold:.1f} s, warm {warm:.1f} s  ratio {warm / cold:.2f} (aim: 0.50)")


def main() -> None:
    chosen = sys.argv[1:] or ["forked", *MODES]
    if "forked" in chosen:
        show_forked()
    executors = [executor for executor in MODES if executor in chosen]
    with TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home", dags_folder=FOLDER / "dags", api_port=free_port())
        with Airflow(home, Progress()) as airflow:
            airflow.prepare()
            for executor in executors:
                show(executor, airflow.measure(executor))


if __name__ == "__main__":
    main()
