"""Alerts where they really run - in a task process, in an event loop, for a DAG - against the emulator."""

from __future__ import annotations

import asyncio
import json
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, BaseOperator
from integration.conftest import CANARY
from support.airflow_features import DEADLINES, TASK_RUNNER, has, leave_out_unless, needs
from support.alerts import GROUP, Fails, Succeeds, alert, shown

from airflow_channel_provider.emulator import DEMO_SECRET, EmulatorThread
from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
from airflow_channel_provider.notifications.channel_talk import ChannelTalkNotifier
from airflow_channel_provider.tokens.history import parse_requests

leave_out_unless(*TASK_RUNNER)

from airflow.utils.state import TaskInstanceState
from support.task_run import SOME_ID, Run, task_instance

pytestmark = pytest.mark.usefixtures("dag")

PROCESSOR = (
    "airflow.dag_processing.processor:_execute_task_callbacks",
    "Before Airflow 3.1 the dag-processor runs callbacks in another way.",
)
LOG_ADDRESS = "airflow.sdk.execution_time.task_runner:RuntimeTaskInstance.log_url"


def dag_run(**changes: Any) -> Any:
    fields = {"dag_id": "d", "run_id": "r", "state": "failed", "clear_number": 0}
    return SimpleNamespace(**{**fields, **changes})


# In a task process


@pytest.mark.promise(name="secrets")
def test_a_failing_task_sends_what_has_happened_without_the_secret(
    emulator: EmulatorThread, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com/")
    outcome = run(Fails(task_id="t", on_failure_callback=alert()))
    (message,) = emulator.messages(GROUP)
    assert outcome.state == "failed"
    headline, facts, error = message["blocks"]
    assert headline == {"type": "text", "value": "<b>Task failed</b>"}
    *known, duration = [block["value"] for block in facts["blocks"]]
    assert known == ["DAG: <b>d</b>", "Task: <b>t</b>", "Run: <b>r</b>", "Try: <b>1 of 1</b>"]
    assert duration.startswith("Duration: <b>")
    assert error == {"type": "code", "value": "ConnectionError: <no> answer & ***"}
    (button,) = message["buttons"]
    url = button["action"]["attributes"]["url"]
    log = "/tasks/t?try_number=1" if has(LOG_ADDRESS) else ""  # Airflow 3.0 knows no address of a log
    assert url == f"https://airflow.example.com/dags/d/runs/r{log}"
    assert CANARY not in json.dumps(emulator.messages()) + json.dumps(emulator.journal())
    assert DEMO_SECRET not in capsys.readouterr().out


def test_without_an_address_of_airflow_there_is_no_button(emulator: EmulatorThread, run: Run) -> None:
    run(Fails(task_id="t", on_failure_callback=alert()))
    assert "buttons" not in emulator.messages(GROUP)[0]


@pytest.mark.parametrize(
    ("operator_class", "max_tries", "headline"),
    [
        (Succeeds, 0, "Task succeeded"),
        (Fails, 0, "Task failed"),
        (Fails, 2, "Task failed and will be tried again"),
    ],
)
def test_each_callback_of_a_task_has_a_headline_of_its_own(
    emulator: EmulatorThread, run: Run, operator_class: Any, max_tries: int, headline: str
) -> None:
    callbacks = {f"on_{kind}_callback": alert() for kind in ("success", "failure", "retry")}
    run(operator_class(task_id="t", **callbacks), max_tries=max_tries)
    (message,) = emulator.messages(GROUP)
    assert shown(message)[0] == f"<b>{headline}</b>"


def test_fields_are_rendered_and_masked(emulator: EmulatorThread, run: Run) -> None:
    notifier = alert(
        group_id=None,
        group_name="{{ 'Sales' }}",
        markdown="**{{ ti.task_id }}**: {{ exception }}",
        blocks=None,
        bot_name="{{ dag.dag_id }}",
        silent="manager",
    )
    run(Fails(task_id="t", on_failure_callback=notifier))
    (message,) = emulator.messages("group-ch-1-2")
    assert shown(message) == ["<b>t</b>: &lt;no&gt; answer &amp; ***\nand more"]
    assert message["personId"] == "d"
    assert message["options"] == ["MESSAGE_OPTION_SILENT_TO_MANAGER"]


def test_one_notifier_serves_several_tasks_of_a_process(emulator: EmulatorThread, run: Run) -> None:
    notifier = alert(group_id=None, user_chat_id="chat-ch-1-1", text="{{ ti.task_id }} is done")
    for task_id in ("a", "b"):
        run(Succeeds(task_id=task_id, on_success_callback=notifier))
    assert [message["plainText"] for message in emulator.messages("chat-ch-1-1")] == [
        "a is done",
        "b is done",
    ]


def test_a_callback_that_runs_twice_is_one_message_and_each_try_is_another(
    emulator: EmulatorThread, run: Run
) -> None:
    operator = Fails(task_id="t", on_failure_callback=[alert(), alert(text="at {{ ti.end_date }}")])
    for try_number in (1, 1, 2):
        run(operator, try_number=try_number)
    assert len(emulator.messages(GROUP)) == 4
    assert len([entry for entry in emulator.journal() if entry["method"] == "writeGroupMessage"]) == 6


# Trouble


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"group_id": None, "group_name": "Suport"}, "near it: 'Support'"),
        ({"group_id": "nowhere"}, "group not found"),
        ({"user_chat_id": "chat-ch-1-1"}, "Give one of group_id"),
        ({"channel_talk_conn_id": "absent"}, "absent"),
        ({"group_id": "{{ nonsense( }}"}, "TemplateSyntaxError"),
        ({"options": [3]}, "A message option must be a name, not int"),
        ({"bot_name": "Air:flow"}, "botName must have none of @ # $ % : / in it"),
        ({"bot_name": "x" * 31}, "botName must have 1 to 30 characters, it has 31"),
    ],
)
def test_an_alert_that_cannot_be_sent_is_a_warning_and_the_task_stays_green(
    emulator: EmulatorThread, run: Run, capsys: pytest.CaptureFixture[str], kwargs: Any, words: str
) -> None:
    outcome = run(Succeeds(task_id="t", on_success_callback=alert(**kwargs)))
    logged = capsys.readouterr().out
    assert outcome.state == "success"
    assert "The alert was not sent" in logged
    assert words in logged
    assert "Failed to run task callback" not in logged
    assert emulator.messages() == []


