"""What a run of waiting tasks left to look at."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from system.statsd import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

JSON = Any
TASKS = int(os.environ.get("WAITING_TASKS") or 20)
WAITING = {"deferred": "deferred", "rescheduled": "up_for_reschedule"}


@dataclass
class WaitingRun:
    """
    A run that is over.

    :param samples: seconds since the start of the DAG run, and how many task instances were in which state, by DAG.
    :param instances: the task instances in the end, by DAG.
    :param logs: what the tasks wrote, by DAG.
    :param token_requests: of the tasks, as the service counted them.
    :param metrics: what StatsD was told.
    """

    samples: dict[str, list[tuple[float, Counter[str]]]] = field(default_factory=dict)
    instances: dict[str, list[JSON]] = field(default_factory=dict)
    logs: dict[str, list[str]] = field(default_factory=dict)
    token_requests: list[JSON] = field(default_factory=list)
    messages: list[JSON] = field(default_factory=list)
    metrics: list[str] = field(default_factory=list)

    def counted(self, name: str) -> Counter[str]:
        """Return how often a metric was told, by its tags."""
        return counted(self.metrics, name)

    def saw_all_wait(self) -> bool:
        """Return whether for each DAG there was a moment at which all of its tasks waited."""
        return all(
            any(only(states, WAITING[dag_id]) for _, states in self.samples[dag_id]) for dag_id in WAITING
        )

    def returned_at(self, dag_id: str) -> list[datetime]:
        """Return when each task that waited began to run again."""
        lines = [line for log in self.logs[dag_id] for line in log.splitlines() if ": calling, " in line]
        return [datetime.fromisoformat(json.loads(line)["timestamp"]) for line in lines if line][1::2]

    def report(self) -> Iterator[str]:
        """Yield what a person wants to know."""
        for dag_id, samples in self.samples.items():
            waiting = [seconds for seconds, states in samples if only(states, WAITING.get(dag_id, "failed"))]
            tries = Counter(instance["try_number"] for instance in self.instances[dag_id])
            yield (
                f"{dag_id}: {len(samples)} samples in {samples[-1][0]:.0f} s; {len(waiting)} of them saw all {TASKS} "
                f"tasks {WAITING.get(dag_id, 'failed')}"
                + (f" (from {waiting[0]:.0f} s to {waiting[-1]:.0f} s)" if waiting else "")
                + f"; tries {dict(tries)}; in the end {dict(samples[-1][1])}"
            )
        for entry in self.token_requests:
            yield f"token request: {entry['kind']} {entry['scope']}, refused by quota: {entry['refused_by_quota']}"


def only(states: Mapping[str, int], state: str) -> bool:
    """Return whether all tasks are in one state."""
    return dict(states) == {state: TASKS}
