"""One run of some DAGs on the fleet, for one app of Channel Talk."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fleet.outcome import FleetTask, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleet.deployment import Deployment

JSON = Any
JSONObject = dict[str, Any]
RUN_SECONDS = 900.0
# Longer than a lost task takes to be noticed and tried again.
STALL_SECONDS = 300.0
ENDED = ("success", "failed")


@dataclass
class Run:
    """
    Started with the object; over when :meth:`finish` returns.

    :param app: the app and its connection.
    :param loads: DAG ids, each with values for its params.
    """

    deployment: Deployment
    app: str
    loads: Mapping[str, Mapping[str, JSON]]
    _started_at: float = field(default_factory=time.monotonic)
    _entries: list[JSONObject] = field(default_factory=list)

    def __post_init__(self) -> None:
        for dag_id, params in self.loads.items():
            self.deployment.rest.trigger(dag_id, self.app, {**params, "conn_id": self.app})
        self.deployment.progress.step(f"{self.app}: started {', '.join(self.loads)}")

    def journal(self) -> list[JSONObject]:
        """Return what the service has seen of this run's app."""
        known = self._entries[-1]["n"] if self._entries else 0
        self._entries += self.deployment.emulator.journal(since=known)
        return [entry for entry in self._entries if entry["app_id"] == self.app]

    def token_requests(self) -> list[JSONObject]:
        """Return the token requests among that."""
        requests = self.deployment.emulator.token_requests()
        return [entry for entry in requests if entry["app_id"] == self.app]

    def await_calls(self, count: int) -> None:
        """Wait until the service has seen so many requests of this run."""

        def missing() -> str | None:
            seen = len(self.journal())
            return None if seen >= count else f"{count - seen} calls"

        self.deployment.wait(f"{self.app}: waiting for", missing, seconds=RUN_SECONDS)

    def await_token_request(self, known: int) -> JSONObject:
        """
        Wait for one more token request than are known.

        :param known: how many.
        """
        self.deployment.wait(
            f"{self.app}: waiting for",
            lambda: None if len(self.token_requests()) > known else "a token request",
            pause_seconds=0.1,
        )
        return self.token_requests()[known]

    def finish(self, title: str, allowed: Mapping[str, int] | None = None) -> Outcome:
        """
        Follow the run to its end, or until nothing has happened for a long time.

        :param title: of the report.
        :param allowed: token requests by scope that it should cost, where that is not 1.
        """
        states = dict.fromkeys(self.loads, "queued")
        seen, seen_at = 0, time.monotonic()

        def running() -> str | None:
            nonlocal seen, seen_at
            for dag_id, state in states.items():
                if state not in ENDED:
                    states[dag_id] = self.deployment.rest.run_state(dag_id, self.app)
            going_on = [dag_id for dag_id, state in states.items() if state not in ENDED]
            if (requests := len(self.journal())) != seen:
                seen, seen_at = requests, time.monotonic()
            if not going_on or time.monotonic() - seen_at > STALL_SECONDS:
                return None
            return f"{', '.join(going_on)}, {seen} requests so far"

        self.deployment.wait(self.app, running, seconds=RUN_SECONDS, pause_seconds=1.0)
        seconds = time.monotonic() - self._started_at
        rest, emulator = self.deployment.rest, self.deployment.emulator
        return Outcome(
            title=title,
            seconds=seconds,
            run_states=states,
            tasks=[FleetTask.of(i) for dag_id in self.loads for i in rest.task_instances(dag_id, self.app)],
            journal=self.journal(),
            messages=[message for message in emulator.messages() if message["personId"] == self.app],
            allowed=allowed or {},
        )
