from __future__ import annotations

from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_channel_provider.masking import mask_secret
from airflow_channel_provider.notifications._event import Event, blocks_of, buttons_of, event_of
from airflow_channel_provider.notifications.channel_talk import run_within

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
BASE = "https://airflow.example.com/"


def task(**changes: Any) -> SimpleNamespace:
    fields = {"dag_id": "d", "task_id": "t", "run_id": "r", "map_index": -1, "try_number": 2, "max_tries": 2}
    times = {
        "start_date": NOW,
        "end_date": NOW + timedelta(seconds=61.26),
        "state": "failed",
        "log_url": f"{BASE}log",
    }
    return SimpleNamespace(**{**fields, **times, **changes})


def facts(**changes: Any) -> dict[str, str]:
    return dict(event_of({"ti": task(**changes), "exception": None}).facts)


@pytest.mark.parametrize(
    ("changes", "name", "expected"),
    [
        ({}, "Task", "t"),
        ({"map_index": 3}, "Task", "t[3]"),
        ({"map_index": None}, "Task", "t"),
        ({}, "Try", "2 of 3"),
        ({"max_tries": None}, "Try", "2"),
        ({"max_tries": 0}, "Try", "2"),
        ({"try_number": 0}, "Try", None),
        ({}, "Duration", "61.3 s"),
        ({"start_date": None}, "Duration", None),
        ({"end_date": NOW - timedelta(seconds=1)}, "Duration", "0.0 s"),
    ],
)
def test_what_is_known_of_a_task_is_told(changes: Any, name: str, expected: str | None) -> None:
    assert facts(**changes).get(name) == expected


@pytest.mark.parametrize(
    ("state", "headline"),
    [
        ("running", "Task started"),
        ("success", "Task succeeded"),
        ("skipped", "Task skipped"),
        ("up_for_retry", "Task failed and will be tried again"),
        ("failed", "Task failed"),
    ],
)
def test_headline(state: Any, headline: str) -> None:
    assert event_of({"ti": task(state=state)}).headline == headline


@pytest.mark.parametrize(
    ("try_number", "max_tries", "headline"),
    [
        (1, 2, "Task failed, with tries left"),
        (2, 2, "Task failed, with tries left"),
        (3, 2, "Task failed"),
        (1, 0, "Task failed"),
        (None, 2, "Task failed"),
        (1, None, "Task failed"),
    ],
)
def test_headline_of_a_task_that_was_killed(try_number: Any, max_tries: Any, headline: str) -> None:
    """The dag-processor tells of it, and knows no state."""
    assert event_of({"ti": task(state=None, try_number=try_number, max_tries=max_tries)}).headline == headline


@pytest.mark.parametrize(
    ("context", "subject"),
    [
        ({"ti": task()}, "d.t, try 2, run r"),
        ({"ti": task(map_index=3)}, "d.t[3], try 2, run r"),
        ({"dag_run": SimpleNamespace(dag_id="d", run_id="r"), "reason": "x"}, "d, run r"),
        ({"dag_run": {"dag_id": "d", "dag_run_id": "r"}, "deadline": {"id": 1}}, "d, run r"),
    ],
    ids=["task", "mapped", "run", "deadline"],
)
def test_what_an_event_has_happened_to(context: Any, subject: str) -> None:
    assert event_of(context).subject == subject


class OddError(Exception):
    pass


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (None, None),
        ("", None),
        (OddError(), "OddError"),
        (OddError(" \n a\nb"), "OddError: a"),
        ("killed\nby someone", "killed"),
        (OddError("x" * 400), "OddError: " + "x" * 287 + "..."),
        (OddError("a secret-of-the-event here"), "OddError: a *** here"),
        # What is cut in two is masked as a whole before.
        (OddError("x" * 280 + " secret-of-the-event"), "OddError: " + "x" * 280 + " ***"),
    ],
)
def test_error_is_told_by_class_and_first_line_without_secrets(error: Any, told: str | None) -> None:
    mask_secret("secret-of-the-event")
    assert event_of({"ti": task(), "exception": error}).error == told


@pytest.mark.parametrize(
    ("context", "url"),
    [
        ({"ti": task()}, f"{BASE}log"),
        (
            {"reason": "x", "run_id": "a/b +", "dag": SimpleNamespace(dag_id="d")},
            f"{BASE}dags/d/runs/a%2Fb%20%2B",
        ),
        ({"reason": "x"}, None),
        ({"deadline": {"id": 1}, "dag_run": None}, None),
    ],
)
def test_link_leads_to_the_log_or_the_run(
    monkeypatch: pytest.MonkeyPatch, context: Any, url: str | None
) -> None:
    assert event_of(context).url is None
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", BASE)
    event = event_of(context)
    assert event.url == url
    assert [button["url"] for button in buttons_of(event)] == ([url] if url else [])


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"end_date": NOW}, True),
        ({"log_url": "x"}, True),
        ({"try_number": 3}, False),
        ({"map_index": 0}, False),
        ({"run_id": "r2"}, False),
        ({"state": "success"}, False),
    ],
)
def test_key_belongs_to_what_has_happened(change: Any, same: bool) -> None:
    assert (event_of({"ti": task()}).key == event_of({"ti": task(**change)}).key) is same


@pytest.mark.promise(name="messages")
def test_names_are_escaped_in_blocks() -> None:
    (_, bullets) = blocks_of(event_of({"ti": task(dag_id="a<b>&c")}))
    assert bullets["blocks"][0] == {"type": "text", "value": "DAG: <b>a&lt;b&gt;&amp;c</b>"}


def test_work_that_is_waited_for_returns_or_raises() -> None:
    assert run_within(60, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        run_within(60, lambda: 1 // 0)


def test_a_timeout_of_the_work_itself_is_its_own() -> None:
    def work() -> None:
        raise TimeoutError("of the work")

    with pytest.raises(TimeoutError, match="of the work"):
        run_within(60, work)


@pytest.mark.parametrize("url", [None, "", "/log", "log", "javascript:x"])
def test_an_address_that_nobody_can_follow_is_no_button(url: str | None) -> None:
    assert buttons_of(Event("headline", (), None, url, ("key",), "subject")) == []


def test_half_of_a_surrogate_pair_in_a_run_id_breaks_no_link(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", BASE)
    context = {"reason": "x", "run_id": "a \ud800", "dag": SimpleNamespace(dag_id="d")}
    assert event_of(context).url == f"{BASE}dags/d/runs/a%20%3F"
