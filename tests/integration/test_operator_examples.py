"""
The example DAGs, and one with what they do not show, run by Airflow against the emulator.

Airflow has a metadata database of its own here and expands, renders, defers and resumes for real.
"""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from airflow import __version__
from support.example_runs import MOST_SECONDS, NEED_A_SCHEDULER, airflow_environment, connections, run_dags

from airflow_channel_provider.emulator import DEMO_APP_ID, DEMO_SECRET, EmulatorProcess
from tools.demo.airflow_home import migrated_database

pytestmark = pytest.mark.timeout(MOST_SECONDS)

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "dags_examples"
RUN_HERE = [path for path in EXAMPLES.glob("*.py") if path.stem not in NEED_A_SCHEDULER]
AIRFLOW_URL = "https://airflow.example.com"
AWAITED = ("chat-ch-1-10", "chat-ch-3-9")

MORE = """
from airflow import __version__
from airflow.providers.common.compat.sdk import dag, task
from airflow_channel_provider.operators.channel_talk import NativeFunctionOperator
from airflow_channel_provider.sensors.channel_talk import UserChatStateSensor

@dag(schedule=None, params={"channelId": "of the dag"})
def more():
    @task
    def calls():
        chats = [("ch-1", "chat-ch-1-9"), ("ch-2", "chat-ch-2-9")]
        return [
            {"method": "getUserChat", "function_params": {"channelId": channel_id, "userChatId": chat_id}}
            for channel_id, chat_id in chats
        ]

    read = NativeFunctionOperator.partial(task_id="read").expand_kwargs(calls())

    @task
    def check(results):
        assert [result["userChat"]["id"] for result in results] == ["chat-ch-1-9", "chat-ch-2-9"]

    # The emulator refuses the first attempt for some seconds, and no wait may be sat out.
    deferred = NativeFunctionOperator(
        task_id="deferred",
        method="writeUserChatMessageAsManager",
        function_params={"userChatId": "chat-ch-3-9", "dto": {"plainText": "late", "managerId": "manager-ch-3-1"}},
        channel_id="ch-3",
        deferrable=True,
        max_wait_seconds=0,
    )
    # The desk closes the chat when it has been looked at.
    closed = UserChatStateSensor(
        task_id="closed",
        user_chat_id="chat-ch-3-9",
        channel_id="ch-3",
        state="closed",
        # dag.test() of Airflow 3.0 answers a sensor that asks when it began with a text, and no date.
        mode="poke" if __version__.startswith("3.0.") else "reschedule",
        poke_interval=1,
    )
    check(read.output) >> deferred >> closed

more()
"""


class Ran:
    def __init__(
        self, emulator: EmulatorProcess, states: dict[str, dict[str, str]], output: str, letters: list[str]
    ) -> None:
        self.emulator = emulator
        self.states = states
        self.output = output
        self.letters = letters


def looks_at(emulator: EmulatorProcess, chat_id: str) -> list[int]:
    return [
        entry["n"]
        for entry in emulator.journal()
        if entry["method"] == "getUserChat" and entry["params"]["userChatId"] == chat_id
    ]


@contextmanager
def desk(emulator: EmulatorProcess) -> Iterator[None]:
    """Somebody at the desk closes a chat once it has been looked at: a sensor always finds it open at first."""
    shut = threading.Event()

    def deal_with_chats() -> None:
        left = set(AWAITED)
        while left and not shut.wait(0.2):
            for chat_id in sorted(left):
                if looks_at(emulator, chat_id):
                    emulator.change_user_chat(chat_id, state="closed")
                    left.remove(chat_id)

    thread = threading.Thread(target=deal_with_chats)
    thread.start()
    try:
        yield
    finally:
        shut.set()
        thread.join()


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    home, dags = tmp_path_factory.mktemp("airflow-home"), tmp_path_factory.mktemp("dags")
    for path in RUN_HERE:
        shutil.copy(path, dags)
    dags.joinpath("more.py").write_text(MORE)
    with EmulatorProcess() as emulator, desk(emulator):
        late = "writeUserChatMessageAsManager"
        emulator.inject("rate_limit", method=late, shape="header", reset_after_seconds=5)
        environment = airflow_environment(str(home), str(dags)) | connections(
            emulator.url, str(home), app_id=DEMO_APP_ID, secret=DEMO_SECRET
        )
        environment["PYTHONPATH"] = str(ROOT)
        environment["AIRFLOW__API__BASE_URL"] = AIRFLOW_URL
        environment["AIRFLOW__WEBSERVER__BASE_URL"] = AIRFLOW_URL  # Airflow 2
        states, output = run_dags(environment, str(migrated_database()))
        letters = [path.read_text() for path in home.glob("dead_letters/campaign/*.jsonl")]
        yield Ran(emulator, states, output, letters)


def test_every_task_of_every_example_succeeds(ran: Ran) -> None:
    assert set(ran.states) == {path.stem for path in RUN_HERE} | {"more"}
    failed = {
        f"{dag_id}.{task}": state
        for dag_id, states in ran.states.items()
        for task, state in states.items()
        if state != "success"
    }
    assert failed == {}, ran.output


def test_mapped_task_instances_are_what_the_rows_say(ran: Ran) -> None:
    states = ran.states["example_channel_talk_notify_many"]
    assert sorted(name for name in states if name.startswith("notify")) == [f"notify[{i}]" for i in range(5)]
    assert sorted(name for name in states if name.startswith("check")) == [f"check[{i}]" for i in range(3)]


