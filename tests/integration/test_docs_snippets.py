"""Each piece of Python on the pages is run as it stands, against the emulator; whole DAGs are in another file."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support import markdown
from support.airflow_features import (
    DAG_BAG,
    DEADLINES,
    PROVIDER_COMMANDS,
    QUESTIONS,
    RETRY_POLICY,
    needs,
)

from airflow_channel_provider.emulator import DEMO_APP_ID, DEMO_SECRET, EmulatorThread
from airflow_channel_provider.emulator.dialect import DIALECTS
from airflow_channel_provider.extract.windows import window_of

ROOT = Path(__file__).parents[2]
RUN = markdown.marked("run")
MANAGERS = ["Mina Seo", "Noah Weiss"]
TASK = {"dag_id": "d", "task_id": "t", "run_id": "r", "map_index": -1, "try_number": 1}


class State(dict[str, Any]):
    """Airflow's task state store."""

    set = dict.__setitem__


@pytest.fixture(params=DIALECTS)
def emulator(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[EmulatorThread]:
    with EmulatorThread({"dialect": request.param}) as emulator:
        channel_talk = {"conn_type": "channel_talk", "login": DEMO_APP_ID, "password": DEMO_SECRET}
        open_api = {
            "conn_type": "channel_talk_open_api",
            "login": "open-key-ch-1",
            "password": "open-secret-ch-1",
        }
        benlly = {"conn_type": "benlly", "password": "benlly-user-token"}
        for conn_id, fields, extra in (
            ("CHANNEL_TALK_DEFAULT", channel_talk, {"channel_id": "ch-1"}),
            ("CHANNEL_TALK_OPEN_API_DEFAULT", open_api, {}),
            ("BENLLY_DEFAULT", benlly, {"device": "android", "udid": "device-1"}),
        ):
            monkeypatch.setenv(
                f"AIRFLOW_CONN_{conn_id}", json.dumps({**fields, "host": emulator.url, "extra": extra})
            )
        monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", tmp_path.joinpath("store").as_uri())
        yield emulator


def run(name: str, text: str | None = None) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(text or RUN[name], f"docs, {name}", "exec"), names)
    return names


def executed(operator: Any) -> Any:
    dag_run = SimpleNamespace(start_date=datetime(2026, 1, 31, tzinfo=timezone.utc))
    operator.render_template_fields({"dag_run": dag_run})
    return operator.execute({"ti": SimpleNamespace(**TASK), "dag_run": dag_run})


def test_each_snippet_is_run_here() -> None:
    tests = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in RUN if f'"{name}"' not in tests] == []


def test_channel_talk_hook(emulator: EmulatorThread) -> None:
    emulator.answer_app_function("translator-app", "translate", result={"text": "안녕하세요"})
    names = run("channel_talk_hook")
    assert names["channel"]["channel"]["id"] == "ch-1"
    (message,) = emulator.messages("chat-ch-1-1")
    assert names["message"]["message"]["id"] == message["id"]
    assert names["answer"] == {"text": "안녕하세요"}
    assert names["works"]
    assert "9 token requests left" in names["what_was_found"]


def test_benlly_hook(emulator: EmulatorThread) -> None:
    names = run("benlly_hook")
    assert names["data"]["udid"] == "device-1"
    assert names["works"]
    assert "accepts the access token" in names["what_was_found"]


def test_open_api_hook(emulator: EmulatorThread) -> None:
    names = run("open_api_hook")
    assert names["name"] == "Cafe Morning"
    assert names["chat"]["state"] == "opened"
    assert names["hook"].get("/users/@member-7")["user"]["profile"] == {"name": "Mina"}


def test_open_api_operator(emulator: EmulatorThread) -> None:
    names = run("open_api_operator")
    assert len(executed(names["opened"])["userChats"]) == 10
    written = executed(names["answer"])["message"]
    (message,) = emulator.messages("chat-ch-1-1")
    assert (message["id"], message["plainText"]) == (written["id"], "We are on it since 2026-01-31.")


