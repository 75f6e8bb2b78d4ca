"""Each operator, sensor and list gives the same, whichever dialect of values the service speaks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_channel_provider.emulator import DEMO_APP_ID, DEMO_SECRET, EmulatorThread
from airflow_channel_provider.emulator.dialect import DIALECTS
from airflow_channel_provider.exceptions import ChannelRequestError
from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
from airflow_channel_provider.notifications.channel_talk import ChannelTalkNotifier
from airflow_channel_provider.operators.bulk import BulkNativeFunctionOperator, DataTableLoadOperator
from airflow_channel_provider.operators.channel_talk import (
    AppFunctionOperator,
    NativeFunctionOperator,
    RegisterCommandsOperator,
    WriteGroupMessageOperator,
    WriteUserChatMessageOperator,
)
from airflow_channel_provider.operators.paged_read import PagedReadOperator
from airflow_channel_provider.operators.users import UpdateUserChatStateOperator, UpsertMemberOperator
from airflow_channel_provider.sensors.channel_talk import NativeFunctionSensor, UserChatStateSensor

pytestmark = pytest.mark.filterwarnings("ignore:.*cannot be called outside")

CHAT, GROUP = "chat-ch-1-1", "group-ch-1-1"


@pytest.fixture(scope="module")
def service() -> Iterator[EmulatorThread]:
    with EmulatorThread() as emulator:
        yield emulator


@pytest.fixture(params=DIALECTS)
def emulator(
    service: EmulatorThread, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> EmulatorThread:
    service.reset()
    service.configure(dialect=request.param)
    fields = {"conn_type": "channel_talk", "host": service.url, "login": DEMO_APP_ID, "password": DEMO_SECRET}
    monkeypatch.setenv(
        "AIRFLOW_CONN_CHANNEL_TALK_DEFAULT", json.dumps({**fields, "extra": {"channel_id": "ch-1"}})
    )
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", tmp_path.joinpath("store").as_uri())
    return service


@pytest.fixture
def is_protobuf(emulator: EmulatorThread, request: pytest.FixtureRequest) -> bool:
    return bool(request.node.callspec.params["emulator"] == "protobuf")


class State(dict[str, Any]):
    """Airflow's task state store."""

    set = dict.__setitem__


def done(operator: Any) -> Any:
    ti = SimpleNamespace(dag_id="d", task_id=operator.task_id, run_id="r", map_index=-1, try_number=1)
    return operator.execute({"ti": ti, "task_state_store": State()})


def test_messages(emulator: EmulatorThread) -> None:
    options = ["MESSAGE_OPTION_PRIVATE"]
    to_chat = WriteUserChatMessageOperator(
        task_id="chat", user_chat_id=CHAT, markdown="**now**", options=options
    )
    to_group = WriteGroupMessageOperator(task_id="group", group_name="Support", text="hello")
    ids = [done(operator) for operator in (to_chat, to_group)]
    assert [message["id"] for message in emulator.messages()] == ids
    assert [done(operator) for operator in (to_chat, to_group)] == ids
    reply = WriteGroupMessageOperator(
        task_id="reply", group_id=GROUP, text="more", root_message_id=ids[1], broadcast=True
    )
    assert done(reply) == emulator.messages(GROUP)[-1]["id"]
    assert emulator.messages(GROUP)[-1]["rootMessageId"] == ids[1]


def test_an_alert(emulator: EmulatorThread) -> None:
    notifier = ChannelTalkNotifier(group_id=GROUP, text="failed")
    notifier.notify({"dag_run": SimpleNamespace(dag_id="d", run_id="r", state="failed", clear_number=0)})
    assert len(emulator.messages(GROUP)) == 1


def test_a_chat_and_a_member(emulator: EmulatorThread, is_protobuf: bool) -> None:
    state: dict[str, Any] = {"task_id": "state", "user_chat_id": CHAT}
    snoozed = done(UpdateUserChatStateOperator(**state, state="snoozed", snooze_seconds=60))
    closed = done(UpdateUserChatStateOperator(**state, state="closed"))
    prefix = "USER_CHAT_STATE_" if is_protobuf else ""
    assert [chat["state"].upper() for chat in (snoozed, closed)] == [
        f"{prefix}SNOOZED",
        f"{prefix}CLOSED",
    ]
    assert isinstance(closed["closedAt"], str if is_protobuf else int)
    ids = [done(UpsertMemberOperator(task_id="u", member_id="m-9", tags=[tag])) for tag in ("a", "b")]
    user = done(NativeFunctionOperator(task_id="get", method="getUser", function_params={"userId": ids[1]}))[
        "user"
    ]
    assert (ids[0], user["tags"]) == (ids[1], ["b"])


