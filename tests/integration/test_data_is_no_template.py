"""
What arrives while a DAG runs is data, whatever way it takes into whichever operator, sensor or notifier.

The data here are texts that would be rendered to a secret, were they templates. Airflow's own task runner runs the
tasks, and what leaves the process is read on its way to the emulator.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from inspect import signature
from typing import Any
from urllib.parse import quote, unquote_plus, urlsplit

import pytest
from airflow.providers.common.compat.sdk import DAG, BaseOperator, task_group
from support.airflow_features import (
    NOTIFIERS_THAT_ARE_AWAITED,
    QUESTIONS,
    TASK_RUNNER,
    has,
    leave_out_unless,
    needs,
)
from support.fuzzing import AT_NIGHT, THOROUGH

from airflow_channel_provider.emulator import DEMO_APP_ID, DEMO_SECRET, EmulatorThread
from airflow_channel_provider.notifications.channel_talk import ChannelTalkNotifier
from airflow_channel_provider.operators.approval import AskApprovalOperator
from airflow_channel_provider.operators.benlly import ChannelAuthorizeOperator, ChannelDeauthorizeOperator
from airflow_channel_provider.operators.bulk import BulkNativeFunctionOperator, DataTableLoadOperator
from airflow_channel_provider.operators.channel_talk import (
    AppFunctionOperator,
    NativeFunctionOperator,
    RegisterCommandsOperator,
    WriteGroupMessageOperator,
    WriteUserChatMessageOperator,
)
from airflow_channel_provider.operators.extract import ExtractOperator
from airflow_channel_provider.operators.open_api import OpenApiOperator
from airflow_channel_provider.operators.paged_read import PagedReadOperator
from airflow_channel_provider.operators.users import UpdateUserChatStateOperator, UpsertMemberOperator
from airflow_channel_provider.sensors.channel_talk import NativeFunctionSensor, UserChatStateSensor

leave_out_unless(*TASK_RUNNER)

from support.arrivals import (
    BY_TEMPLATE,
    WAYS,
    WRITTEN_WAYS,
    Upstream,
    notifiers,
    operators,
)
from support.task_run import Run, task_instance

pytestmark = pytest.mark.promise(name="templates")

CANARY = "canary-4f6d0b1c"
BRACES = "{{ conn.canary.password }}"
TOLD = "{{conn.canary.password}}"
"""Of alerts and addresses; the other one is masked from when it has arrived as the token of a push service."""
DEEP = {"list": [BRACES, {"text": BRACES}]}
CHAT, GROUP = "chat-ch-1-1", "group-ch-1-1"
SETTINGS = {
    "channels": [{"id": "ch-1", "groups": [{"id": GROUP, "name": "Sales"}, {"id": BRACES, "name": BRACES}]}]
}

# What the DAG file writes, and what arrives: something with which an operator gets as far as to send it. One without a
# row gets braces as each argument that it needs.
SENT: dict[type[Any], tuple[dict[str, Any], dict[str, Any]]] = {
    AskApprovalOperator: ({"group_id": GROUP}, {"subject": BRACES}),
    AppFunctionOperator: ({"app_id": DEMO_APP_ID, "method": "echo"}, {"function_params": {"text": BRACES}}),
    BulkNativeFunctionOperator: (
        {"method": "writeUserChatMessage", "items": [1]},
        {"function_params": {"userChatId": CHAT, "dto": {"plainText": BRACES, "botName": "Shop"}}},
    ),
    ChannelAuthorizeOperator: ({"channel_id": 1}, {"token": BRACES}),
    ChannelDeauthorizeOperator: ({}, {"channel_id": BRACES}),
    DataTableLoadOperator: (
        {"table_name": "orders", "primary_key": "id"},
        {"items": [{"id": 1, "text": BRACES}]},
    ),
    ExtractOperator: ({"path": "memory://files"}, {"stream": BRACES}),
    NativeFunctionOperator: ({"method": "getUserChat"}, {"function_params": {"userChatId": BRACES}}),
    NativeFunctionSensor: (
        {"method": "getUserChat", "expect": {"userChat.state": "closed"}, "tolerated_failures": 0},
        {"function_params": {"userChatId": BRACES}},
    ),
    OpenApiOperator: ({"path": "/user-chats/{userChatId}"}, {"path_params": {"userChatId": BRACES}}),
    PagedReadOperator: (
        {"method": "searchUserChatsByUserId", "items_field": "userChats"},
        {"function_params": {"userId": BRACES}},
    ),
    RegisterCommandsOperator: (
        {},
        {"commands": [{"name": "c", "scope": "desk", "actionFunctionName": "f", "description": BRACES}]},
    ),
    UpdateUserChatStateOperator: ({"state": "opened"}, {"user_chat_id": BRACES}),
    UpsertMemberOperator: ({"member_id": "m"}, {"profile": {"name": BRACES}}),
    UserChatStateSensor: ({"state": "closed", "tolerated_failures": 0}, {"user_chat_id": BRACES}),
    WriteGroupMessageOperator: ({"group_id": GROUP}, {"blocks": [{"type": "text", "value": BRACES}]}),
    WriteUserChatMessageOperator: ({"user_chat_id": CHAT}, {"text": BRACES}),
}
NEVER_SENT = {ChannelDeauthorizeOperator: "a whole number", ExtractOperator: "stream"}
MASKED = {AskApprovalOperator}
"""What people are asked shows no secret."""
# DagCommandOperator has no templates; AskApprovalOperator can't be made where a task can't ask people.
OPERATORS = [
    cls
    for cls in operators()
    if cls.template_fields and (cls is not AskApprovalOperator or has(QUESTIONS[0]))
]
PAIRS = {(cls, way): number + other for number, cls in enumerate(OPERATORS) for other, way in enumerate(WAYS)}
"""
Each operator with each way, numbered diagonally: of any two or three numbers in a row, each operator and each way has
one. The whole grid is for the night.
"""


def sent_by(cls: type[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the DAG file writes, and what arrives."""
    needed = [name for name, one in signature(cls.__init__).parameters.items() if one.default is one.empty]
    return SENT.get(cls) or ({}, {name: BRACES for name in needed if name in cls.template_fields})


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorThread]:
    with EmulatorThread(settings=SETTINGS) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Keeps the token from test to test."""
    return tmp_path_factory.mktemp("store").as_uri()


@pytest.fixture
def connection(emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch, store: str) -> Callable[..., None]:
    """Sets what is not as usual in the connection to Channel Talk."""
    address = urlsplit(emulator.url)
    common = {"host": address.hostname, "port": address.port, "schema": "http"}

    def set_it(conn_id: str = "channel_talk_default", **fields: Any) -> None:
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps({**common, **fields}))

    def set_extra(**extra: str) -> None:
        app = {"login": DEMO_APP_ID, "password": DEMO_SECRET}
        set_it(conn_type="channel_talk", **app, extra={"channel_id": "ch-1", **extra})

    set_extra()
    set_it(
        "benlly_default",
        conn_type="benlly",
        password="benlly-user-token",
        extra={"device": "web", "udid": "u-1"},
    )
    open_api = {"login": "open-key-ch-1", "password": "open-secret-ch-1"}
    set_it("channel_talk_open_api_default", conn_type="channel_talk_open_api", **open_api)
    set_it("canary", conn_type="http", password=CANARY)
    monkeypatch.setenv("AIRFLOW_VAR_ARRIVED", BRACES)
    monkeypatch.setenv("AIRFLOW_VAR_TOLD", TOLD)
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", store)
    return set_extra


@pytest.fixture
def sent(connection: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What leaves this process for the services."""
    sent: list[str] = []
    send = HTTPConnection.send

    def noting(self: HTTPConnection, data: Any) -> None:
        sent.append(data if isinstance(data, str) else bytes(data).decode())
        send(self, data)

    monkeypatch.setattr(HTTPConnection, "send", noting)
    return sent


