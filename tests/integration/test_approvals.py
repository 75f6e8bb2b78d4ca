"""Questions that tasks ask people, run by Airflow's own task runner against the emulator."""

from __future__ import annotations

import json
from datetime import timedelta
from inspect import signature
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import BaseOperator
from integration.conftest import CANARY
from support.airflow_features import QUESTIONS, leave_out_unless
from support.questions import (
    BASE,
    GROUP,
    KIM,
    answer,
    chosen,
    lines,
    notifier,
    parsed,
    ways,
)

from airflow_channel_provider.emulator import EmulatorThread

leave_out_unless(*QUESTIONS)

from airflow.providers.standard.operators.hitl import (
    ApprovalOperator,
    HITLBranchOperator,
    HITLEntryOperator,
    HITLOperator,
)

if TYPE_CHECKING:
    from support.task_run import Outcome, Run

pytestmark = pytest.mark.usefixtures("dag", "airflow_address")


def limit(timeout: timedelta) -> dict[str, Any]:
    """The argument for how long a task waits; older ones of Airflow's operators have one for everything."""
    name = "response_timeout"
    return {name if name in signature(HITLOperator.__init__).parameters else "execution_timeout": timeout}


def told(**kwargs: Any) -> Any:
    """The arguments with which a task asks, and tells the answer."""
    return {
        "notifiers": [notifier(**kwargs)],
        **{f"on_{kind}_callback": notifier(**kwargs) for kind in ("success", "failure", "retry")},
    }


def time_out(run: Run, task: Any, **how: Any) -> Outcome:
    event = {"error": "The timeout has passed.", "error_type": "timeout"}
    return run(task, next_method="execute_complete", next_kwargs={"event": event}, **how)


# Asked


def test_an_approval_shows_what_is_asked_and_leads_to_the_form(emulator: EmulatorThread, run: Run) -> None:
    outcome = run(
        ApprovalOperator(
            task_id="t",
            subject="Deploy {{ dag.dag_id }} & go?",
            body="**12** orders of `{{ run_id }}` <now>",
            notifiers=notifier(),
            assigned_users=[KIM, {"id": "8", "name": "lee"}],
            defaults="Reject",
            **limit(timedelta(days=1)),
        )
    )
    assert outcome.state in ("awaiting_input", "deferred")
    (message,) = emulator.messages(GROUP)
    subject, body, options, people, until, default, *names = lines(message)
    assert subject == "<b>Deploy d &amp; go?</b>"
    assert body == "<b>12</b> orders of <b>r</b> &lt;now&gt;"
    assert options == "Options: <b>Approve, Reject</b>"
    assert people == "Asked of: <b>kim, lee</b>"
    assert until.startswith("Answer until: <b>20")
    assert until.endswith(" UTC</b>")
    assert default == "Without an answer: <b>Reject</b>"
    assert names == ["DAG: <b>d</b>", "Task: <b>t</b>", "Run: <b>r</b>"]
    assert ways(message) == {"Approve": chosen("Approve"), "Reject": chosen("Reject")}


def test_options_beyond_two_are_links(emulator: EmulatorThread, run: Run) -> None:
    options = ["Seoul", "A name that has more than thirty characters", "<Tokyo>", "50 %"]
    run(HITLOperator(task_id="t", subject="Where?", options=options, notifiers=[notifier()]))
    (message,) = emulator.messages(GROUP)
    assert list(ways(message)) == ["Seoul", "A name that has more than thi…"]
    *_, tokyo, percent = lines(message)
    assert tokyo == f'<link type="url" value="{chosen("%3CTokyo%3E")}">&lt;Tokyo&gt;</link>'
    assert percent == f'<link type="url" value="{chosen("50%20%5Cu0025")}">50 %</link>'


@pytest.mark.parametrize(
    ("task", "buttons"),
    [
        (lambda **kwargs: HITLEntryOperator(params={"amount": 1}, **kwargs), ["OK"]),
        (lambda **kwargs: HITLBranchOperator(options=["a", "b"], **kwargs), ["a", "b"]),
        (lambda **kwargs: HITLOperator(options=["x", "y"], multiple=True, **kwargs), ["x", "y"]),
    ],
)
def test_each_of_the_operators_is_known(
    emulator: EmulatorThread, run: Run, task: Any, buttons: list[str]
) -> None:
    run(task(task_id="t", subject="What?", notifiers=[notifier()]))
    (message,) = emulator.messages(GROUP)
    assert lines(message)[0] == "<b>What?</b>"
    assert list(ways(message)) == buttons


