"""The verdict over a run: what makes ``make demo`` fail."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tools.demo.result import DemoResult, Effects, Task, TokenUse

GREEN = Task(dag_id="d", run_id="r", task_id="t", map_index=-1, try_number=1, state="success")
GOOD = DemoResult(
    run_states={"d": "success"},
    tasks=[GREEN],
    token_uses=[TokenUse("app", requests=1, calls=3, connections=2)],
    effects=Effects(),
    listeners=frozenset({("127.0.0.1", 8080)}),
)


def test_a_good_run_has_no_problem() -> None:
    assert GOOD.problems() == []


@pytest.mark.parametrize(
    ("change", "problems"),
    [
        ({"run_states": {"d": "failed"}}, ["d: the run is failed"]),
        ({"run_states": {"d": "running"}}, ["d: the run is running"]),
        ({"tasks": [GREEN, replace(GREEN, task_id="u", state="failed")]}, ["d: u is failed"]),
        (
            {"tasks": [GREEN, replace(GREEN, map_index=2, state="upstream_failed")]},
            ["d: t[2] is upstream_failed"],
        ),
        ({"tasks": [GREEN, replace(GREEN, state=None)]}, ["d: t is None"]),
        ({"tasks": [], "run_states": {}}, ["nothing ran"]),
        ({"tasks": [replace(GREEN, state="skipped")]}, ["nothing ran"]),
        ({"token_uses": []}, ["no token was asked for"]),
        (
            {"token_uses": [TokenUse("app", requests=2, calls=3, connections=2)]},
            ["app cost 2 token requests instead of 1"],
        ),
        ({"import_errors": [("x.py", "trace")]}, ["x.py could not be imported"]),
        ({"listeners": frozenset({("0.0.0.0", 8793)})}, ["0.0.0.0:8793 listens beyond this machine"]),
        ({"listeners": frozenset({("::", 8793)})}, [":::8793 listens beyond this machine"]),
    ],
)
def test_each_flaw_is_named(change: dict[str, Any], problems: list[str]) -> None:
    assert replace(GOOD, **change).problems() == problems