def dag(*, native: bool = False) -> DAG:
    return DAG(
        "d", schedule=None, params={"arrived": BRACES, "told": TOLD}, render_template_as_native_obj=native
    )


def named_fields(templated: Any) -> dict[str, Any]:
    return {name: getattr(templated, name) for name in templated.template_fields}


# Operators and sensors


@pytest.mark.parametrize(
    ("cls", "way", "native"),
    [
        pytest.param(
            cls, way, native, id=f"{cls.__name__}-{way.__name__}-{'native' if native else ''}", marks=AT_NIGHT
        )
        for (cls, way), number in PAIRS.items()
        for native in ((False, True) if THOROUGH else (bool(number % 2),))
    ],
)
def test_each_field_stays_as_it_arrives(cls: Any, way: Any, native: bool, run: Run, sent: list[str]) -> None:
    fields = [
        name for name in cls.template_fields if not (is_rendered_later(cls, name) and way in BY_TEMPLATE)
    ]
    arriving = {name: (BRACES, DEEP)[number % 2] for number, name in enumerate(fields)}
    upstream = Upstream()
    with dag(native=native):
        operator = way(
            cls, {name: None for name in cls.template_fields if name not in fields}, arriving, upstream
        )
    outcome = run(operator, supervisor=upstream, map_index=0)
    for _ in ("rendered", "rendered again"):
        found = named_fields(outcome.ti.task)
        assert {name: found[name] for name in fields} == arriving
        outcome.ti.task.render_template_fields(outcome.ti.get_template_context())
    assert CANARY not in upstream.visible() + "".join(sent)


