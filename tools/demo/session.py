"""
One run of the demo, from the empty home to the result.

Invariant: the result was collected while everything was still running.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING

from airflow_channel_provider.emulator import DEMO_APP_ID
from tools.demo import components
from tools.demo.airflow_home import AirflowHome, DemoSetupError
from tools.demo.connections import inbound_settings, warehouse
from tools.demo.environment import USER
from tools.demo.local_airflow import LocalAirflow
from tools.demo.outcome import effects_at, tasks_of, token_uses
from tools.demo.ports import free_port
from tools.demo.rest import RestError
from tools.demo.result import DemoResult, tally
from tools.demo.scenarios import SCENARIOS
from tools.demo.scenarios.extraction import GENERATED
from tools.demo.started import POLL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from airflow_channel_provider.emulator.jsontypes import JSONObject
    from tools.demo.progress import Progress
    from tools.demo.result import Task
    from tools.demo.scenarios import Scenario

# An agent answers chats, so that an example which waits for that comes to its end.
DESK = {"user_chats_close_after_seconds": 10}
# While a person watches, the DAGs run again this long after their last start.
ROUND_SECONDS = 120.0


@dataclass(frozen=True)
class Options:
    """
    The options of a run.

    :param home: directory that belongs to the demo.
    :param dags_folder: every DAG in it is run.
    :param start_timeout_seconds: until Airflow is up and knows the DAGs.
    :param run_timeout_seconds: until all tasks have ended.
    :param api_port: port that is preferred for the api-server; any free one by default.
    :param emulator_port: the same for the emulator.
    :param users: who may log in, each called by its role.
    """

    home: Path
    dags_folder: Path
    start_timeout_seconds: float = 300.0
    run_timeout_seconds: float = 240.0
    api_port: int = 0
    emulator_port: int = 0
    users: tuple[str, ...] = (USER,)


class Demo(LocalAirflow):
    """
    An Airflow that runs every DAG of a folder.

    :param options: see there.
    :param progress: where to say what is going on.
    """

    def __init__(self, options: Options, progress: Progress) -> None:
        home = AirflowHome(
            options.home,
            dags_folder=options.dags_folder,
            api_port=free_port(options.api_port),
            users=options.users,
        )
        super().__init__(home, progress, emulator_port=free_port(options.emulator_port))
        self.options = options
        self.start_timeout_seconds = options.start_timeout_seconds
        self.run_id = f"demo-{datetime.now(timezone.utc):%Y%m%dT%H%M%S}"
        self._run_states: dict[str, str] = {}
        self._run_ids: dict[str, str | None] = {}
        self._scenarios: list[Scenario] = []

    def emulator_settings(self) -> JSONObject:
        """Return what the emulator is started with."""
        settings = super().emulator_settings()
        inbound = inbound_settings(self.home.api_url, self.canaries)
        apps = [{**app, **inbound["app"]} for app in settings["apps"]]
        return {**settings, **DESK, **GENERATED, "apps": apps, "webhooks": inbound["webhooks"]}

    def connections(self) -> Iterable[JSONObject]:
        """Return the connections that the example DAGs name."""
        return [*super().connections(), warehouse(self.home.warehouse)]

    def wait_for_dags(self) -> None:
        """Wait until Airflow, which somebody has logged in to, knows every DAG."""
        self.wait("waiting for the DAGs to be parsed", self._unparsed)

    def run(self) -> DemoResult:
        """Do what a user does: add the connections, switch the DAGs on, run them, look at the result."""
        self.add_connections()
        self.wait_for_dags()
        import_errors = self.rest.import_errors()
        self._start_all(self.run_id)
        self.progress.step(f"started {', '.join(self._run_states) or 'no DAG'}")
        self._follow()
        return DemoResult(
            run_states=self._run_states,
            tasks=self._tasks(),
            token_uses=token_uses(self.emulator),
            effects=effects_at(self.emulator, DEMO_APP_ID),
            stories=[scenario.story() for scenario in self._scenarios],
            import_errors=import_errors,
            listeners=frozenset(components.listening_addresses(components.own_processes())),
        )

    def hold(self) -> None:
        """Keep running until interrupted, or until a component ends, and run the DAGs again at intervals."""
        for number in itertools.count(1):
            until = time.monotonic() + ROUND_SECONDS
            while time.monotonic() < until:
                self.components.check()
                self._try("people could not do everything", self._act)
                time.sleep(1)
            self._try("the DAGs were not all started again", partial(self._run_again, number))

    def _run_again(self, number: int) -> None:
        self.log_in()  # the last one may have run out
        self._start_all(f"{self.run_id}-{number}")

    def _try(self, failure: str, do: Callable[[], None]) -> None:
        """The person who watches may have deleted or changed anything; that must not end the demo."""
        try:
            do()
        except (RestError, DemoSetupError, ValueError, OSError) as error:
            self.progress.step(f"{failure}: {error}")

    def _start_all(self, run_id: str) -> None:
        """Start a run of each DAG: as its scenario says, or by hand where it has none."""
        dag_ids = sorted(self.rest.dags())
        self._scenarios = [scenario(self) for scenario in SCENARIOS if scenario.dag_id in dag_ids]
        scenarios = {scenario.dag_id: scenario for scenario in self._scenarios}
        for dag_id in dag_ids:
            if dag_id in scenarios:
                self._run_ids[dag_id] = scenarios[dag_id].start(run_id)
            else:
                self.rest.trigger(dag_id, run_id)
                self._run_ids[dag_id] = run_id
            self._run_states[dag_id] = "queued"

    def _act(self) -> None:
        for scenario in self._scenarios:
            scenario.act()

    def _tasks(self) -> list[Task]:
        run_ids = {dag_id: run_id for dag_id, run_id in self._run_ids.items() if run_id is not None}
        return tasks_of(self.rest.task_instances(), run_ids)

    def _unparsed(self) -> str | None:
        known = {*self.rest.dags().values(), *(file for file, _ in self.rest.import_errors())}
        wanted = [path for path in self.options.dags_folder.glob("*.py") if not path.name.startswith("_")]
        missing = [path.name for path in wanted if not any(file.endswith(path.name) for file in known)]
        return ", ".join(missing) or None

    def _follow(self) -> None:
        until = time.monotonic() + self.options.run_timeout_seconds
        while (running := self._look()) or (unfinished := self._unfinished_stories()):
            self.components.check()
            self._act()
            waits_for = (
                f"{len(running)} of {len(self._run_states)} DAGs running" if running else unfinished[0]
            )
            self.progress.update(f"{waits_for}: {tally(self._tasks())}")
            if time.monotonic() > until:
                return
            time.sleep(POLL_SECONDS)

    def _unfinished_stories(self) -> list[str]:
        """Return what is missing although every run has succeeded: Airflow calls a DAG's callbacks after its end."""
        if set(self._run_states.values()) != {"success"}:
            return []
        return [story.problem for scenario in self._scenarios if (story := scenario.story()).problem]

    def _look(self) -> list[str]:
        """Read the states of the runs, report each that has ended, and return those that still run."""
        for (dag_id, run_id), state in self.rest.run_states().items():
            if self._run_ids.get(dag_id, "") is None:
                self._run_ids[dag_id] = run_id
            if self._run_ids.get(dag_id) == run_id and self._run_states[dag_id] != state:
                self._run_states[dag_id] = state
                if state in ("success", "failed"):
                    self.progress.step(f"{dag_id}: {state}")
        return [dag_id for dag_id, state in self._run_states.items() if state not in ("success", "failed")]
