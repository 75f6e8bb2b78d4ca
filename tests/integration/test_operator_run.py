"""Operators in Airflow's own task runner, against the emulator."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from airflow.providers.common.compat.sdk import DAG
from support.airflow_features import REDACTION_IN_THE_TASK, TASK_RUNNER, leave_out_unless, needs

from airflow_channel_provider.emulator import DEMO_SECRET, EmulatorThread
from airflow_channel_provider.exceptions import (
    ChannelAmbiguousResultError,
    ChannelAuthenticationError,
    ChannelConfigurationError,
    ChannelPermissionError,
)
from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
from airflow_channel_provider.operators.benlly import ChannelAuthorizeOperator
from airflow_channel_provider.operators.channel_talk import (
    NativeFunctionOperator,
    RegisterCommandsOperator,
    WriteGroupMessageOperator,
    WriteUserChatMessageOperator,
)
from airflow_channel_provider.operators.users import UpdateUserChatStateOperator, UpsertMemberOperator

leave_out_unless(*TASK_RUNNER)

from airflow.sdk.execution_time.comms import DeferTask, RescheduleTask
from support.task_run import Run, without_pauses

CHAT = "chat-ch-1-1"


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[EmulatorThread]:
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", tmp_path.joinpath("store").as_uri())
    monkeypatch.setattr(ChannelTalkHook, "__init__", without_pauses(ChannelTalkHook.__init__))
    with EmulatorThread() as emulator:
        address = urlsplit(emulator.url)
        common = {"host": address.hostname, "port": address.port, "schema": "http"}
        channel_talk = {"login": "demo-app", "password": DEMO_SECRET, "extra": {"channel_id": "ch-1"}}
        benlly = {"password": "benlly-user-token", "extra": {"device": "web", "udid": "u-1"}}
        push = {"conn_type": "http", "password": "push-service-token-1"}
        for conn_id, fields in {
            "channel_talk_default": {"conn_type": "channel_talk", **common, **channel_talk},
            "benlly_default": {"conn_type": "benlly", **common, **benlly},
            "push_service": push,
        }.items():
            monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))
        yield emulator


@pytest.fixture(autouse=True)
def dag() -> Iterator[DAG]:
    with DAG("d", schedule=None, params={"order": "A-1"}) as dag:
        yield dag


def message(**kwargs: Any) -> WriteUserChatMessageOperator:
    return WriteUserChatMessageOperator(
        **{"task_id": "t", "user_chat_id": CHAT, "text": "order {{ params.order }}", **kwargs}
    )


def spent(emulator: EmulatorThread) -> int:
    return len(emulator.token_requests())


@pytest.mark.parametrize(
    ("desk_url", "link"),
    [
        ("https://desk.channel.io/acme", f"https://desk.channel.io/acme/user-chats/{CHAT}"),
        ("", ""),
    ],
)
def test_link_to_the_chat_is_kept_by_airflow(
    emulator: EmulatorThread, run: Run, monkeypatch: pytest.MonkeyPatch, desk_url: str, link: str
) -> None:
    fields = json.loads(os.environ["AIRFLOW_CONN_CHANNEL_TALK_DEFAULT"])
    fields["extra"]["desk_url"] = desk_url
    monkeypatch.setenv("AIRFLOW_CONN_CHANNEL_TALK_DEFAULT", json.dumps(fields))
    assert run(message()).link == link


def test_message_is_rendered_sent_and_its_id_pushed(emulator: EmulatorThread, run: Run) -> None:
    outcome = run(message())
    (written,) = emulator.messages(CHAT)
    assert outcome.state == "success"
    assert (outcome.xcom, written["plainText"]) == (written["id"], "order A-1")
    assert outcome.rendered["text"] == "order A-1"


def test_retry_of_a_task_is_the_same_message(emulator: EmulatorThread, run: Run) -> None:
    operator = message()
    first, second = run(operator), run(operator, try_number=2)
    assert first.xcom == second.xcom is not None
    assert len(emulator.messages(CHAT)) == 1


def test_answer_that_gets_lost_leaves_exactly_one_message(emulator: EmulatorThread, run: Run) -> None:
    emulator.inject("close_after", method="writeUserChatMessage")
    assert run(message()).state == "success"
    assert len(emulator.messages(CHAT)) == 1


def test_without_deduplication_a_lost_answer_fails_the_task(emulator: EmulatorThread, run: Run) -> None:
    emulator.inject("close_after", method="writeUserChatMessage")
    outcome = run(message(deduplicate=False))
    assert isinstance(outcome.error, ChannelAmbiguousResultError)
    assert len(emulator.messages(CHAT)) == 1


def test_mapped_messages_have_a_text_and_an_id_of_their_own(emulator: EmulatorThread, run: Run) -> None:
    mapped = WriteUserChatMessageOperator.partial(task_id="t", bot_name="bot").expand_kwargs(
        [{"user_chat_id": CHAT, "text": "same"}, {"user_chat_id": CHAT, "text": "same"}]
    )
    ids = [run(mapped, map_index=index).xcom for index in (0, 1, 1)]
    assert ids[0] != ids[1] == ids[2]
    assert len(emulator.messages(CHAT)) == 2
    assert spent(emulator) == 1


def test_mapped_params_reach_the_function(emulator: EmulatorThread, run: Run) -> None:
    mapped = NativeFunctionOperator.partial(task_id="t", method="getUserChat").expand(
        function_params=[
            {"channelId": "ch-1", "userChatId": CHAT},
            {"channelId": "ch-2", "userChatId": "chat-ch-2-{{ 1 + 1 }}"},
        ]
    )
    outcomes = [run(mapped, map_index=index) for index in (0, 1)]
    assert [outcome.xcom["userChat"]["id"] for outcome in outcomes] == [CHAT, "chat-ch-2-2"]
    assert outcomes[1].rendered["function_params"] == {"channelId": "ch-2", "userChatId": "chat-ch-2-2"}


def test_group_is_found_by_its_name(emulator: EmulatorThread, run: Run) -> None:
    outcome = run(WriteGroupMessageOperator(task_id="t", group_name="Sales", text="hi"))
    (written,) = emulator.messages()
    assert (outcome.xcom, written["chatId"]) == (written["id"], "group-ch-1-2")


def test_group_that_is_not_there_names_one_near_it(emulator: EmulatorThread, run: Run) -> None:
    outcome = run(WriteGroupMessageOperator(task_id="t", group_name="Suport", text="hi"))
    assert isinstance(outcome.error, ChannelConfigurationError)
    assert "'Support'" in str(outcome.error)


def test_commands_are_registered_with_the_app_token(emulator: EmulatorThread, run: Run) -> None:
    command = {"name": "order", "scope": "desk", "actionFunctionName": "showOrder"}
    assert run(RegisterCommandsOperator(task_id="t", commands=[command])).xcom == ["order"]
    assert [entry["name"] for entry in emulator.commands("demo-app")] == ["order"]
    assert [entry["scope"] for entry in emulator.token_requests()] == ["app"]


# Waiting


@pytest.mark.parametrize("fault", ["quota", "rate_limit"])
@pytest.mark.parametrize("deferrable", [True, False])
def test_long_wait_frees_the_slot_and_the_message_is_sent_once_after_it(
    emulator: EmulatorThread, run: Run, fault: str, deferrable: bool
) -> None:
    if fault == "quota":
        emulator.inject("token_quota", shape="http_429_retry_after", retry_after_seconds=900)
    else:
        emulator.inject("rate_limit", method="writeUserChatMessage", shape="header", reset_after_seconds=900)
    outcome = run(message(deferrable=deferrable))
    soon, late = (datetime.now(tz=timezone.utc) + timedelta(seconds=s) for s in (880, 940))
    if deferrable:
        (deferred,) = outcome.supervisor.of(DeferTask)
        assert (outcome.state, deferred.next_method) == ("deferred", "execute_complete")
        assert deferred.classpath.endswith("DateTimeTrigger")
        assert "order" not in json.dumps(deferred.trigger_kwargs, default=str)
        assert CHAT not in json.dumps(deferred.trigger_kwargs, default=str)
    else:
        (rescheduled,) = outcome.supervisor.of(RescheduleTask)
        assert outcome.state == "up_for_reschedule"
        assert soon < rescheduled.reschedule_date < late
    assert emulator.messages(CHAT) == []


def test_resumed_task_sends_its_message(emulator: EmulatorThread, run: Run) -> None:
    emulator.inject("rate_limit", method="writeUserChatMessage", shape="header", reset_after_seconds=900)
    operator = message(deferrable=True)
    assert run(operator).state == "deferred"
    outcome = run(operator, next_method="execute_complete")
    assert outcome.state == "success"
    assert [written["id"] for written in emulator.messages(CHAT)] == [outcome.xcom]


# Refusals


def test_token_that_is_refused_once_costs_one_renewal(emulator: EmulatorThread, run: Run) -> None:
    emulator.inject("unauthorized", count=4, method="writeUserChatMessage")
    assert run(message()).state == "success"
    assert spent(emulator) == 2


def test_wrong_secret_fails_the_task_without_showing_it(
    emulator: EmulatorThread, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = urlsplit(emulator.url)
    wrong = {
        "host": address.hostname,
        "port": address.port,
        "schema": "http",
        "password": "d3Jvbmctc2VjcmV0LQ==",
    }
    monkeypatch.setenv("AIRFLOW_CONN_WRONG", json.dumps({"conn_type": "channel_talk", **wrong}))
    outcome = run(message(channel_talk_conn_id="wrong", channel_id="ch-1"))
    assert isinstance(outcome.error, ChannelAuthenticationError)
    assert "Connection 'wrong'" in str(outcome.error)
    assert "d3Jvbmct" not in str(outcome.error) + outcome.supervisor.visible()


def test_missing_permission_fails_the_task(emulator: EmulatorThread, run: Run) -> None:
    emulator.configure(
        apps=[{"app_id": "demo-app", "secret": DEMO_SECRET, "permissions": ["getUser"], "channels": ["ch-1"]}]
    )
    assert isinstance(run(message()).error, ChannelPermissionError)


# Secrets


@pytest.mark.promise(name="secrets")
def test_neither_token_nor_secret_reaches_the_supervisor_but_to_be_masked(
    emulator: EmulatorThread, run: Run
) -> None:
    outcome = run(message())
    masked = outcome.supervisor.masked()
    token = ChannelTalkHook().get_access_token()
    assert {token, DEMO_SECRET} <= masked
    for secret in masked:
        assert secret not in outcome.supervisor.visible()


@needs(*REDACTION_IN_THE_TASK)
def test_push_token_is_read_in_the_task_and_shown_nowhere(emulator: EmulatorThread, run: Run) -> None:
    outcome = run(
        ChannelAuthorizeOperator(task_id="t", channel_id=1, token="{{ conn.push_service.password }}")
    )
    assert outcome.state == "success"
    assert (outcome.xcom["udid"], "device_token" in outcome.xcom) == ("u-1", False)
    assert outcome.rendered["token"] == "***"
    assert "push-service-token-1" not in outcome.supervisor.visible()
    assert len(emulator.authorizations()) == 1


@needs(*REDACTION_IN_THE_TASK)
def test_mapped_authorizations(emulator: EmulatorThread, run: Run) -> None:
    mapped = ChannelAuthorizeOperator.partial(
        task_id="t", channel_id=1, token="{{ conn.push_service.password }}"
    ).expand(benlly_conn_id=["benlly_default"])
    outcome = run(mapped, map_index=0)
    assert outcome.state == "success"
    assert "push-service-token-1" not in outcome.supervisor.visible()


# People


def test_chat_is_snoozed_and_closed_and_a_member_created_and_changed(
    emulator: EmulatorThread, run: Run
) -> None:
    snoozed = run(
        UpdateUserChatStateOperator(task_id="t", user_chat_id=CHAT, state="snoozed", snooze_seconds=60)
    )
    closed = run(UpdateUserChatStateOperator(task_id="u", user_chat_id=CHAT, state="{{ 'closed' }}"))
    assert [outcome.xcom["state"] for outcome in (snoozed, closed)] == [
        "USER_CHAT_STATE_SNOOZED",
        "USER_CHAT_STATE_CLOSED",
    ]
    first = run(UpsertMemberOperator(task_id="v", member_id="m-9", profile={"name": "Ada", "city": "Seoul"}))
    second = run(UpsertMemberOperator(task_id="w", member_id="m-9", profile={"city": None}, tags=["vip"]))
    assert first.xcom == second.xcom is not None
    user = ChannelTalkHook().call("getUser", {"userId": first.xcom})["user"]
    assert (user["profile"], user["tags"]) == ({"name": "Ada", "city": None}, ["vip"])


def test_member_is_written_again_after_a_lost_answer(emulator: EmulatorThread, run: Run) -> None:
    emulator.inject("close_after", method="upsertMember")
    outcome = run(UpsertMemberOperator(task_id="t", member_id="m-9", tags=["vip"]))
    assert outcome.state == "success"
    assert ChannelTalkHook().call("searchUser", {"memberId": "m-9"})["user"]["id"] == outcome.xcom
