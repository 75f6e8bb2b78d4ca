"""The table of a run on the fleet, as text. Pure."""

from __future__ import annotations

from collections import Counter
from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from fleet.outcome import FleetTask, Outcome

ALIGNED = {str: "<", int: ">", float: ">"}


def report(outcome: Outcome) -> str:
    """Return everything that a person wants to know about a run."""
    written = (
        f"  messages at the service: {len(outcome.messages)}, distinct request ids: {len(outcome.request_ids)}, "
        f"calls that were sent more than once: {len(outcome.sent_more_than_once)}"
    )
    verdict = [f"  PROBLEM: {problem}" for problem in outcome.problems()] or ["  all green"]
    parts = [table(_dags(outcome)), table(_scopes(outcome)), [written, *verdict]]
    return "\n\n".join([f"\n{outcome.title}: {outcome.seconds:.0f} s", *("\n".join(part) for part in parts)])


def table(rows: Sequence[Sequence[str | int | float]]) -> Iterator[str]:
    """Lay out rows in columns, numbers to the right."""
    widths = [max(len(_text(cell)) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            f"{_text(cell):{ALIGNED[type(cell)]}{width}}" for cell, width in zip(row, widths, strict=True)
        )
        yield f"  {'  '.join(cells)}".rstrip()


def _text(cell: str | float) -> str:
    return f"{cell:.1f}" if isinstance(cell, float) else str(cell)


def _dags(outcome: Outcome) -> list[list[str | int | float]]:
    hosts = sorted({task.host for task in outcome.tasks if task.host})
    rows: list[list[str | int | float]] = [
        ["DAG", "state", "tasks", "states", "tried again", *hosts, "mean seconds"]
    ]
    for dag_id, state in outcome.run_states.items():
        tasks = [task for task in outcome.tasks if task.dag_id == dag_id]
        ran_on = Counter(task.host for task in tasks)
        again = sum(task.tries > 1 for task in tasks)
        rows.append(
            [
                dag_id,
                state,
                len(tasks),
                _states(tasks),
                again,
                *(ran_on[host] for host in hosts),
                _mean(tasks),
            ]
        )
    return rows


def _states(tasks: Iterable[FleetTask]) -> str:
    counts = Counter(task.state or "waiting" for task in tasks)
    return ", ".join(f"{count} {state}" for state, count in counts.most_common())


def _mean(tasks: Iterable[FleetTask]) -> float:
    return fmean([task.seconds for task in tasks if task.seconds is not None] or [0.0])


def _scopes(outcome: Outcome) -> list[list[str | int | float]]:
    calls = Counter(entry["scope"] for entry in outcome.calls)
    clients = Counter(scope for scope, _ in {(entry["scope"], entry["client"]) for entry in outcome.calls})
    rows: list[list[str | int | float]] = [
        ["scope", "token requests", "expected", "calls", "connections (one a task process)"]
    ]
    for scope in sorted(outcome.token_requests):
        requests, allowed = outcome.token_requests[scope], outcome.allowed.get(scope, 1)
        rows.append([scope, requests, allowed, calls[scope], clients[scope]])
    return rows
