"""The operator that asks for approval, run by Airflow's own task runner against the emulator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.airflow_features import QUESTIONS, leave_out_unless
from support.questions import GROUP, answer, chosen, lines, notifier, parsed, ways

from airflow_channel_provider.emulator import DEMO_APP_ID, EmulatorThread

leave_out_unless(*QUESTIONS)

from airflow_channel_provider.inbound.commands import answer_of
from airflow_channel_provider.operators.approval import AskApprovalOperator
from airflow_channel_provider.operators.commands import manager_user

if TYPE_CHECKING:
    from support.task_run import Run

pytestmark = pytest.mark.usefixtures("dag", "airflow_address")


@parsed
def ask(**kwargs: Any) -> Any:
    return AskApprovalOperator(**{"task_id": "t", "subject": "Go?", "group_name": "{{ 'Sales' }}", **kwargs})


def test_the_operator_asks_and_tells_the_answer(emulator: EmulatorThread, run: Run) -> None:
    assert run(ask(body="*Now*")).state in ("awaiting_input", "deferred")
    outcome = answer(run, ask(body="*Now*"), "Approve")
    assert outcome.state == "success"
    assert outcome.xcom["chosen_options"] == ["Approve"]
    question, reply = emulator.messages("group-ch-1-2")
    assert lines(question)[:2] == ["<b>Go?</b>", "<i>Now</i>"]
    assert ways(question)["Reject"] == chosen("Reject")
    assert reply["rootMessageId"] == question["id"]
    assert lines(reply)[0] == "<b>Answered: Approve</b>"


def test_a_question_that_cannot_be_written_fails_the_operator(emulator: EmulatorThread, run: Run) -> None:
    outcome = run(ask(group_name="Nobody"))
    assert outcome.state == "failed"
    assert "No public group of the channel is called 'Nobody'" in str(outcome.error)


def test_an_answer_that_cannot_be_told_is_still_an_answer(emulator: EmulatorThread, run: Run) -> None:
    run(ask())
    assert answer(run, ask(group_name="Nobody"), "Approve").state == "success"


def test_what_arrives_in_the_operator_is_no_template(emulator: EmulatorThread, run: Run) -> None:
    subject = "{{ '{{ 1 + 1 }}' }}"
    run(ask(subject=subject, bot_name="{{ 'a{{ 2 }}' }}"))
    (message,) = emulator.messages("group-ch-1-2")
    assert lines(message)[0] == "<b>{{ 1 + 1 }}</b>"
    assert message["personId"] == "a{{ 2 }}"


def test_further_notifiers_of_the_operator_are_called(emulator: EmulatorThread, run: Run) -> None:
    run(ask(notifiers=[notifier()]))
    assert len(emulator.messages(GROUP)) == len(emulator.messages("group-ch-1-2")) == 1


# One click


def test_a_button_of_one_click_runs_the_command_that_answers(emulator: EmulatorThread, run: Run) -> None:
    task = AskApprovalOperator(
        task_id="t",
        group_id=GROUP,
        subject="Send it?",
        one_click=True,
        assigned_users=[manager_user("manager-ch-1-1", "Mina")],
    )
    run(task)
    (asked,) = emulator.messages(GROUP)
    actions = [button["action"] for button in asked["buttons"]]
    assert [action["type"] for action in actions] == ["command", "command"]
    assert actions[0]["attributes"] == {
        "appId": DEMO_APP_ID,
        "name": "answer-airflow",
        "params": {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1, "option": "Approve"},
    }
    assert answer_of(actions[1]["attributes"]["params"]) == ("d", "r", "t", -1, "Reject")
    answer(run, task, "Approve")
    reply = emulator.messages(GROUP)[-1]
    assert not reply.get("buttons")