def test_user_chat_watcher(emulator: EmulatorThread) -> None:
    pytest.importorskip("airflow.triggers.shared_stream", reason="Before Airflow 3.3.2 nothing is shared.")
    names = run("user_chat_watcher")
    (watcher,) = names["opened_chats"].watchers
    assert watcher.name == "opened_chats"
    assert names["the_dag"].dag_id == "chats_that_were_opened"


def test_windows_of_yesterday() -> None:
    names = run("windows_of_yesterday")
    # In Seoul the next day has begun.
    context: Any = {
        "dag_run": SimpleNamespace(run_after=datetime(2026, 11, 2, 16, 30, tzinfo=timezone.utc)),
        "macros": SimpleNamespace(timedelta=timedelta),
    }
    for name, window in (
        ("utc", "20261101T000000Z_20261102T000000Z"),
        ("seoul", "20261101T150000Z_20261102T150000Z"),
    ):
        names[name].render_template_fields(context)
        assert window_of(names[name].window).name == window


@needs(*PROVIDER_COMMANDS)
def test_commands_on_a_shell(
    emulator: EmulatorThread, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.cli.cli_parser import get_parser

    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "")  # which the commands set; undone after the test
    shell = [block.text for _, block in markdown.all_blocks() if block.language == "shell"]
    shown = [line for text in shell for line in text.splitlines() if line.startswith("airflow channel ")]
    # The demo registers commands: that needs Airflow's database, and an api-server which is asked for them.
    lines = [line for line in dict.fromkeys(shown) if line != "airflow channel register"]
    for line in lines:
        arguments = get_parser().parse_args(shlex.split(line)[1:])
        arguments.func(arguments)
    printed = capsys.readouterr().out
    assert len(lines) == 3
    for word in ("Channel Talk accepted the App Secret", '"id": "chat-ch-1-1"', "9 of 10"):
        assert word in printed


def test_app_function_operator(emulator: EmulatorThread) -> None:
    emulator.answer_app_function("translator-app", "translate", result={"text": "주문"})
    translate = run("app_function_operator")["translate"]
    start_date = datetime(2026, 1, 31, tzinfo=timezone.utc)
    translate.render_template_fields({"dag_run": SimpleNamespace(start_date=start_date)})
    assert translate.execute({}) == {"text": "주문"}
    (call,) = [entry for entry in emulator.journal() if entry["method"] == "translate"]
    assert call["params"] == {"text": "Your order of 2026-01-31", "to": "ko"}


def test_blocks_with_escaped_values(emulator: EmulatorThread) -> None:
    greet = run("escaped_blocks")["greet"]
    greet.deduplicate = False
    greet.execute({})
    (message,) = emulator.messages("group-ch-1-1")
    assert message["blocks"][0]["value"] == (
        '<b>Kim &amp; &lt;Sons&gt;</b> wait for <link type="manager" value="manager-ch-1-1">@Mina Seo</link>'
    )


@needs(*DEADLINES)
def test_dag_with_a_deadline_alert(emulator: EmulatorThread) -> None:
    from airflow.triggers.callback import CallbackTrigger

    (deadline,) = run("deadline_alert")["dag"].deadline
    context = {"dag_run": {"dag_id": "nightly", "dag_run_id": "r"}, "deadline": {"id": "1"}}
    kwargs = {**deadline.callback.kwargs, "context": context}

    async def fire() -> list[str]:
        return [
            event.payload["state"] async for event in CallbackTrigger(deadline.callback.path, kwargs).run()
        ]

    assert asyncio.run(fire()) == ["running", "success"]
    (message,) = emulator.messages("group-ch-1-1")
    assert message["blocks"][0]["value"] == "<b>Deadline missed</b>"