def test_commands_and_an_app_function(emulator: EmulatorThread) -> None:
    command: Any = {"name": "order", "scope": "desk", "actionFunctionName": "show", "alfMode": "disable"}
    done(RegisterCommandsOperator(task_id="commands", commands=[command]))
    assert [kept["name"] for kept in emulator.commands(DEMO_APP_ID)] == ["order"]
    emulator.answer_app_function("other", "sum", result={"createdAt": 5, "state": "sent"})
    called = done(AppFunctionOperator(task_id="app", app_id="other", method="sum"))
    assert called == {"createdAt": 5, "state": "sent"}


@pytest.mark.parametrize("page_shape", ["next", "has_next"])
@pytest.mark.parametrize("method", ["searchManagers", "searchGroups"])
def test_a_list_is_read_to_its_end(emulator: EmulatorThread, method: str, page_shape: str) -> None:
    emulator.configure(page_shape=page_shape)
    found = done(PagedReadOperator(task_id="read", method=method, page_size=1))
    assert [item["id"] for item in found] == {
        "searchManagers": ["manager-ch-1-1", "manager-ch-1-2"],
        "searchGroups": ["group-ch-1-2", "group-ch-1-1"],
    }[method]


def test_many_calls_and_a_table(emulator: EmulatorThread) -> None:
    events = BulkNativeFunctionOperator(
        task_id="events",
        method="createEvent",
        items=[{"id": f"user-ch-1-{number}"} for number in range(1, 7)],
        function_params={"userId": "{{ item.id }}", "name": "bought"},
    )
    summary = done(events)
    assert (summary["succeeded"], summary["failed"]) == (5, 1)  # there is no sixth user
    rows = [{"n": number, "paid": number % 2 == 0} for number in range(150)]
    load = DataTableLoadOperator(task_id="load", table_name="orders", primary_key="n", items=rows)
    assert [done(load)["succeeded"] for _ in range(2)] == [150, 150]
    table = emulator.table(DEMO_APP_ID, "ch-1", "orders")
    assert (len(table["rows"]), table["revision"]) == (150, 1)


WAITS: list[tuple[Any, dict[str, Any]]] = [
    (UserChatStateSensor, {"user_chat_id": CHAT, "state": ["closed", "assigned"]}),
    (UserChatStateSensor, {"user_chat_id": CHAT, "state": "USER_CHAT_STATE_CLOSED"}),
    (NativeFunctionSensor, {"expect": {"userChat.state": "closed"}}),
    (NativeFunctionSensor, {"expect": {"userChat.state": "USER_CHAT_STATE_CLOSED"}}),
    (NativeFunctionSensor, {"expect": {"userChat.version": 2, "userChat.assigneeId": None}}),
    (NativeFunctionSensor, {"expect": {"userChat.version": "2", "userChat.tags": []}}),
]


@pytest.mark.parametrize(("sensor", "wanted"), WAITS)
def test_a_sensor_finds_what_it_awaits(emulator: EmulatorThread, sensor: Any, wanted: dict[str, Any]) -> None:
    if sensor is NativeFunctionSensor:
        wanted = {"method": "getUserChat", "params": {"userChatId": CHAT}, **wanted}
    awaits = sensor(task_id="wait", **wanted)
    looks = []
    for _ in range(2):
        result = awaits.poke({})
        looks.append(bool(getattr(result, "is_done", result)))
        emulator.change_user_chat(CHAT, state="closed")
    assert looks == [False, True]


@pytest.mark.parametrize("error_shape", ["legacy", "common_code"])
def test_a_refusal_is_understood(emulator: EmulatorThread, error_shape: str) -> None:
    emulator.configure(error_shape=error_shape)
    with ChannelTalkHook() as hook, pytest.raises(ChannelRequestError, match="user not found") as caught:
        hook.call("getUser", {"userId": "nobody"})
    assert caught.value.http_status == 404