@pytest.mark.parametrize(
    ("text", "words"),
    [("{{ nonsense( }}", "TemplateSyntaxError"), ("{{ no_such }} of {{ conn.canary.password }}", "no_such")],
)
def test_an_alert_whose_own_words_can_not_be_had_says_what_has_happened(
    emulator: EmulatorThread, run: Run, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    run(Succeeds(task_id="t", on_success_callback=alert(text=text, bot_name="{{ ti.task_id }}")))
    (message,) = emulator.messages(GROUP)
    assert shown(message)[0] == "<b>Task succeeded</b>"
    assert message["personId"] == "t"
    (line,) = [one for one in capsys.readouterr().out.splitlines() if "describes the event instead" in one]
    assert words in line


class UnreadableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class FailsUnreadably(BaseOperator):
    def execute(self, context: Any) -> None:
        raise UnreadableError


@pytest.mark.parametrize("text", [None, "it was {{ exception }}"])
def test_an_exception_that_has_no_text_is_told_by_its_class(
    emulator: EmulatorThread, run: Run, text: str | None
) -> None:
    outcome = run(FailsUnreadably(task_id="t", on_failure_callback=alert(text=text)))
    assert outcome.state == "failed"
    (message,) = emulator.messages(GROUP)
    assert shown(message) == ["<b>Task failed</b>", "UnreadableError"]


def test_the_token_request_of_an_alert_is_told_by_what_the_alert_is_about(
    emulator: EmulatorThread, run: Run
) -> None:
    run(Fails(task_id="t", on_failure_callback=alert()), map_index=3, try_number=2, max_tries=1)
    rows = parse_requests(ChannelTalkHook().manager.repository.snapshot().record.history)
    assert [row.asked_by for row in rows] == ["an alert of d.t[3], try 2, run r"]


# In the dag-processor, for a task that was killed or lost


@needs(*PROCESSOR)
@pytest.mark.parametrize(
    ("kind", "try_number", "headline"),
    [
        ("failed", 3, "Task failed"),
        ("up_for_retry", 2, "Task failed, with tries left"),
        (None, 1, "Task failed, with tries left"),  # stuck in queued: Airflow uses up no try
    ],
)
@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, None),
        (
            "{{ ti.task_id }}: {{ exception }}",
            "t: no exception is known where this callback runs; the process of the task may have been killed",
        ),
        ("{{ 'some' if exception else 'none' }}", "none"),
    ],
)
def test_a_task_that_was_killed_is_told_about_without_an_exception(
    emulator: EmulatorThread,
    dag: DAG,
    kind: str | None,
    try_number: int,
    headline: str,
    text: str | None,
    told: str | None,
) -> None:
    import structlog
    from airflow.callbacks.callback_requests import TaskCallbackRequest
    from airflow.dag_processing import processor

    Succeeds(task_id="t", retries=2, on_failure_callback=alert(text=text), on_retry_callback=alert(text=text))
    ti = task_instance(dag.get_task("t"), try_number=try_number, max_tries=2)
    request = TaskCallbackRequest.model_construct(
        ti=type("Ti", (), {"model_dump": lambda *_, **__: lost(try_number), **lost(try_number)})(),
        task_callback_type=None if kind is None else TaskInstanceState(kind),
        context_from_server=ti._ti_context_from_server,
    )
    parsed: Any = SimpleNamespace(dags={"d": dag})
    for _ in range(2):  # as Airflow does
        processor._execute_task_callbacks(parsed, request, structlog.get_logger("p"))
    (message,) = emulator.messages(GROUP)
    if text is None:
        assert shown(message)[0] == f"<b>{headline}</b>"
        assert message["blocks"][-1]["type"] == "bullets"
    else:
        assert message["plainText"] == told