@needs(*QUESTIONS)
def test_dag_that_asks_where(emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com/airflow")
    (task,) = run("ask_where")["dag"].tasks
    (notifier,) = task.notifiers
    notifier({"task": task, "ti": SimpleNamespace(**TASK, state="running")})
    (message,) = emulator.messages("group-ch-1-1")
    assert message["blocks"][0]["value"] == "<b>Where to?</b>"
    assert [button["title"] for button in message["buttons"]] == ["Seoul", "Busan"]
    assert "Jeju" in message["blocks"][-1]["blocks"][0]["value"]


@needs("airflow.sdk:DAG", "Before Airflow 3.0 a DAG is imported from elsewhere.")
def test_dag_with_its_alerts_in_a_thread(emulator: EmulatorThread) -> None:
    dag = run("alert_thread")["dag"]
    (task,) = dag.tasks
    for try_number, callbacks, state in (
        (1, task.on_retry_callback, "up_for_retry"),
        (2, task.on_success_callback, "success"),
    ):
        (callback,) = callbacks if isinstance(callbacks, list) else [callbacks]
        callback({"dag": dag, "ti": SimpleNamespace(**{**TASK, "try_number": try_number}, state=state)})
    failure, recovery = emulator.messages("group-ch-1-1")
    assert recovery["rootMessageId"] == failure["id"]


def test_params_of_bulk_calls_made_by_a_callable(emulator: EmulatorThread) -> None:
    summary = run("bulk_params")["send_events"].execute(
        {"ti": SimpleNamespace(**TASK), "task_state_store": State()}
    )
    assert (summary["succeeded"], summary["skipped"]) == (1, 1)
    (call,) = [entry for entry in emulator.journal() if entry["method"] == "createEvent"]
    assert call["params"]["property"] == {"amount": 3}


@needs(*RETRY_POLICY)
def test_task_with_a_retry_policy(emulator: EmulatorThread) -> None:
    assert run("retry_policy")["name_of_the_channel"].function() == "Cafe Morning"


def test_items_of_a_list_as_xcom(emulator: EmulatorThread) -> None:
    names = run("paged_read")
    assert [manager["name"] for manager in executed(names["managers"])] == MANAGERS
    assert executed(names["first_ten"]) == []


def test_items_of_a_list_in_a_file(emulator: EmulatorThread, tmp_path: Path) -> None:
    here = RUN["paged_read_to_a_file"].replace("file:///tmp/", f"{tmp_path.as_uri()}/")
    assert executed(run("paged_read_to_a_file", here)["export"])["count"] == 2
    (file,) = tmp_path.glob("channel_talk/*")
    assert file.name == "managers-20260131.jsonl"
    assert [json.loads(line)["name"] for line in file.read_text().splitlines()] == MANAGERS


def test_items_of_a_list_from_the_hook(emulator: EmulatorThread) -> None:
    assert run("iterate")["names"] == MANAGERS


@pytest.mark.parametrize(
    ("name", "found"),
    [("sensor_expect", {"userChat.assigneeId": "manager-ch-1-1"}), ("sensor_predicate", "manager-ch-1-1")],
)
def test_sensors(emulator: EmulatorThread, name: str, found: Any) -> None:
    taken = run(name)["taken"]
    assert taken.poke({}) is False
    emulator.change_user_chat("chat-ch-1-1", assignee_id="manager-ch-1-1")
    assert taken.poke({}).xcom_value == found


PYTEST = ("pytest_file", "pytest_settings", "pytest_dag")


@needs(*DAG_BAG)
def test_tests_of_dags_pass(tmp_path: Path) -> None:
    file = tmp_path / "test_my_dag.py"
    file.write_text("\n\n".join(RUN[name] for name in PYTEST), encoding="utf-8")
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags_examples"),
        "NO_PROXY": "127.0.0.1",
    }
    output = ""
    for command in (["airflow", "db", "migrate"], ["pytest", "-p", "no:cacheprovider", str(file)]):
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        output = done.stdout + done.stderr
        assert done.returncode == 0, output[-6000:]
    assert "6 passed" in output  # in both dialects