def test_own_words_are_kept_and_get_the_ways_to_answer(emulator: EmulatorThread, run: Run) -> None:
    words = notifier(markdown="Please decide on *{{ task.subject }}*")
    run(HITLOperator(task_id="t", subject="Where?", options=["a", "b", "c"], notifiers=[words]))
    (message,) = emulator.messages(GROUP)
    assert lines(message) == [
        "Please decide on <i>Where?</i>",
        f'<link type="url" value="{chosen("c")}">c</link>',
    ]
    assert list(ways(message)) == ["a", "b"]


def test_own_buttons_stay_the_only_ones(emulator: EmulatorThread, run: Run) -> None:
    own = [{"title": "The report", "url": "https://example.com/report"}]
    run(ApprovalOperator(task_id="t", subject="Go?", notifiers=[notifier(text="Go?", buttons=own)]))
    (message,) = emulator.messages(GROUP)
    assert message["plainText"] == "Go?"
    assert ways(message) == {"The report": "https://example.com/report"}


def test_without_an_address_of_airflow_the_options_are_words(
    emulator: EmulatorThread, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "")
    run(HITLOperator(task_id="t", subject="Where?", options=["a", "b", "c"], notifiers=[notifier()]))
    (message,) = emulator.messages(GROUP)
    assert "Options: <b>a, b, c</b>" in lines(message)
    assert "buttons" not in message


def test_the_form_of_a_mapped_task_is_that_of_its_index(emulator: EmulatorThread, run: Run) -> None:
    run(ApprovalOperator(task_id="t", subject="Go?", notifiers=[notifier()]), map_index=2)
    (message,) = emulator.messages(GROUP)
    assert "Task: <b>t[2]</b>" in lines(message)
    address = f"{BASE}/dags/d/runs/r/tasks/t/mapped/2/required_actions?_options=%5B%22Approve%22%5D"
    assert ways(message)["Approve"] == address


@pytest.mark.promise(name="secrets")
def test_a_secret_in_a_question_is_masked(emulator: EmulatorThread, run: Run) -> None:
    run(
        ApprovalOperator(
            task_id="t",
            subject="Use {{ conn.canary.password }}?",
            body="It is {{ conn.canary.password }}",
            notifiers=[notifier()],
        )
    )
    (message,) = emulator.messages(GROUP)
    assert lines(message)[:2] == ["<b>Use ***?</b>", "It is ***"]
    assert CANARY not in json.dumps(emulator.messages()) + json.dumps(emulator.journal())


def test_a_callback_of_a_task_that_asks_is_an_alert_as_any_other(emulator: EmulatorThread, run: Run) -> None:
    started = notifier()
    run(ApprovalOperator(task_id="t", subject="Go?", on_execute_callback=[started], notifiers=[]))
    (message,) = emulator.messages(GROUP)
    assert lines(message)[0] == "<b>Task started</b>"


def test_a_question_that_cannot_be_written_does_not_stop_the_task(emulator: EmulatorThread, run: Run) -> None:
    outcome = run(ApprovalOperator(task_id="t", subject="Go?", notifiers=[notifier(group_id="nowhere")]))
    assert outcome.state in ("awaiting_input", "deferred")


# Answered


@pytest.mark.parametrize("option", ["Approve", "Reject"])
def test_the_answer_is_a_reply_to_the_question(emulator: EmulatorThread, run: Run, option: str) -> None:
    @parsed
    def task() -> Any:
        return ApprovalOperator(task_id="t", subject="Go?", **told(silent=True))

    run(task())
    outcome = answer(run, task(), option)
    assert outcome.state == "success"
    question, reply = emulator.messages(GROUP)
    assert reply["rootMessageId"] == question["id"]
    assert lines(reply) == [
        f"<b>Answered: {option}</b>",
        "Question: <b>Go?</b>",
        "By: <b>kim</b>",
        "At: <b>2026-01-02 03:04 UTC</b>",
    ]
    assert "buttons" not in reply
    assert reply["options"] == question["options"]


def test_own_words_are_those_of_the_question_alone(emulator: EmulatorThread, run: Run) -> None:
    @parsed
    def task() -> Any:
        return ApprovalOperator(task_id="t", subject="Go?", **told(text="Please decide"))

    run(task())
    answer(run, task(), "Approve")
    question, reply = emulator.messages(GROUP)
    assert question["plainText"] == "Please decide"
    assert "plainText" not in reply
    assert lines(reply)[0] == "<b>Answered: Approve</b>"