def test_messages_and_commands_arrive(ran: Ran) -> None:
    texts = [message.get("plainText") for message in ran.emulator.messages()]
    assert sorted(text for text in map(str, texts) if text.endswith("has been shipped.")) == [
        f"Order {number} has been shipped." for number in ("A-1001", "A-1002", "B-2001", "B-2002", "C-3001")
    ]
    assert texts.count("late") == 1
    assert len([text for text in map(str, texts) if "sale has begun" in text]) == 9
    assert len(texts) == 14 + 10
    assert sorted(str(command["name"]) for command in ran.emulator.commands("demo-app")) == ["order", "track"]


def test_alert_of_a_failed_try_and_of_its_recovery_arrive(ran: Ran) -> None:
    first, second = [
        message for message in ran.emulator.messages("group-ch-1-1") if message["personId"] == "Airflow"
    ]
    assert first["blocks"][0]["value"] == "<b>Task failed and will be tried again</b>"
    assert "Try: <b>1 of 2</b>" in [block["value"] for block in first["blocks"][1]["blocks"]]
    # dag.test() of Airflow 3.0 to 3.2 does not tell the callback of the error.
    told = [block["value"] for block in first["blocks"][2:]]
    assert told == (
        []
        if __version__.startswith(("3.0.", "3.1.", "3.2."))
        else ["ConnectionError: The orders of today are not there yet"]
    )
    (button,) = first["buttons"]
    url = button["action"]["attributes"]["url"]
    assert url.startswith(f"{AIRFLOW_URL}/dags/example_channel_talk_alerts/")
    assert re.fullmatch("<b>load_orders</b> of <b>.+</b> is done in try 2.", second["blocks"][0]["value"])


def test_message_in_markdown_arrives_with_its_buttons_and_files(ran: Ran) -> None:
    thanks, note = [message for message in ran.emulator.messages("chat-ch-1-2") if "blocks" in message]
    assert [block["type"] for block in thanks["blocks"]] == ["text", "text", "bullets", "text"]
    assert [button["title"] for button in thanks["buttons"]] == ["Track the parcel", "Ask us"]
    assert [file["fileName"] for file in thanks["files"]] == ["A-1002.pdf"]
    assert note["options"] == ["MESSAGE_OPTION_PRIVATE", "MESSAGE_OPTION_SILENT_TO_USER"]
    assert '<link type="manager" value="manager-ch-1-1">@Mina Seo</link>' in note["blocks"][0]["value"]


def test_follow_up_is_written_when_somebody_has_dealt_with_the_chat(ran: Ran) -> None:
    ask, follow_up = ran.emulator.messages("chat-ch-1-10")
    assert ask["createdAt"] < follow_up["createdAt"]
    assert len(looks_at(ran.emulator, "chat-ch-1-10")) >= 2
    assert "getUserChat: waiting in the triggerer" in ran.output
    assert "getUserChat: the condition is met" in ran.output


def test_a_campaign_tells_what_came_of_it_and_keeps_what_failed(ran: Ran) -> None:
    (told,) = [text for text in texts_of(ran) if text.startswith("The campaign")]
    assert "9 of 11 messages delivered, 2 failed (file://" in told
    (lines,) = ran.letters
    assert sorted(json.loads(line)["item"]["id"] for line in lines.splitlines()) == [11, 12]


def texts_of(ran: Ran) -> list[str]:
    return [str(message.get("plainText")) for message in ran.emulator.messages()]


def test_a_table_is_loaded(ran: Ran) -> None:
    table = ran.emulator.table("demo-app", "ch-1", "orders")
    assert sorted(row["number"] for row in table["rows"]) == [f"A-{number}" for number in range(1_000, 2_000)]
    assert table["schema"]["primaryKeyColumns"] == ["number"]


def test_all_examples_together_spend_one_token_request_per_scope(ran: Ran) -> None:
    scopes = sorted(str(entry["scope"]) for entry in ran.emulator.token_requests())
    assert scopes == ["app", "channel:ch-1", "channel:ch-2", "channel:ch-3"]


def test_devices_are_authorized_for_their_channels(ran: Ran) -> None:
    rows = [(row["udid"], row["channel_id"]) for row in ran.emulator.authorizations()]
    assert sorted(rows) == [
        ("phone-1", 1),
        ("phone-1", 2),
        ("phone-1", 3),
        ("tablet-1", 1),
        ("tablet-1", 2),
    ]
    logins = [entry for entry in ran.emulator.journal() if entry["path"] == "/api/oauth/token"]
    assert [entry["http_status"] for entry in logins] == [200]
    states = ran.states["example_benlly_authorize"]
    assert len([name for name in states if name.startswith("authorize[")]) == 4
    assert len([name for name in states if name.startswith("authorize_push[")]) == 2


def test_a_long_wait_is_spent_in_the_trigger_and_the_message_sent_once(ran: Ran) -> None:
    calls = [entry for entry in ran.emulator.journal() if entry["method"] == "writeUserChatMessageAsManager"]
    assert [entry["acted"] for entry in calls] == [False, True]
    assert calls[0]["request_id"] == calls[1]["request_id"] is not None
    assert "Waiting until" in ran.output
    assert "writeUserChatMessageAsManager: the wait is over" in ran.output
