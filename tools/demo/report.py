"""The report of a run, as text. Pure, but for reading the log of a task that failed."""

from __future__ import annotations

import json
from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING

from tools.demo.result import UNMAPPED
from tools.demo.supervised import last_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tools.demo.result import DemoResult, Task

SYMBOLS = {"success": "ok ", "skipped": "-- "}
MOST_MESSAGES = 12
MOST_LOGS = 4
LAST = "9999"
TEXT_WIDTH = 72


def report(result: DemoResult, logs: Path) -> str:
    """Return everything that a person wants to know about a run."""
    return "\n".join(
        [
            *_dags(result),
            *_stories(result),
            *_effects(result),
            *_tokens(result),
            *_failures(result, logs),
            *_verdict(result),
        ]
    )


def _dags(result: DemoResult) -> Iterator[str]:
    yield "\nDAGs"
    by_dag = {
        dag_id: list(group) for dag_id, group in groupby(_in_order(result.tasks), lambda task: task.dag_id)
    }
    for dag_id, run_state in sorted(result.run_states.items()):
        yield f"  {dag_id}: {run_state}"
        for task in by_dag.get(dag_id, []):
            seconds = "" if task.duration_seconds is None else f"{task.duration_seconds:6.1f} s"
            state = task.state or "not started"
            yield f"    {SYMBOLS.get(state, '!! ')}{task.name:<44} {state:<10} {seconds}"


def _in_order(tasks: Sequence[Task]) -> list[Task]:
    """Sort by DAG, then as they started; the instances of a mapped task stay together."""
    first: dict[tuple[str, str], str] = {}
    for task in tasks:
        key = (task.dag_id, task.task_id)
        first[key] = min(first.get(key, LAST), task.started_at or LAST)
    return sorted(tasks, key=lambda t: (t.dag_id, first[t.dag_id, t.task_id], t.task_id, t.map_index))


def _stories(result: DemoResult) -> Iterator[str]:
    if result.stories:
        yield "\nConversations"
    for story in result.stories:
        yield f"  {story.title}{': !! ' + story.problem if story.problem else ''}"
        yield from (f"    {line}" for line in story.lines)


def _effects(result: DemoResult) -> Iterator[str]:
    effects = result.effects
    yield f"\nMessages delivered: {len(effects.messages)}"
    for chat, text in effects.messages[:MOST_MESSAGES]:
        yield f"  {chat:<16} {_short(text)}"
    if len(effects.messages) > MOST_MESSAGES:
        yield f"  ... and {len(effects.messages) - MOST_MESSAGES} more"
    yield f"Commands registered: {', '.join(effects.commands) or 'none'}"
    devices = Counter(channel for channel, _ in effects.authorizations)
    authorized = [f"{channel} (on {_count(count, 'device')})" for channel, count in devices.items()]
    tables = [f"{name} ({_count(rows, 'row')})" for name, rows in effects.tables]
    yield f"Data tables loaded: {', '.join(tables) or 'none'}"
    yield f"Benlly channels authorized: {', '.join(authorized) or 'none'}"


def _tokens(result: DemoResult) -> Iterator[str]:
    yield "\nToken requests, as the service counted them"
    for use in result.token_uses:
        served = f"{_count(use.calls, 'call')} over {_count(use.connections, 'connection')}"
        yield f"  {_count(use.requests, 'token request')} for {use.scope} served {served}"
    yield f"  {_count(result.processes(), 'task process')} ran in all"


def _failures(result: DemoResult, logs: Path) -> Iterator[str]:
    for file, trace in result.import_errors:
        yield f"\n{file} could not be imported:\n{trace}"
    told = [task for task in result.failed_tasks() if task_log_path(task, logs).exists()]
    for task in told[:MOST_LOGS]:
        yield f"\n{task.dag_id}: {task.name} is {task.state}; the end of {task_log_path(task, logs)}:"
        yield from (f"  {_log_line(line)}" for line in last_lines(task_log_path(task, logs)))
    if len(told) > MOST_LOGS:
        yield f"\n... and the logs of {len(told) - MOST_LOGS} more below {logs}"


def _verdict(result: DemoResult) -> Iterator[str]:
    problems = result.problems()
    yield ""
    yield from (f"PROBLEM: {problem}" for problem in problems)
    if not problems:
        yield f"All {len(result.tasks)} tasks of {len(result.run_states)} DAGs are green."


def task_log_path(task: Task, logs: Path) -> Path:
    """Return where Airflow writes the log of a task's last try."""
    folder = logs / f"dag_id={task.dag_id}" / f"run_id={task.run_id}" / f"task_id={task.task_id}"
    if task.map_index != UNMAPPED:
        folder /= f"map_index={task.map_index}"
    return folder / f"attempt={max(task.try_number, 1)}.log"


def _log_line(line: str) -> str:
    try:
        entry = json.loads(line)
        text = f"{entry.get('timestamp', '')[11:19]} {entry.get('level', ''):<8} {entry.get('event', '')}"
        errors = [f"{error['exc_type']}: {error['exc_value']}" for error in entry.get("error_detail") or []]
    except (ValueError, AttributeError, TypeError, KeyError):
        return line
    return "\n    ".join([text, *errors])


def _count(number: int, noun: str) -> str:
    plural = "es" if noun.endswith("s") else "s"
    return f"{number} {noun}{'' if number == 1 else plural}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TEXT_WIDTH else f"{line[: TEXT_WIDTH - 3]}..."
