"""What the chat of a command hears when its DAG run has ended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG
from support.airflow_features import leave_out_unless

leave_out_unless("airflow.sdk:DAG", "before Airflow 3 no command reaches Airflow")

from airflow_channel_provider.emulator import DEMO_APP_ID, DEMO_SECRET, EmulatorThread
from airflow_channel_provider.inbound.command_run import RUN_ID
from airflow_channel_provider.notifications.command_reply import CommandReplyNotifier


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[EmulatorThread]:
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", tmp_path.joinpath("store").as_uri())
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://flow.example/afl")
    with EmulatorThread() as emulator:
        fields = {"conn_type": "channel_talk", "host": emulator.url, "login": DEMO_APP_ID}
        monkeypatch.setenv("AIRFLOW_CONN_APP", json.dumps({**fields, "password": DEMO_SECRET}))
        yield emulator


class TaskInstance:
    """As much of one as the callback of a DAG has."""

    dag_id = "daily"

    def get_task_states(self, **asked: Any) -> dict[str, Any]:
        return {"run-1": {"load": "failed", "fetch": "success", "send": "upstream_failed", "count": "failed"}}


def context(kind: str, chat_id: str, *, state: str = "success", thread: str | None = None) -> dict[str, Any]:
    started_by = {
        "command": "report",
        "conn_id": "app",
        "channel_id": "ch-1",
        "manager_id": "manager-ch-1-1",
        "chat": {"type": kind, "id": chat_id, "root_message_id": thread},
        "input": {},
    }
    run = SimpleNamespace(
        dag_id="daily", run_id="run-1", conf={"channel_talk": started_by}, state=state, clear_number=0
    )
    reason = "success" if state == "success" else "task_failure"
    return {"dag_run": run, "run_id": "run-1", "reason": reason, "ti": TaskInstance()}


def reply(of: dict[str, Any], **content: Any) -> None:
    CommandReplyNotifier(**content)({"dag": DAG("daily"), **of})


def test_success_and_failure_are_replied_with_the_tasks_and_the_link(emulator: EmulatorThread) -> None:
    reply(context("group", "group-ch-1-1"))
    reply(context("userChat", "chat-ch-1-1", state="failed"))
    (done,), (failed,) = emulator.messages("group-ch-1-1"), emulator.messages("chat-ch-1-1")
    assert done["plainText"] == "report: daily has succeeded."
    assert failed["plainText"] == "report: daily has failed at count, load."
    assert "https://flow.example/afl/dags/daily/runs/run-1" in json.dumps(done)


def test_a_callback_that_runs_again_is_the_same_reply(emulator: EmulatorThread) -> None:
    for content in ({}, {}, {"text": "changed meanwhile"}):
        reply(context("group", "group-ch-1-1"), **content)
    assert len(emulator.messages("group-ch-1-1")) == 1


def test_the_author_says_what_is_in_it(emulator: EmulatorThread) -> None:
    reply(context("group", "group-ch-1-1"), text="For {{ dag_run.conf['channel_talk']['manager_id'] }}")
    assert emulator.messages("group-ch-1-1")[0]["plainText"] == "For manager-ch-1-1"


def test_any_content_takes_the_place_of_the_sentence(emulator: EmulatorThread) -> None:
    reply(context("group", "group-ch-1-1"), web_page={"url": "https://report.example", "title": "Report"})
    (message,) = emulator.messages("group-ch-1-1")
    assert message["webPage"]["title"] == "Report"
    assert not message.get("plainText")
    assert not message.get("buttons")


def test_a_command_of_a_thread_is_replied_to_there(emulator: EmulatorThread) -> None:
    root = emulator.write_message("group-ch-1-1", "/report", manager_id="manager-ch-1-1")["id"]
    reply(context("group", "group-ch-1-1", thread=root))
    assert emulator.messages("group-ch-1-1")[-1]["rootMessageId"] == root


@pytest.mark.parametrize("kind", ["directChat", "", "constructor"])
def test_where_no_bot_can_write_nobody_is_told(
    emulator: EmulatorThread, kind: str, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    reply(context(kind, "group-ch-1-1"))
    assert "gets no reply" in capsys.readouterr().out + caplog.text
    assert emulator.journal() == []
    assert emulator.messages("group-ch-1-1") == []


def test_a_run_without_a_command_and_an_airflow_that_knows_no_conf_are_left_alone(
    emulator: EmulatorThread, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    reply({"dag_run": SimpleNamespace(conf={"city": "Seoul"}), "run_id": "r", "reason": "success"})
    reply({"run_id": "r", "reason": "success"})
    sentence = "before Airflow 3.1 a callback can't know who has typed it"
    assert sentence not in capsys.readouterr().out + caplog.text
    reply({"run_id": f"{RUN_ID}0123__20261129T000000000000", "reason": "success"})
    assert sentence in capsys.readouterr().out + caplog.text
    assert emulator.journal() == []
