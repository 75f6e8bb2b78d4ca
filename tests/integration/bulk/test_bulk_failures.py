"""Bulk calls that fail, wait or are stopped: what is noted, and what the next try makes of it."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from support.airflow_features import reschedule_exception
from support.bulk_runs import (
    State,
    campaign,
    context,
    counts,
    dead,
    execute,
    rows,
    texts,
)

from airflow_channel_provider import metrics
from airflow_channel_provider.emulator import DEMO_APP_ID, DEMO_SECRET, EmulatorProcess
from airflow_channel_provider.exceptions import (
    ChannelAuthenticationError,
    ChannelConfigurationError,
    ChannelError,
    ChannelPermissionError,
    ChannelTooManyFailuresError,
)

pytestmark = pytest.mark.filterwarnings("ignore:.*cannot be called outside")


def test_failures_are_dead_letters_and_do_not_stop_the_rest(
    emulator: EmulatorProcess, tmp_path: Path
) -> None:
    bad = {3, 50, 199}
    path = tmp_path / "dead" / "failed.jsonl"
    summary = execute(campaign(items=rows(200, bad), dead_letter=path.as_uri()))
    assert counts(summary) == {"succeeded": 197, "failed": 3}
    assert summary["dead_letter"] == path.as_uri()
    letters = dead(path)
    assert sorted(letter["item"]["n"] for letter in letters) == sorted(bad)
    assert {letter["error"] for letter in letters} == {"ChannelRequestError"}
    assert {letter["attempt"] for letter in letters} == {1}
    assert {letter["outcome"] for letter in letters} == {"failed"}
    assert all("not found" in letter["message"] for letter in letters)
    assert [path.name] == [found.name for found in path.parent.iterdir()]
    assert len(summary["first_errors"]) == 3


def test_a_dead_letter_file_is_input_of_the_next_run_under_the_same_request_ids(
    emulator: EmulatorProcess, tmp_path: Path
) -> None:
    path = tmp_path / "failed.jsonl"
    # Written, but nobody could tell: no attempt is answered.
    emulator.inject("close_after", count=5, method="writeUserChatMessage")
    first = campaign(items=rows(1), dead_letter=path.as_uri(), concurrency=1, max_failures=None)
    assert counts(execute(first)) == {"uncertain": 1}
    (letter,) = dead(path)
    assert letter["outcome"] == "uncertain"
    second = campaign(path=path.as_uri(), item_key=None)
    assert counts(execute(second, run_id="another run")) == {"succeeded": 1}
    assert len(emulator.messages()) == 1


def test_what_is_in_doubt_is_not_sent_again_where_that_could_do_it_twice(
    emulator: EmulatorProcess, tmp_path: Path
) -> None:
    path = tmp_path / "failed.jsonl"
    emulator.inject("close_after", method="createEvent")
    events = {
        "method": "createEvent",
        "function_params": {"userId": "user-ch-1-1", "name": "Bought"},
        "items": ["a"],
    }
    first = campaign(**events, item_key=None, dead_letter=path.as_uri(), max_failures=None)
    assert counts(execute(first)) == {"uncertain": 1}
    again = {**events, "items": None, "path": path.as_uri(), "item_key": None, "max_failures": None}
    assert counts(execute(campaign(**again), run_id="another run")) == {"uncertain": 1}
    assert len([e for e in emulator.journal() if e["method"] == "createEvent"]) == 1


def test_an_item_that_makes_no_params_is_a_failure_of_its_own(emulator: EmulatorProcess) -> None:
    items = [*rows(20), {"n": 20}, {"n": 21, "chat": ""}]
    summary = execute(campaign(items=items))
    assert counts(summary) == {"succeeded": 20, "failed": 2}
    assert {error["error"] for error in summary["first_errors"]} == {"ChannelConfigurationError"}


@pytest.mark.parametrize(("max_failures", "least"), [(10, 11), (0.2, 20)])
def test_too_many_failures_stop_early(emulator: EmulatorProcess, max_failures: float, least: int) -> None:
    items = rows(20_000, set(range(20_000)))
    with pytest.raises(ChannelTooManyFailuresError, match="max_failures"):
        execute(campaign(items=items, max_failures=max_failures))
    assert least <= len(emulator.journal()) < 3_000


def test_a_task_that_too_many_failures_have_ended_does_not_succeed_when_it_is_cleared(
    emulator: EmulatorProcess, tmp_path: Path
) -> None:
    state, path = State(), tmp_path / "failed.jsonl"
    operator = campaign(items=rows(10, set(range(10))), dead_letter=path.as_uri())
    with pytest.raises(ChannelTooManyFailuresError, match="10 of 10 items failed") as first:
        execute(operator, state)
    calls = emulator.stats()["calls"]
    with pytest.raises(ChannelTooManyFailuresError) as second:
        execute(operator, state, try_number=2)
    assert str(second.value) == str(first.value)
    assert (emulator.stats()["calls"], len(dead(path))) == (calls, 10)
    mended = campaign(items=rows(10), dead_letter=path.as_uri(), resume=False)
    assert counts(execute(mended, state, try_number=3)) == {"succeeded": 10}


def test_a_task_that_a_share_has_stopped_goes_on_once_the_cause_is_mended(emulator: EmulatorProcess) -> None:
    state, bad = State(), set(range(400))
    with pytest.raises(ChannelTooManyFailuresError):
        execute(campaign(items=rows(1_200, bad), concurrency=2), state)
    summary = execute(campaign(items=rows(1_200), concurrency=2), state, try_number=2)
    assert summary["failed"] == summary["done_before"] >= 100
    assert summary["succeeded"] == 1_200 - summary["failed"]


def test_a_wrong_secret_stops_at_once_and_is_nobodys_failure(
    emulator: EmulatorProcess, tmp_path: Path
) -> None:
    path, state = tmp_path / "failed.jsonl", State()
    items = rows(5_000)
    with pytest.raises(ChannelAuthenticationError):
        execute(campaign(items=items, channel_talk_conn_id="wrong", dead_letter=path.as_uri()), state)
    assert not path.exists()
    assert len(emulator.token_requests()) == 1
    assert counts(execute(campaign(items=items[:50], dead_letter=path.as_uri()))) == {"succeeded": 50}


def test_a_missing_permission_stops_at_once(emulator: EmulatorProcess, tmp_path: Path) -> None:
    app = {"app_id": DEMO_APP_ID, "secret": DEMO_SECRET, "permissions": ["getUser"]}
    emulator.configure(apps=[app])
    path = tmp_path / "failed.jsonl"
    with pytest.raises(ChannelPermissionError):
        execute(campaign(items=rows(5_000), dead_letter=path.as_uri()))
    assert not path.exists()
    assert len(emulator.journal()) < 20


def test_a_service_that_is_gone_is_nobodys_failure_and_gives_up_the_slot(
    emulator: EmulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = State()
    operator = campaign(items=rows(100), max_wait_seconds=0.1)
    with monkeypatch.context() as patch:
        connection = json.loads(os.environ["AIRFLOW_CONN_CHANNEL_TALK_DEFAULT"])
        patch.setenv(
            "AIRFLOW_CONN_CHANNEL_TALK_DEFAULT", json.dumps({**connection, "host": "http://127.0.0.1:9"})
        )
        with pytest.raises(reschedule_exception()):
            execute(operator, state)
    summary = execute(campaign(items=rows(100)), state, try_number=2)
    assert counts(summary) == {"succeeded": 100}


def test_a_long_wait_gives_up_the_slot_and_the_task_goes_on_from_there(emulator: EmulatorProcess) -> None:
    state = State()
    emulator.configure(rate_limit=120, rate_limit_window_seconds=300, rate_limit_shape="retry_after")
    operator = campaign(items=rows(200), deferrable=True)
    with pytest.raises(TaskDeferred):
        execute(operator, state)
    assert sum(texts(emulator).values()) == 120
    emulator.advance(301)
    resumed: dict[str, Any] = operator.execute_complete(context(state), None, waiting_since=time.time())
    assert counts(resumed) == {"succeeded": 200}
    assert resumed["done_before"] == 120
    assert texts(emulator) == Counter(f"order {n} of 2026-01-31" for n in range(200))


def test_a_task_that_is_done_sends_nothing_when_it_is_cleared(emulator: EmulatorProcess) -> None:
    state = State()
    first = execute(campaign(items=rows(50)), state)
    calls = emulator.stats()["calls"]
    second = execute(campaign(items=rows(60)), state, try_number=2)
    assert (counts(second), second["done_before"]) == (counts(first), 50)
    assert emulator.stats()["calls"] == calls


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"items": [1], "path": "file:///x.csv"}, "one of items, sql and path"),
        ({}, "one of items, sql and path: none of them has a value"),
        ({"items": None, "path": None}, r"its XCom is empty; let it return \[\]"),
        ({"items": "None"}, "items has no value. If the value comes from another task"),
        ({"items": ""}, "items has no value"),
        ({"items": "null"}, "items has no value"),
        ({"path": ""}, "path has no value"),
        ({"items": [1], "dead_letter": ""}, "dead_letter has no value"),
        ({"items": [1], "dead_letter": "None"}, "dead_letter has no value"),
        ({"sql": " ", "sql_conn_id": "orders"}, "sql has no value"),
        ({"items": b"ab"}, "items must be a list or a DataFrame, not bytes"),
        ({"items": iter([1])}, "items must be a list or a DataFrame, not list_iterator"),
        ({"sql": "SELECT 1"}, "sql_conn_id"),
        ({"items": "{}"}, "items must be a list"),
        *(({"items": [1], "concurrency": wrong}, "concurrency must be") for wrong in (33, 0, "8", 2.5, True)),
        *(({"items": [1], "calls_per_second": wrong}, "calls_per_second must be") for wrong in (0, "5")),
        *(
            ({"items": [1], "max_failures": wrong}, "max_failures must be")
            for wrong in (5.0, 1.5, -1, "half", True)
        ),
        *(
            ({"items": [1], "expected_items": wrong}, "expected_items")
            for wrong in ([5], "[5]", -1, "many", True, "1.5")
        ),
        ({"items": [1], "method": "issueToken"}, "issueToken"),
        ({"items": [1], "function_params": "{{ item }}"}, "function_params must be a mapping"),
        ({"items": [1], "function_params": {"a": "{{ item"}}, "function_params: TemplateSyntaxError"),
        ({"path": "file:///rows.txt"}, "file_format"),
        ({"path": "file:///rows.txt", "file_format": "txt"}, "file_format must be one of"),
    ],
)
def test_what_is_wrong_with_the_arguments_is_said(
    emulator: EmulatorProcess, wrong: dict[str, Any], match: str
) -> None:
    with pytest.raises(ChannelConfigurationError, match=match):
        execute(campaign(**wrong))
    assert emulator.messages() == []


def test_without_a_place_to_note_it_nothing_is_sent_that_can_not_be_repeated(
    emulator: EmulatorProcess,
) -> None:
    operator = campaign(
        method="createEvent", function_params={"userId": "u", "name": "n"}, items=[1], item_key=None
    )
    with pytest.raises(ChannelConfigurationError, match="set dead_letter"):
        operator.execute(context(None))


def test_a_task_that_is_stopped_notes_what_it_has_done(
    emulator: EmulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = State()
    operator = campaign(items=rows(5_000))
    with monkeypatch.context() as patch:
        # As Airflow does from its signal handler, in the middle of the work.
        patch.setattr(metrics, "items_settled", lambda *counted: operator.on_kill())
        with pytest.raises(ChannelError, match="was stopped after"):
            execute(operator, state)
    written = len(emulator.messages())
    assert 0 < written < 5_000
    summary = execute(campaign(items=rows(5_000)), state, try_number=2)
    assert (counts(summary), summary["done_before"]) == ({"succeeded": 5_000}, written)
    assert max(texts(emulator).values()) == 1
    assert not any(entry["repeated"] for entry in emulator.journal())