def test_a_rejection_that_fails_the_task_says_who_it_was(emulator: EmulatorThread, run: Run) -> None:
    @parsed
    def task() -> Any:
        return ApprovalOperator(task_id="t", subject="Go?", fail_on_reject=True, **told())

    run(task())
    assert answer(run, task(), "Reject").state == "failed"
    _, reply = emulator.messages(GROUP)
    assert lines(reply)[:3] == ["<b>Answered: Reject</b>", "Question: <b>Go?</b>", "By: <b>kim</b>"]


def test_a_form_says_what_was_filled_in_but_not_with_what(emulator: EmulatorThread, run: Run) -> None:
    @parsed
    def task() -> Any:
        return HITLEntryOperator(task_id="t", subject="How much?", params={"amount": 1, "why": ""}, **told())

    run(task())
    filled = {"amount": 5, "why": CANARY}
    assert answer(run, task(), "OK", params_input=filled).state == "success"
    _, reply = emulator.messages(GROUP)
    assert lines(reply)[-1] == "Filled in: <b>amount, why</b>"
    assert CANARY not in json.dumps(reply)


def test_a_question_that_nobody_answers_in_time_says_so(emulator: EmulatorThread, run: Run) -> None:
    @parsed
    def task() -> Any:
        return ApprovalOperator(task_id="t", subject="Go?", **told())

    run(task())
    assert time_out(run, task()).state == "failed"
    question, reply = emulator.messages(GROUP)
    assert reply["rootMessageId"] == question["id"]
    assert lines(reply) == [
        "<b>Not answered in time, so the task has failed</b>",
        "Question: <b>Go?</b>",
    ]


def test_a_default_that_is_taken_in_time_is_named(emulator: EmulatorThread, run: Run) -> None:
    @parsed
    def task() -> Any:
        return ApprovalOperator(task_id="t", subject="Go?", defaults="Reject", **told())

    run(task())
    answer(run, task(), "Reject", responded_by_user=None, timedout=True)
    _, reply = emulator.messages(GROUP)
    assert lines(reply)[0] == "<b>Not answered in time, so the default was taken: Reject</b>"


def test_an_answer_that_the_task_cannot_use_is_told(emulator: EmulatorThread, run: Run) -> None:
    @parsed
    def task() -> Any:
        return ApprovalOperator(task_id="t", subject="Go?", **told())

    run(task())
    assert answer(run, task(), "Maybe").state == "failed"
    _, reply = emulator.messages(GROUP)
    assert lines(reply)[0] == "<b>Task failed</b>"
    assert "Maybe" in lines(reply)[-1]


def both() -> Any:
    """The arguments with which a task asks twice, in two ways."""
    first, second = told(), told(text="Well?")
    return {name: [*_listed(first[name]), *_listed(second[name])] for name in first}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_each_try_asks_anew_and_each_notifier_has_its_own_thread(emulator: EmulatorThread, run: Run) -> None:
    @parsed
    def task() -> Any:
        return ApprovalOperator(task_id="t", subject="Go?", **both())

    run(task(), try_number=1, max_tries=1)
    time_out(run, task(), try_number=1, max_tries=1)
    run(task(), try_number=2, max_tries=1)
    first, second, *replies, third, fourth = emulator.messages(GROUP)
    assert [reply["rootMessageId"] for reply in replies] == [first["id"], second["id"]]
    assert len({message["id"] for message in (first, second, third, fourth)}) == 4


def test_an_outcome_is_told_once(emulator: EmulatorThread, run: Run) -> None:
    @parsed
    def task() -> Any:
        return ApprovalOperator(task_id="t", subject="Go?", **told())

    for _ in range(2):
        run(task())
    for _ in range(2):
        answer(run, task(), "Approve")
    assert len(emulator.messages(GROUP)) == 2


def test_an_outcome_without_a_known_question_stands_for_itself(emulator: EmulatorThread, run: Run) -> None:
    answer(run, ApprovalOperator(task_id="t", subject="Go?", **told()), "Approve")
    (message,) = emulator.messages(GROUP)
    assert "rootMessageId" not in message
    assert lines(message)[:2] == ["<b>Answered: Approve</b>", "Question: <b>Go?</b>"]


def test_a_task_that_asks_nobody_has_no_outcome(emulator: EmulatorThread, run: Run) -> None:
    class Works(BaseOperator):
        notifiers = (notifier(),)

        def execute(self, context: Any) -> None:
            return None

    run(Works(task_id="t"))
    assert emulator.messages() == []