def is_rendered_later(cls: type[Any], field: str) -> bool:
    """Whether a field keeps its templates, for each item to be rendered."""
    return cls is BulkNativeFunctionOperator and field == "function_params"


@pytest.mark.parametrize(
    ("cls", "way"),
    [
        pytest.param(cls, way, id=f"{cls.__name__}-{way.__name__}", marks=AT_NIGHT)
        for (cls, way), number in PAIRS.items()
        if THOROUGH or number % 3 == 0
    ],
)
def test_braces_arrive_at_the_service(cls: Any, way: Any, run: Run, sent: list[str]) -> None:
    written, arriving = sent_by(cls)
    upstream = Upstream()
    with dag():
        operator = way(cls, written, arriving, upstream)
    outcome = run(operator, supervisor=upstream, map_index=0)
    if cls in NEVER_SENT:
        assert NEVER_SENT[cls] in str(outcome.error)
    else:
        assert BRACES in unquote_plus("".join(sent)), outcome.error
    assert CANARY not in upstream.visible() + "".join(sent)


@pytest.mark.parametrize("way", WRITTEN_WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("cls", [cls for cls in OPERATORS if cls not in NEVER_SENT])
def test_what_the_dag_file_writes_is_rendered(cls: Any, way: Any, run: Run, sent: list[str]) -> None:
    with dag():
        operator = way(cls, *sent_by(cls))
    run(operator, supervisor=Upstream(), map_index=0)
    assert ("***" if cls in MASKED else CANARY) in "".join(sent)
    assert BRACES not in unquote_plus("".join(sent))


@pytest.mark.parametrize("native", [False, True], ids=["", "native"])
@pytest.mark.parametrize("text", [BRACES, "+821012345678", "1_000_000", "'quoted'", "null"])
def test_a_text_of_an_item_arrives_as_it_is(native: bool, text: str, run: Run, sent: list[str]) -> None:
    upstream = Upstream()
    dto = {
        "botName": "Shop",
        "plainText": "{{ item.text }}",
        "customPayload": {"both": "{{ item.text }} {{ ds }}"},
    }
    with dag(native=native):
        operator = BulkNativeFunctionOperator(
            task_id="t",
            method="writeUserChatMessage",
            function_params={"userChatId": CHAT, "dto": dto},
            items=upstream([{"text": text}]),
        )
    run(operator, supervisor=upstream)
    (call,) = [json.loads(body) for body in sent if "writeUserChatMessage" in body]
    arrived = call["params"]["dto"]
    assert (arrived["plainText"], arrived["customPayload"]) == (text, {"both": f"{text} 2026-01-01"})
    assert CANARY not in "".join(sent)


def test_what_is_mapped_over_a_group_is_data_even_where_the_dag_file_wrote_it(
    run: Run, sent: list[str]
) -> None:
    @task_group
    def group(text: Any) -> None:
        made.append(WriteUserChatMessageOperator(task_id="t", user_chat_id=CHAT, text=text))

    made: list[Any] = []
    with dag():
        group.expand(text=[BRACES])
    assert run(made[0], map_index=0).state == "success"
    assert BRACES in "".join(sent)
    assert CANARY not in "".join(sent)


# Connections, and what the service answers


def test_what_a_connection_holds_is_no_template(run: Run, sent: list[str], connection: Any) -> None:
    connection(channel_id=BRACES, desk_url=f"https://desk.channel.io/{TOLD}")
    with dag():
        operator = WriteUserChatMessageOperator(task_id="t", user_chat_id=CHAT, text="hello")
    outcome = run(operator)
    assert f'"channelId":"{BRACES}"' in "".join(sent)
    assert outcome.link == f"https://desk.channel.io/{TOLD}/user-chats/{CHAT}"
    assert CANARY not in outcome.supervisor.visible() + "".join(sent)


def test_what_the_service_answers_is_no_template(
    run: Run, sent: list[str], connection: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    connection(desk_url="https://desk.channel.io/acme")
    upstream = Upstream()
    with dag():
        found = WriteGroupMessageOperator(task_id="found", group_name=upstream(BRACES), text="hello")
        wrong = WriteGroupMessageOperator(task_id="wrong", group_name=upstream(f"{BRACES}!"), text="hello")
    assert run(found, supervisor=upstream).link == f"https://desk.channel.io/acme/groups/{quote(BRACES)}"
    assert f"near it: '{BRACES}'" in str(run(wrong, supervisor=upstream).error)
    assert CANARY not in upstream.visible() + "".join(sent) + capsys.readouterr().out


# Notifiers


class Fails(BaseOperator):
    def execute(self, context: Any) -> None:
        raise ValueError(TOLD)


# What the DAG file writes into a notifier, and by which its text arrives.
ALERTS: dict[str, Callable[[Upstream], Any]] = {
    "exception": lambda upstream: "{{ exception | string }}",
    "dag_params": lambda upstream: "{{ params.told }}",
    "variable": lambda upstream: "{{ var.value.told }}",
    "pulled": lambda upstream: str(upstream(TOLD)),
    "xcom": lambda upstream: upstream(TOLD),
}


@pytest.fixture
def told(cls: Any, sent: list[str], monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What a notifier has been told to send; the fields as they are when it does."""
    seen: list[dict[str, Any]] = []
    monkeypatch.setattr(cls, "notify", lambda self, context: seen.append(named_fields(self)))
    return seen


@pytest.mark.parametrize("native", [False, True], ids=["", "native"])
@pytest.mark.parametrize("alert", ALERTS.values(), ids=ALERTS)
@pytest.mark.parametrize("cls", notifiers())
def test_each_field_of_a_notifier_gets_the_text_as_it_is(
    cls: Any, alert: Any, native: bool, run: Run, told: list[dict[str, Any]]
) -> None:
    upstream = Upstream()
    with dag(native=native):
        fields = {name: alert(upstream) for name in cls.template_fields}
        operator = Fails(task_id="t", on_failure_callback=cls(**fields))
    run(operator, supervisor=upstream)
    assert told == [dict.fromkeys(cls.template_fields, TOLD)]


@needs(*NOTIFIERS_THAT_ARE_AWAITED)
@pytest.mark.parametrize("native", [False, True], ids=["", "native"])
@pytest.mark.parametrize("alert", ALERTS.values(), ids=ALERTS)
@pytest.mark.parametrize("cls", notifiers())
def test_each_field_of_an_awaited_notifier_gets_the_text_as_it_is(
    cls: Any, alert: Any, native: bool, run: Run, told: list[dict[str, Any]]
) -> None:
    upstream = Upstream()
    with dag(native=native):
        fields = {name: alert(upstream) for name in cls.template_fields}
        operator = Fails(task_id="t")
    run(operator, supervisor=upstream)
    asyncio.run(awaited(cls(**fields, context=context_of(operator))))
    assert told == [dict.fromkeys(cls.template_fields, TOLD)]


async def awaited(notifier: Any) -> None:
    await notifier


def context_of(operator: Any) -> Any:
    return {**task_instance(operator).get_template_context(), "exception": ValueError(TOLD)}


@pytest.mark.parametrize("alert", [*ALERTS.values(), None], ids=[*ALERTS, "without a text of its own"])
def test_an_alert_arrives_with_the_braces_of_what_it_tells(
    emulator: EmulatorThread, alert: Any, run: Run, sent: list[str]
) -> None:
    upstream = Upstream()
    with dag():
        text = alert and alert(upstream)
        notifier = ChannelTalkNotifier(group_id=GROUP, text=text)
        operator = Fails(task_id="t", on_failure_callback=notifier)
    run(operator, supervisor=upstream)
    message = emulator.messages(GROUP)[-1]
    assert TOLD in (message["plainText"] if alert else message["blocks"][2]["value"])
    assert CANARY not in "".join(sent)
