"""
What a run on the fleet came to, and the verdict over it.

Invariant: pure. `Outcome.problems()` is the only place that decides whether a run was good.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

JSON = Any
JSONObject = dict[str, Any]
TOKEN_METHODS = frozenset({"issueToken", "refreshToken"})


@dataclass(frozen=True)
class FleetTask:
    """
    One task instance in the state that it was left in.

    :param host: where its last try ran.
    :param tries: how often it was started.
    """

    dag_id: str
    task_id: str
    map_index: int
    state: str | None
    host: str | None
    tries: int
    seconds: float | None

    @classmethod
    def of(cls, instance: Mapping[str, JSON]) -> FleetTask:
        """Read Airflow's answer."""
        return cls(
            dag_id=instance["dag_id"],
            task_id=instance["task_id"],
            map_index=instance["map_index"],
            state=instance["state"],
            host=instance["hostname"] or None,
            tries=instance["try_number"],
            seconds=instance["duration"],
        )


@dataclass(frozen=True)
class Outcome:
    """
    Everything that is known when the last task has ended.

    :param allowed: token requests by scope that the run should have cost; all others should be 1.
    :param journal: the service's entries of this run's app, oldest first.
    :param messages: that exist at the service and were written by this run.
    """

    title: str
    seconds: float
    run_states: Mapping[str, str]
    tasks: Sequence[FleetTask]
    journal: Sequence[JSONObject]
    messages: Sequence[JSONObject]
    allowed: Mapping[str, int]

    @cached_property
    def calls(self) -> list[JSONObject]:
        """Calls, by the service's journal, that are no token requests."""
        return [entry for entry in self.journal if entry["method"] not in TOKEN_METHODS]

    @cached_property
    def token_requests(self) -> Counter[str]:
        """Token requests by scope, however they ended."""
        return Counter(entry["scope"] for entry in self.journal if entry["method"] in TOKEN_METHODS)

    @cached_property
    def refused_token_requests(self) -> int:
        """Token requests that the service did not grant."""
        return sum(
            bool(entry["refused_by_quota"] or entry["error"])
            for entry in self.journal
            if entry["method"] in TOKEN_METHODS
        )

    @cached_property
    def sent_more_than_once(self) -> list[str]:
        """Calls that came a second time, told by their request id or by their params; refused ones do not count."""
        counts = Counter(_identity(entry) for entry in self.calls if entry["outcome"] == "ok")
        return [identity for identity, count in counts.items() if count > 1]

    @cached_property
    def request_ids(self) -> set[str]:
        """Request ids of the messages that exist."""
        return {message["requestId"] for message in self.messages}

    @cached_property
    def texts(self) -> Counter[str]:
        """Texts of the messages that exist; a run writes each text once."""
        return Counter(message["plainText"] for message in self.messages)

    def problems(self) -> list[str]:
        """Return what is wrong with the run, a line each; nothing when it is good."""
        return [*self._task_problems(), *self._token_problems(), *self._message_problems()]

    def _task_problems(self) -> list[str]:
        problems = [
            f"{dag}: the run is {state}" for dag, state in self.run_states.items() if state != "success"
        ]
        bad = Counter(
            (task.dag_id, task.task_id, task.state) for task in self.tasks if task.state != "success"
        )
        problems += [f"{dag}: {count} of {task} are {state}" for (dag, task, state), count in bad.items()]
        if not self.tasks:
            problems.append("nothing ran")
        return problems

    def _token_problems(self) -> list[str]:
        problems = [
            f"{scope} cost {count} token requests instead of {self.allowed.get(scope, 1)}"
            for scope, count in self.token_requests.items()
            if count != self.allowed.get(scope, 1)
        ]
        if not self.token_requests:
            problems.append("no token was asked for")
        if self.refused_token_requests:
            problems.append(f"{self.refused_token_requests} token requests were refused")
        return problems

    def _message_problems(self) -> list[str]:
        problems = [f"{text!r} exists {count} times" for text, count in self.texts.items() if count > 1]
        if len(self.request_ids) != len(self.messages):
            problems.append(f"{len(self.messages)} messages have {len(self.request_ids)} request ids")
        return problems


def _identity(entry: Mapping[str, JSON]) -> str:
    what = entry["request_id"] or json.dumps(entry["params"], sort_keys=True)
    return f"{entry['method']} {what}"
