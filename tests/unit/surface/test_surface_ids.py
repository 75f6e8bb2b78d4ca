"""Ids as templates render them: stripped, never the text None, and refused by name before they cost anything."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from support.operator_runs import WRITTEN, context, fit, rendered, sent

from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.ids import optional_id, required_id
from airflow_channel_provider.operators.bulk import BulkNativeFunctionOperator, DataTableLoadOperator
from airflow_channel_provider.operators.channel_talk import (
    AppFunctionOperator,
    NativeFunctionOperator,
    RegisterCommandsOperator,
    WriteGroupMessageOperator,
    WriteUserChatMessageOperator,
)
from airflow_channel_provider.operators.commands import manager_user
from airflow_channel_provider.operators.dag_command import DagCommandOperator
from airflow_channel_provider.operators.paged_read import PagedReadOperator
from airflow_channel_provider.operators.users import UpdateUserChatStateOperator, UpsertMemberOperator
from airflow_channel_provider.sensors.channel_talk import UserChatStateSensor

pytestmark = pytest.mark.usefixtures("errors_as_they_are")

UUID_TEXT = "12345678-1234-5678-1234-567812345678"


@pytest.mark.parametrize(
    ("given", "read"), [("ch-1", "ch-1"), (" ch-1\n", "ch-1"), (7, "7"), (UUID(UUID_TEXT), UUID_TEXT)]
)
def test_an_id_is_a_text_without_blanks_around_it(given: Any, read: str) -> None:
    assert (required_id("a", given), optional_id("a", given)) == (read, read)


@pytest.mark.parametrize("given", [None, "", " \n"])
def test_an_id_that_is_not_given_is_empty(given: Any) -> None:
    assert optional_id("user_chat_id", given) is None
    with pytest.raises(ChannelConfigurationError, match=r"^user_chat_id is empty.*; give the id\.$"):
        required_id("user_chat_id", given)


@pytest.mark.parametrize("given", ["None", " None ", "null"])
@pytest.mark.parametrize("read", [required_id, optional_id])
def test_what_a_template_makes_of_none_is_no_id(read: Callable[..., Any], given: str) -> None:
    with pytest.raises(
        ChannelConfigurationError,
        match=r"^channel_id is empty: it is '.*', which a template makes of a missing",
    ):
        read("channel_id", given)


@pytest.mark.parametrize("given", [["ch-1"], {"id": 1}, True, 1.5, b"ch-1"])
@pytest.mark.parametrize("read", [required_id, optional_id])
def test_what_is_no_text_is_no_id(read: Callable[..., Any], given: Any) -> None:
    with pytest.raises(
        ChannelConfigurationError, match=f"^a must be a text or a whole number, not {type(given).__name__}"
    ):
        read("a", given)


OPERATORS: list[tuple[str, type[Any], dict[str, Any]]] = [
    ("user_chat_id", WriteUserChatMessageOperator, {"text": "hi"}),
    ("user_chat_id", UpdateUserChatStateOperator, {"state": "closed"}),
    ("user_chat_id", UserChatStateSensor, {"state": "closed"}),
    ("member_id", UpsertMemberOperator, {"tags": ["a"]}),
    ("group_id", WriteGroupMessageOperator, {"text": "hi"}),
    ("root_message_id", WriteGroupMessageOperator, {"text": "hi", "group_id": "g"}),
    ("app_id", AppFunctionOperator, {"method": "sum"}),
    ("app_id", RegisterCommandsOperator, {"commands": []}),
    ("channel_id", NativeFunctionOperator, {"method": "getChannel"}),
    ("channel_id", PagedReadOperator, {"method": "searchManagers"}),
    ("channel_id", BulkNativeFunctionOperator, {"method": "getChannel", "items": [1]}),
    ("table_name", DataTableLoadOperator, {"items": [{"a": 1}], "dead_letter": "/nowhere/a"}),
]


@pytest.mark.parametrize(("name", "kind", "more"), OPERATORS)
@pytest.mark.parametrize("template", ["{{ none }}", "{{ [1] }}"])
def test_an_id_that_is_none_costs_no_request(
    doors: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
    name: str,
    kind: type[Any],
    more: dict[str, Any],
    template: str,
) -> None:
    if "dead_letter" in more:
        more = {**more, "dead_letter": str(tmp_path / "a")}
    operator = rendered(kind(task_id="t", **{**more, name: template}))
    if template == "{{ [1] }}":
        setattr(operator, name, [1])  # as it is rendered to a native object
    monkeypatch.setattr(kind, "hook", doors.hook())
    with pytest.raises(ChannelConfigurationError, match=f"^{name} (is empty: it is 'None'|must be a text)"):
        operator.execute(context())
    assert (doors.client.calls, doors.manager.gets) == ([], [])


def test_blanks_around_ids_do_not_reach_the_service(doors: Any) -> None:
    operator = WriteGroupMessageOperator(
        task_id="t",
        group_id=" g ",
        root_message_id="\tm\n",
        channel_id=" ch-2 ",
        text="hi",
        deduplicate=False,
    )
    fit(operator, doors, WRITTEN).execute(context())
    ((_, params),) = sent(doors)
    assert {name: params[name] for name in ("groupId", "rootMessageId", "channelId")} == {
        "groupId": "g",
        "rootMessageId": "m",
        "channelId": "ch-2",
    }
    assert [channel for channel, _, _ in doors.manager.gets] == ["ch-2"]


def test_a_hook_reads_its_channel_as_an_operator_does(doors: Any) -> None:
    hook = doors.hook()
    assert hook.get_access_token(" ch-2 ") == "access-channel:ch-2-0"
    hook.call("getChannel", {"channelId": " ch-3 "})
    hook.call_app_function(" app ", "sum", channel_id=" ch-4 ")
    assert [channel for channel, _, _ in doors.manager.gets] == ["ch-2", "ch-3", "ch-4"]
    assert sent(doors)[-1][0] == "app/sum"
    for refused in ("None", ["ch-1"]):
        asks: list[Callable[[], Any]] = [
            partial(hook.get_access_token, refused),
            partial(hook.call, "getChannel", channel_id=refused),
            partial(hook.call, "getChannel", {"channelId": refused}),
            partial(hook.call_app_function, "app", "sum", channel_id=refused),
        ]
        for ask in asks:
            with pytest.raises(ChannelConfigurationError, match=r"^(channel_id|params\['channelId'\]) "):
                ask()
    assert len(doors.manager.gets) == 3


def test_managers_who_may_be_asked_or_may_command_have_ids() -> None:
    with pytest.raises(ChannelConfigurationError, match=r"^manager_id is empty; give the id of the manager"):
        manager_user(None)  # type: ignore[arg-type]
    for name in ("managers", "groups"):
        with pytest.raises(ChannelConfigurationError, match=f"^{name} is empty"):
            DagCommandOperator(task_id="t", name="n", **{name: ["m-1", None]})  # type: ignore[arg-type]
