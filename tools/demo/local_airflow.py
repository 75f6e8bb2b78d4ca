"""
A real Airflow on this machine, beside an emulator.

Invariant: the emulator is stopped last, so that no task sees it disappear.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import requests

from airflow_channel_provider.emulator import EmulatorProcess
from tools.demo import components
from tools.demo.airflow_home import DemoSetupError
from tools.demo.canaries import Canaries
from tools.demo.components import Components
from tools.demo.connections import INBOUND_CONNECTION, connections
from tools.demo.environment import USER
from tools.demo.home_lock import alone_in
from tools.demo.rest import AirflowRest
from tools.demo.started import POLL_SECONDS, Started

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airflow_channel_provider.emulator.jsontypes import JSONObject
    from tools.demo.airflow_home import AirflowHome
    from tools.demo.progress import Progress
    from tools.demo.rest import Question


class LocalAirflow(Started):
    """
    Starts both; subclasses use them.

    :param home: which Airflow it is.
    :param progress: where to say what is going on.
    :param emulator_port: of the emulator; any free one by default.
    """

    wait_seconds = 900.0
    """Maximum time of :meth:`wait_until`."""
    poll_seconds = POLL_SECONDS
    """Seconds between two checks of it."""

    def __init__(self, home: AirflowHome, progress: Progress, *, emulator_port: int = 0) -> None:
        super().__init__(progress)
        self.home = home
        self.canaries = Canaries()
        self.components = Components(home)
        self.rest = AirflowRest(home.api_url)
        self._emulator_port = emulator_port

    def emulator_settings(self) -> JSONObject:
        """Return the settings of the emulator."""
        return self.canaries.emulator_settings()

    def connections(self) -> Iterable[JSONObject]:
        """Return the connections that a user of this Airflow adds."""
        return connections(self.emulator.url, self.canaries)

    def log_in(self) -> None:
        """Log in as the user who may do everything."""
        self.rest.log_in(USER, self.home.password)

    def add_connections(self) -> None:
        """Log in and add the connections, as a user does."""
        self.log_in()
        for connection in self.connections():
            self.rest.add_connection(connection)

    def announce_commands(self) -> None:
        """
        Announce the commands that DAGs declare, as a person does in a shell.

        :raises DemoSetupError: Channel Talk has not taken them.
        """
        command = [sys.executable, "-m", "airflow_channel_provider.cli", "register"]
        command += ["--conn-id", INBOUND_CONNECTION]
        # Where Airflow looks into its database itself, as its own commands do.
        environment = {**self.home.environment(), "_AIRFLOW_PROCESS_CONTEXT": "server"}
        done = subprocess.run(
            command, env=environment, cwd=self.home.path, capture_output=True, text=True, check=False
        )
        if done.returncode:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:]
            raise DemoSetupError(f"the commands could not be announced: {' '.join(last)}")

    def has_noticed(self, question: Question) -> bool:
        """Return whether the scheduler knows that the process of a task that asks has ended; only its log says so."""
        end = f"TaskInstance Finished: dag_id={question.dag_id}, task_id={question.task_id}, "
        end += f"run_id={question.run_id}, map_index={question.map_index},"
        return end in (self.home.output / "scheduler.log").read_text("utf-8", "replace")

    def wait_for(self, *dag_ids: str) -> None:
        """Wait until Airflow knows DAGs."""
        self.wait("the DAGs", lambda: ", ".join(sorted(set(dag_ids) - set(self.rest.dags()))) or None)

    def wait_until(self, what: str, condition: Callable[[], bool]) -> None:
        """
        Wait until a condition holds. A machine that is busy with hundreds of tasks may answer late.

        :raises DemoSetupError: it does not in time, or a component has ended.
        """
        until = time.monotonic() + self.wait_seconds
        while True:
            self.components.check()
            with contextlib.suppress(requests.RequestException):
                if condition():
                    return
            if time.monotonic() > until:
                raise DemoSetupError(f"{what}: not so after {self.wait_seconds:.0f} s")
            time.sleep(self.poll_seconds)

    def _start(self) -> None:
        self._stack.enter_context(alone_in(self.home.path))
        self.progress.step(f"preparing {self.home.path}")
        self.home.prepare()
        self.emulator = self._stack.enter_context(
            EmulatorProcess(settings=self.emulator_settings(), port=self._emulator_port)
        )
        self.progress.step(f"emulator at {self.emulator.url}")
        self._stack.enter_context(self.components)
        self.components.start_all()
        self.progress.step(f"starting {', '.join(components.COMMANDS)}")
        self.wait("waiting for", self._missing_components)
        self.progress.step(f"Airflow is up at {self.home.api_url}")

    def _missing_components(self) -> str | None:
        return self.rest.missing_components() or (None if self._serves_tasks() else components.EXECUTION)

    def _serves_tasks(self) -> bool:
        with contextlib.suppress(requests.RequestException):
            return requests.get(f"{self.home.execution_url}/execution/health/ping", timeout=10).ok
        return False

    def _check(self) -> None:
        self.components.check()