def lost(try_number: int) -> dict[str, Any]:
    """What the scheduler tells of a task that it has lost."""
    return {
        "id": SOME_ID,
        "task_id": "t",
        "dag_id": "d",
        "run_id": "r",
        "try_number": try_number,
        "map_index": -1,
    }


def test_a_warning_shows_no_secret_either(
    emulator: EmulatorThread, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    notifier = alert(group_id=None, group_name="{{ conn.canary.password }}")
    assert run(Succeeds(task_id="t", on_success_callback=notifier)).state == "success"
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "The alert was not sent" in line]
    assert "called '***'" in line
    assert CANARY not in line


def test_a_service_that_fails_or_is_gone_leaves_the_task_green(
    emulator: EmulatorThread, run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__CALL_WAIT_MAX_SECONDS", "0.01")
    emulator.inject("http_500", count=10, method="writeGroupMessage")
    assert run(Succeeds(task_id="t", on_success_callback=alert())).state == "success"
    emulator.stop()
    assert run(Succeeds(task_id="u", on_success_callback=alert())).state == "success"
    assert capsys.readouterr().out.count("The alert was not sent: Channel") == 2


def test_a_long_wait_is_not_waited_for(
    emulator: EmulatorThread, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    emulator.inject("token_quota", shape="http_429_retry_after", retry_after_seconds=900)
    assert run(Succeeds(task_id="t", on_success_callback=alert())).state == "success"
    assert "The alert was not sent: ChannelTokenQuotaError" in capsys.readouterr().out


def test_a_service_that_does_not_answer_is_left_alone(
    run: Run, emulator: EmulatorThread, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = threading.Event()
    monkeypatch.setattr(ChannelTalkHook, "send", lambda *args, **kwargs: answered.wait())
    outcome = run(Succeeds(task_id="t", on_success_callback=alert(max_total_wait_seconds=0.01)))
    answered.set()
    assert outcome.state == "success"
    assert "The alert was not sent: TimeoutError: it took longer than 0 s" in capsys.readouterr().out


# For a DAG, and in an event loop


def test_a_dag_run_is_told_about_although_a_task_instance_comes_along(emulator: EmulatorThread) -> None:
    task = Fails(task_id="t")
    context = {**task_instance(task).get_template_context(), "reason": "task_failure", "dag_run": dag_run()}
    for _ in range(2):
        alert()(context)
    alert()({**context, "dag_run": dag_run(clear_number=1)})
    first, _ = emulator.messages(GROUP)
    assert shown(first) == ["<b>DAG run: failed</b>"]
    facts = [block["value"] for block in first["blocks"][1]["blocks"]]
    assert facts == ["DAG: <b>d</b>", "Run: <b>r</b>", "Reason: <b>task_failure</b>"]


def test_a_dag_run_of_which_next_to_nothing_is_known(emulator: EmulatorThread, dag: DAG) -> None:
    alert()({"dag": dag, "run_id": "r", "reason": "timed_out"})
    (message,) = emulator.messages(GROUP)
    assert shown(message) == ["<b>DAG run: timed_out</b>"]


DEADLINE: dict[str, Any] = {
    "dag_run": {"dag_id": "d", "dag_run_id": "r 1", "state": "running"},
    "deadline": {"id": "0198", "deadline_time": "2026-01-01T00:00:00Z"},
}


async def fired(**alert: Any) -> list[Any]:
    """Let the trigger that Airflow has for such callbacks run one, as the triggerer does."""
    from airflow.sdk.definitions.callback import AsyncCallback
    from airflow.triggers.callback import CallbackTrigger

    callback = AsyncCallback(ChannelTalkNotifier, kwargs=alert)
    # With the context that the scheduler adds.
    kwargs = {**callback.kwargs, "context": dict(DEADLINE)}
    return [event.payload async for event in CallbackTrigger(callback.path, kwargs).run()]


@needs(*DEADLINES)
def test_a_missed_deadline_is_told_from_the_event_loop(
    emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com")
    for _ in range(2):
        assert [event["state"] for event in asyncio.run(fired(group_id=GROUP))] == ["running", "success"]
    (message,) = emulator.messages(GROUP)
    assert shown(message) == ["<b>Deadline missed</b>"]
    assert [block["value"] for block in message["blocks"][1]["blocks"]] == [
        "DAG: <b>d</b>",
        "Run: <b>r 1</b>",
        "State: <b>running</b>",
        "Deadline: <b>2026-01-01T00:00:00Z</b>",
    ]
    url = message["buttons"][0]["action"]["attributes"]["url"]
    assert url == "https://airflow.example.com/dags/d/runs/r%201"


@needs(*DEADLINES)
def test_data_of_a_missed_deadline_can_be_named_in_templates(emulator: EmulatorThread) -> None:
    text = "{{ dag_run.dag_run_id }} is late"
    asyncio.run(fired(group_id=GROUP, text=text))
    assert emulator.messages(GROUP)[0]["plainText"] == "r 1 is late"


@needs(*DEADLINES)
@pytest.mark.parametrize("kwargs", [{"group_id": "nowhere"}, {"group_id": "{{ nonsense( }}"}])
def test_trouble_in_the_event_loop_fails_nothing(emulator: EmulatorThread, kwargs: dict[str, Any]) -> None:
    events = asyncio.run(fired(**kwargs))
    assert [event["state"] for event in events] == ["running", "success"]
    assert emulator.messages() == []


def test_the_event_loop_goes_on_while_an_alert_is_sent(
    emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    called, free = threading.Event(), threading.Event()

    def call(*args: Any, **kwargs: Any) -> Any:
        called.set()
        # Answers only because the loop has gone on.
        assert free.wait(timeout=30)
        return {"message": {"id": "m"}}

    monkeypatch.setattr(ChannelTalkHook, "send", call)

    async def beside_it() -> None:
        sending = asyncio.ensure_future(alert().async_notify(DEADLINE))  # type: ignore[arg-type]
        while not called.is_set():
            await asyncio.sleep(0)
        free.set()
        await sending

    asyncio.run(beside_it())
    assert called.is_set()
