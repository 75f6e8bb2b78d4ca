"""One-click answers in Airflow's own server: who answers what, once."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from support import command_dags
from support.airflow_features import leave_out_unless
from support.function_calls import KEY, body_of, command, put

from airflow_channel_provider.operators.commands import manager_user

if TYPE_CHECKING:
    from support.site import Site

leave_out_unless("airflow.models.hitl:HITLDetail", "before Airflow 3.1 a task can't ask people")

SOURCE = """
from airflow.sdk import DAG
from airflow_channel_provider.operators.approval import AskApprovalOperator
from airflow_channel_provider.operators.commands import manager_user

with DAG("asking", schedule=None):
    AskApprovalOperator(
        task_id="ask",
        group_id="group-1",
        subject="Send it?",
        assigned_users=[manager_user("m-1", "Mina", channel_talk_conn_id="app")],
    )
"""
MINA = manager_user("m-1", "Mina", channel_talk_conn_id="app")


@pytest.fixture(scope="module", autouse=True)
def _dags(site: Site, tmp_path_factory: pytest.TempPathFactory) -> None:
    command_dags.write(tmp_path_factory.mktemp("dags"), SOURCE)


@pytest.fixture(autouse=True)
def _connection(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {
        "conn_type": "channel_talk",
        "password": "a-secret-of-these-tests",
        "extra": {"signing_secret": KEY},
    }
    monkeypatch.setenv("AIRFLOW_CONN_APP", json.dumps(fields))
    monkeypatch.setenv("AIRFLOW_CONN_TWIN", json.dumps(fields))


@pytest.fixture
def asked(site: Site) -> Any:
    """A task that waits for an answer, as a worker leaves it."""
    from airflow.models.dagrun import DagRun
    from airflow.models.hitl import HITLDetail
    from airflow.models.log import Log
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunTriggeredByType, DagRunType
    from sqlalchemy import delete

    with create_session() as session:
        session.execute(delete(HITLDetail))
        session.execute(delete(DagRun))
        session.execute(delete(Log))
        row = SerializedDagModel.get("asking", session=session)
        assert row is not None
        run = row.dag.create_dagrun(
            run_id="run-1",
            run_after=datetime.now(timezone.utc),
            run_type=DagRunType.MANUAL,
            triggered_by=DagRunTriggeredByType.TEST,
            state=DagRunState.RUNNING,
            session=session,
        )
        (ti,) = run.get_task_instances(session=session)
        ti.state = "deferred"
        options = {"options": ["Approve", "Reject"], "subject": "Send it?", "multiple": False, "params": {}}
        session.add(HITLDetail(ti_id=ti.id, assignees=[MINA], **options))
        return ti.id


def set_state(ti_id: Any, state: str) -> None:
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import update

    with create_session() as session:
        session.execute(update(TaskInstance).where(TaskInstance.id == ti_id).values(state=state))


def click(
    site: Site, option: str = "Approve", *, manager: str = "m-1", app: str = "app", **changed: Any
) -> str:
    given = {
        "dag_id": "asking",
        "run_id": "run-1",
        "task_id": "ask",
        "map_index": -1,
        "option": option,
        **changed,
    }
    body = command("airflow.answer", manager=manager, **given)
    answer = put(site.anonymous, body, route=f"/afl/channel-talk/functions/{app}")
    assert answer.status_code == 200, answer.text
    message: str = answer.json()["result"]["attributes"]["message"]
    return message


def response() -> tuple[Any, Any]:
    from airflow.models.hitl import HITLDetail
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        detail = session.scalars(select(HITLDetail)).one()
        return detail.chosen_options, detail.responded_by


def test_the_assigned_manager_answers_once_and_is_in_the_audit_log(site: Site, asked: Any) -> None:
    assert click(site) == "You have answered: Approve."
    assert response() == (["Approve"], MINA)
    assert click(site, "Reject") == "This question is answered already: Approve, by Mina."
    assert click(site) == "This question is answered already: Approve, by Mina."
    assert response() == (["Approve"], MINA)
    events = site.as_("admin").get("/afl/api/v2/eventLogs", params={"dag_id": "asking"}).json()["event_logs"]
    assert [(entry["event"], entry["owner"]) for entry in events] == [("update_hitl_detail", MINA["id"])]


@pytest.mark.promise(name="commands")
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"manager": "m-2"}, "You are not asked."),
        ({"app": "twin"}, "You are not asked."),
        ({"task_id": "other"}, "This question is not there any more."),
        ({"map_index": 3}, "This question is not there any more."),
        ({"map_index": "x"}, "This question is not there any more."),
        ({"run_id": ""}, "This question is not there any more."),
        ({"option": "Burn"}, "This question has no such answer."),
    ],
)
def test_another_person_or_question_is_refused_in_words(
    site: Site, asked: Any, changes: dict[str, Any], words: str
) -> None:
    assert click(site, **changes).startswith(words)
    assert response() == (None, None)


def test_a_question_whose_task_has_ended_is_over(site: Site, asked: Any) -> None:
    set_state(asked, "failed")
    assert click(site).startswith("This question is over")
    assert response() == (None, None)


def test_a_question_whose_time_is_over_takes_no_answer(site: Site, asked: Any) -> None:
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import update

    def until(moment: datetime) -> None:
        with create_session() as session:
            session.execute(
                update(TaskInstance).where(TaskInstance.id == asked).values(trigger_timeout=moment)
            )

    until(datetime.now(timezone.utc) - timedelta(seconds=1))
    assert click(site) == "This question is over: nobody has answered in time."
    assert response() == (None, None)
    until(datetime.now(timezone.utc) + timedelta(hours=1))
    assert click(site) == "You have answered: Approve."


@pytest.mark.promise(name="commands")
def test_a_question_that_is_assigned_to_nobody_is_for_airflow_alone(site: Site, asked: Any) -> None:
    from airflow.models.hitl import HITLDetail
    from airflow.utils.session import create_session
    from sqlalchemy import update

    with create_session() as session:
        session.execute(update(HITLDetail).values(assignees=None))
    assert click(site).startswith("You are not asked.")
    assert response() == (None, None)


def test_the_command_is_announced_where_a_dag_asks(site: Site) -> None:
    found = put(site.anonymous, body_of("extension.command.metadata.getCommands")).json()["result"][
        "commands"
    ]
    assert [one["actionFunctionName"] for one in found] == ["airflow.answer"]
