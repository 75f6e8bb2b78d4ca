"""The verdict over a run on the fleet: what makes ``make test-fleet`` fail, and the table that it prints."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from fleet.outcome import FleetTask, Outcome
from fleet.report import report

TASK = FleetTask("d", "call", 0, state="success", host="worker-1", tries=1, seconds=1.25)


def entry(method: str, **more: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "scope": "app",
        "outcome": "ok",
        "error": None,
        "request_id": None,
        "params": {},
        "client": "c:1",
    }
    return {"method": method, **plain, **more}


def token(**more: Any) -> dict[str, Any]:
    return entry("issueToken", refused_by_quota=False, **more)


def message(text: str, request_id: str) -> dict[str, Any]:
    return {"plainText": text, "requestId": request_id}


GOOD = Outcome(
    title="A run",
    seconds=61.0,
    run_states={"d": "success"},
    tasks=[TASK, replace(TASK, map_index=1, host="worker-2", tries=2)],
    journal=[token(), entry("write", request_id="r1"), entry("write", request_id="r2", client="c:2")],
    messages=[message("1", "r1"), message("2", "r2")],
    allowed={},
)


def test_a_good_run_has_no_problem() -> None:
    assert GOOD.problems() == []


@pytest.mark.parametrize(
    ("change", "problems"),
    [
        ({"run_states": {"d": "running"}}, ["d: the run is running"]),
        ({"tasks": [TASK, replace(TASK, state="failed")]}, ["d: 1 of call are failed"]),
        ({"tasks": [replace(TASK, state=None)]}, ["d: 1 of call are None"]),
        ({"tasks": []}, ["nothing ran"]),
        ({"journal": []}, ["no token was asked for"]),
        ({"journal": [token(), token()]}, ["app cost 2 token requests instead of 1"]),
        ({"allowed": {"app": 2}}, ["app cost 1 token requests instead of 2"]),
        ({"journal": [token(error="token quota used up")]}, ["1 token requests were refused"]),
        (
            {"messages": [message("1", "r1"), message("1", "r2")]},
            ["'1' exists 2 times"],
        ),
        (
            {"messages": [message("1", "r1"), message("2", "r1")]},
            ["2 messages have 1 request ids"],
        ),
    ],
)
def test_each_flaw_is_named(change: dict[str, Any], problems: list[str]) -> None:
    assert replace(GOOD, **change).problems() == problems


@pytest.mark.parametrize(
    ("calls", "twice"),
    [
        ([entry("write", request_id="r1"), entry("write", request_id="r1")], ["write r1"]),
        ([entry("read", params={"a": 1}), entry("read", params={"a": 1})], ['read {"a": 1}']),
        ([entry("read", params={"a": 1}), entry("read", params={"a": 2})], []),
        ([entry("read", outcome="refused"), entry("read")], []),
    ],
)
def test_a_call_that_came_again_is_found(calls: list[dict[str, Any]], twice: list[str]) -> None:
    assert replace(GOOD, journal=calls).sent_more_than_once == twice


def test_the_table_tells_who_ran_what_and_what_each_scope_cost() -> None:
    assert report(GOOD).splitlines() == [
        "",
        "A run: 61 s",
        "",
        "  DAG  state    tasks  states     tried again  worker-1  worker-2  mean seconds",
        "  d    success      2  2 success            1         1         1           1.2",
        "",
        "  scope  token requests  expected  calls  connections (one a task process)",
        "  app                 1         1      2                                 2",
        "",
        "  messages at the service: 2, distinct request ids: 2, calls that were sent more than once: 0",
        "  all green",
    ]


def test_the_table_ends_with_what_is_wrong() -> None:
    assert report(replace(GOOD, journal=[])).splitlines()[-1] == "  PROBLEM: no token was asked for"
