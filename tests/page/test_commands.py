"""Commands in Airflow's own server: who may run which DAG, with what, and that it is one run."""

from __future__ import annotations

import json
import logging
import sqlite3
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import command_dags
from support.function_calls import KEY, ROUTE, body_of, command, put
from support.fuzzing import cases

from airflow_channel_provider.contract.signing import signature_of, signing_key_of

if TYPE_CHECKING:
    from support.site import Site

REPORT = "airflow.run.daily.2dreport"
SUGGEST = "airflow.suggest.daily.2dreport"


@pytest.fixture(scope="module", autouse=True)
def _dags(site: Site, tmp_path_factory: pytest.TempPathFactory) -> None:
    command_dags.write(tmp_path_factory.mktemp("dags"))


@pytest.fixture(autouse=True)
def _no_runs(site: Site) -> None:
    from airflow.models.dagrun import DagRun
    from airflow.models.log import Log
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    with create_session() as session:
        session.execute(delete(DagRun))
        session.execute(delete(Log))


@pytest.fixture(autouse=True)
def _connections(monkeypatch: pytest.MonkeyPatch) -> None:
    for conn_id, extra in (("APP", {"signing_secret": KEY}), ("KEYLESS", {})):
        fields = {"conn_type": "channel_talk", "password": "a-secret-of-these-tests", "extra": extra}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id}", json.dumps(fields))


def runs() -> list[Any]:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        found = session.scalars(select(DagRun).order_by(DagRun.id)).all()
        session.expunge_all()
        return list(found)


def said(site: Site, body: bytes) -> str:
    answer = put(site.anonymous, body)
    assert answer.status_code == 200, answer.text
    result = answer.json()["result"]
    assert result["type"] == "text"
    message: str = result["attributes"]["message"]
    return message


# ------------------------------------------------------------------------------------------------------- discovery


