"""
The result of a run of the demo, and whether it was good.

Invariant: pure. `DemoResult.problems()` is the only place that decides whether a run was good.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

GREEN = frozenset({"success", "skipped"})
UNMAPPED = -1


@dataclass(frozen=True)
class Task:
    """One task instance of a run, in the state that it was left in."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    try_number: int
    state: str | None
    started_at: str | None = None
    duration_seconds: float | None = None

    @property
    def name(self) -> str:
        """Task id, with the map index where it has one."""
        return self.task_id if self.map_index == UNMAPPED else f"{self.task_id}[{self.map_index}]"


@dataclass(frozen=True)
class TokenUse:
    """
    The token requests of a scope, and the calls that were made with its token.

    :param requests: token requests that the service counted.
    :param calls: calls that were made with its token.
    :param connections: connections that they came by; a task has one, a bulk task several.
    """

    scope: str
    requests: int
    calls: int
    connections: int


@dataclass(frozen=True)
class Effects:
    """
    The effects at the services.

    :param messages: chat and text of each.
    :param commands: names of the registered ones.
    :param authorizations: Benlly channel and device of each.
    :param tables: name and number of rows of each data table.
    """

    messages: Sequence[tuple[str, str]] = ()
    commands: Sequence[str] = ()
    authorizations: Sequence[tuple[int, str]] = ()
    tables: Sequence[tuple[str, int]] = ()


@dataclass(frozen=True)
class Story:
    """
    What people in Channel Talk did, and what came of it.

    :param title: in a few words.
    :param lines: one thing that happened each.
    :param problem: what went wrong; None: nothing.
    """

    title: str
    lines: Sequence[str] = ()
    problem: str | None = None


@dataclass(frozen=True)
class DemoResult:
    """The result when the last task has ended."""

    run_states: dict[str, str]
    tasks: Sequence[Task]
    token_uses: Sequence[TokenUse]
    effects: Effects
    stories: Sequence[Story] = ()
    import_errors: Sequence[tuple[str, str]] = ()
    listeners: frozenset[tuple[str, int]] = field(default_factory=frozenset)

    def failed_tasks(self) -> list[Task]:
        """Return the tasks that are not green."""
        return [task for task in self.tasks if task.state not in GREEN]

    def processes(self) -> int:
        """Return the minimum number of task processes: one for each try."""
        return sum(task.try_number for task in self.tasks)

    def problems(self) -> list[str]:
        """Return the problems of the run, one per line; empty if it was good."""
        problems = [f"{file} could not be imported" for file, _ in self.import_errors]
        problems += [
            f"{dag}: the run is {state}" for dag, state in self.run_states.items() if state != "success"
        ]
        problems += [f"{task.dag_id}: {task.name} is {task.state}" for task in self.failed_tasks()]
        if not any(task.state == "success" for task in self.tasks):
            problems.append("nothing ran")
        problems += [f"{story.title}: {story.problem}" for story in self.stories if story.problem]
        if not self.token_uses:
            problems.append("no token was asked for")
        problems += [
            f"{use.scope} cost {use.requests} token requests instead of 1"
            for use in self.token_uses
            if use.requests > 1
        ]
        problems += [
            f"{ip}:{port} listens beyond this machine" for ip, port in self.listeners if ip != "127.0.0.1"
        ]
        return problems


def tally(tasks: Sequence[Task]) -> str:
    """Return the states of the tasks in a line, e.g. ``12 success, 3 running``."""
    return ", ".join(
        f"{count} {state or 'waiting'}" for state, count in Counter(t.state for t in tasks).most_common()
    )