def test_the_declared_commands_of_the_app_are_announced(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    found = put(site.anonymous, body_of("extension.command.metadata.getCommands")).json()["result"][
        "commands"
    ]
    assert [one["name"] for one in found] == ["nobody", "paused", "report"]
    assert found[2] == {
        "name": "report",
        "description": "Makes a report",
        "scope": "desk",
        "alfMode": "disable",
        "systemVersion": "v1",
        "enabledByDefault": True,
        "actionFunctionName": REPORT,
        "autoCompleteFunctionName": SUGGEST,
        "paramDefinitions": [
            {
                "name": "city",
                "type": "string",
                "required": False,
                "description": "Whose numbers",
                "choices": [{"name": "Seoul", "value": "Seoul"}, {"name": "Busan", "value": "Busan"}],
            },
            {"name": "days", "type": "int", "required": True},
            {"name": "note", "type": "string", "required": False, "autoComplete": True},
        ],
    }
    assert "DAG 'zz_same_name' is not offered as a command: its name is taken." in caplog.text


def test_its_functions_are_those_that_the_commands_name(site: Site) -> None:
    result = put(site.anonymous, body_of("extension.core.function.getFunctions")).json()["result"]
    names = [one["name"] for one in result["functions"] if not one["name"].startswith("airflow.hook.")]
    assert names == [
        "airflow.run.nobody",
        "airflow.run.paused",
        REPORT,
        SUGGEST,
    ]


# ---------------------------------------------------------------------------------------------------------- a run


@pytest.mark.fuzz
@pytest.mark.promise(name="commands")
@given(
    place=st.integers(min_value=0),
    bit=st.integers(0, 7),
    what=st.sampled_from(["body", "signature", "no signature", "verb", "in the query"]),
)
@cases(40)
def test_one_bit_that_is_wrong_starts_nothing(site: Site, place: int, bit: int, what: str) -> None:
    body = command(REPORT, days="3")
    signature = signature_of(signing_key_of(KEY), body)
    headers, verb, params = {"X-Signature": signature}, "PUT", {}
    if what == "body":
        at = place % len(body)
        body = body[:at] + bytes([body[at] ^ 1 << bit]) + body[at + 1 :]
    elif what == "signature":
        at = place % len(signature)
        headers = {
            "X-Signature": signature[:at] + ("A" if signature[at] != "A" else "B") + signature[at + 1 :]
        }
    elif what == "verb":
        verb = ["POST", "PATCH", "GET", "DELETE"][place % 4]
    else:
        headers, params = {}, {"x-signature": signature} if what == "in the query" else {}
    answer = site.anonymous.request(verb, ROUTE, content=body, headers=headers, params=params)
    assert answer.status_code == (405 if what == "verb" else 401)
    assert runs() == []


def test_a_command_starts_a_run(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    from airflow.models.log import Log
    from airflow.utils.session import create_session
    from sqlalchemy import select

    message = said(site, command(REPORT, days="3", city="Busan"))
    (run,) = runs()
    assert message == f"Started report. http://testserver/afl/dags/daily-report/runs/{run.run_id}"
    assert (run.dag_id, run.run_type, run.state) == ("daily-report", "manual", "queued")
    assert run.conf["city"] == "Busan"
    assert run.conf["days"] == 3
    assert run.conf["channel_talk"] == {
        "command": "report",
        "conn_id": "app",
        "channel_id": "ch-1",
        "manager_id": "m-1",
        "chat": {"type": "group", "id": "group-1", "root_message_id": None},
        "input": {"city": "Busan", "days": 3},
        "language": "ko",
    }
    with create_session() as session:
        (entry,) = session.scalars(select(Log).where(Log.event == "trigger_dag_run")).all()
        assert (entry.owner, entry.dag_id, entry.run_id) == (
            "Channel Talk manager m-1",
            "daily-report",
            run.run_id,
        )


def test_the_run_is_what_airflow_shows_to_people(site: Site) -> None:
    said(site, command(REPORT, days=1))
    (found,) = site.as_("admin").get("/afl/api/v2/dags/daily-report/dagRuns").json()["dag_runs"]
    assert found["conf"]["channel_talk"]["manager_id"] == "m-1"
    if "triggering_user_name" in found:  # Airflow >= 3.1
        assert found["triggering_user_name"] == "Channel Talk manager m-1"
    events = site.as_("admin").get("/afl/api/v2/eventLogs", params={"dag_id": "daily-report"}).json()
    assert [entry["owner"] for entry in events["event_logs"]] == ["Channel Talk manager m-1"]


def test_a_command_that_comes_again_is_the_same_run(site: Site) -> None:
    body = command(REPORT, days=3)
    first, second = said(site, body), said(site, body)
    assert first.startswith("Started report.")
    assert second.startswith("report was started already; the same command counts once in ten minutes.")
    assert first.rpartition("/")[2] == second.rpartition("/")[2] == runs()[0].run_id
    # Another body is another command: of another manager, chat or argument.
    for other in (
        command(REPORT, days=4),
        command(REPORT, manager="m-2", days=3),
        command(REPORT, "c", days=3),
    ):
        assert said(site, other).startswith("Started report.")
    assert len(runs()) == 4


def test_after_ten_minutes_it_is_another_run(site: Site) -> None:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import update

    body = command(REPORT, days=3)
    said(site, body)
    for minutes, count in ((9, 1), (11, 2)):
        with create_session() as session:
            run_after = runs()[0].run_after
            session.execute(update(DagRun).values(run_after=run_after - timedelta(minutes=minutes)))
        said(site, body)
        assert len(runs()) == count
        with create_session() as session:
            session.execute(update(DagRun).values(run_after=run_after))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (command(REPORT, days="x"), "days must be a whole number."),
        (command(REPORT, days=9), "report was not started. Invalid input for param days: 9 is greater than"),
        (command(REPORT), "days is missing."),
        (command(REPORT, days=1, city="Daegu"), "city must be one of Seoul, Busan."),
        (command(REPORT, days=1, dag_id="other"), "There is no parameter dag_id."),
        (command(REPORT, days=1, channel_talk={"manager_id": "m-9"}), "There is no parameter channel_talk."),
        (command(REPORT, "group-2", manager="m-2", days=1), "You may not run report."),
        (command(REPORT, caller="user", days=1), "You may not run report."),
        (command("airflow.run.nobody"), "You may not run nobody."),
        (command("airflow.run.paused"), "The DAG paused is paused. Unpause it in Airflow, then try again."),
        (command("airflow.run.plain"), "This command is not there any more."),
        (command("airflow.run.of_another_app"), "This command is not there any more."),
        (command("airflow.run.never_was"), "This command is not there any more."),
    ],
)
def test_what_can_t_be_run_is_answered_in_the_chat_and_logged(
    site: Site, body: bytes, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert said(site, body).startswith(words)
    assert runs() == []
    (line,) = [record.getMessage() for record in caplog.records if "by a command" in record.getMessage()]
    assert "could not run DAG" in line


def test_input_may_come_as_a_list(site: Site) -> None:
    content = json.loads(command(REPORT))
    content["params"]["input"] = [{"name": "days", "value": 2}]
    said(site, json.dumps(content).encode())
    assert runs()[0].conf["days"] == 2


def test_a_stale_dag_is_no_command(site: Site) -> None:
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session
    from sqlalchemy import update

    def set_stale(is_stale: bool) -> None:
        with create_session() as session:
            session.execute(
                update(DagModel).where(DagModel.dag_id == "daily-report").values(is_stale=is_stale)
            )

    set_stale(True)
    try:
        assert said(site, command(REPORT, days=1)).startswith("This command is not there any more.")
        found = put(site.anonymous, body_of("extension.command.metadata.getCommands")).json()
        # The name is free for the other DAG now.
        assert [one["actionFunctionName"] for one in found["result"]["commands"]][
            2
        ] == "airflow.run.zz_same_name"
    finally:
        set_stale(False)


def test_an_outage_in_the_middle_starts_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_channel_provider.plugins import _commands

    class Lost:
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            from sqlalchemy.exc import OperationalError

            raise OperationalError("INSERT", {}, sqlite3.OperationalError("disk I/O error"))

    body = command(REPORT, days=3)
    with monkeypatch.context() as patch:
        patch.setattr(_commands, "Log", Lost)
        assert put(site.anonymous, body).status_code == 503
    assert runs() == []
    assert said(site, body).startswith("Started report.")


# ---------------------------------------------------------------------------------------------------- suggestions


def suggested(site: Site, function: str = SUGGEST, manager: str = "m-1", **typed: Any) -> list[str]:
    content = json.loads(command(function, "group-2", manager=manager))
    content["params"]["input"] = [
        {"name": name, "value": value, "focused": True} for name, value in typed.items()
    ]
    result = put(site.anonymous, json.dumps(content).encode()).json()["result"]
    assert set(result) == {"choices"}
    return [one["value"] for one in result["choices"]]


def test_examples_are_suggested_while_a_person_types(site: Site) -> None:
    assert suggested(site, note="") == ["short", "long"]
    assert suggested(site, note="SH") == ["short"]
    assert suggested(site, days="1") == []
    assert suggested(site, other="") == []
    assert suggested(site) == []


@pytest.mark.promise(name="commands")
def test_nothing_is_suggested_to_whoever_may_not_run_it(site: Site) -> None:
    assert suggested(site, manager="m-2", note="") == []
    assert suggested(site, function="airflow.suggest.nobody", note="") == []
    assert suggested(site, function="airflow.suggest.never_was", note="") == []
