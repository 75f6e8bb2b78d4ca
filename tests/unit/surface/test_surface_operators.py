"""Operators that call a function: commands, arguments, results, waits and templates."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred, redact
from support.airflow_features import date_time_trigger, reschedule_exception
from support.operator_runs import WRITTEN, context, fit, rendered, sent

from airflow_channel_provider.contract.parts import CHOICE, COMMAND_PARAMETER
from airflow_channel_provider.contract.parts import COMMAND as COMMAND_SHAPE
from airflow_channel_provider.exceptions import (
    ChannelConfigurationError,
    ChannelRateLimitError,
    ChannelTokenQuotaError,
)
from airflow_channel_provider.operators.benlly import ChannelAuthorizeOperator, ChannelDeauthorizeOperator
from airflow_channel_provider.operators.channel_talk import (
    AppFunctionOperator,
    NativeFunctionOperator,
    RegisterCommandsOperator,
    WriteGroupMessageOperator,
    WriteUserChatMessageOperator,
)
from airflow_channel_provider.operators.commands import Command, CommandChoice, CommandParameter
from airflow_channel_provider.request_ids import TaskKey, for_task

pytestmark = pytest.mark.usefixtures("errors_as_they_are")

COMMAND = {"name": "order", "scope": "desk", "actionFunctionName": "showOrder", "alfMode": "disable"}


def minutes(number: float) -> datetime:
    return datetime.now(tz=timezone.utc) + timedelta(minutes=number)


# Commands


def test_commands_are_declared_with_a_warning(doors: Any, capsys: pytest.CaptureFixture[str]) -> None:
    operator = RegisterCommandsOperator(task_id="t", commands=json.dumps([COMMAND]), app_id="app-9")
    assert fit(operator, doors, None).execute_complete(context()) == ["order"]
    assert doors.client.calls == [
        ("registerCommands", {"commands": [COMMAND], "appId": "app-9"}, "access-app-0")
    ]
    assert "the service removed all others of the app: ['order']" in capsys.readouterr().out


FULL = Command(
    name="order",
    scope="desk",
    actionFunctionName="showOrder",
    alfMode="recommend",
    alfDescription="Shows the order {{ ds }}",
    description="d" * 100,
    nameDescI18nMap={"ko": {"name": "주문", "description": "{{ ds }}"}},
    buttonName="Order",
    buttonNameI18nMap={"ko": {"name": "주문"}},
    paramDefinitions=[
        {
            "name": "part",
            "type": "string",
            "required": True,
            "description": "Which",
            "alfDescription": "Which part",
            "nameDescI18nMap": {"ko": {"name": "부분", "description": "어느 부분"}},
            "choices": [
                {
                    "name": "All",
                    "value": "all",
                    "nameDescI18nMap": {"ko": {"name": "모두", "description": "x"}},
                },
                {"name": "Two", "value": 2},
                {"name": "Yes", "value": True},
            ],
            "autoComplete": True,
        }
    ],
    autoCompleteFunctionName="suggest",
    systemVersion="v1",
    enabledByDefault=True,
)


def test_a_command_has_all_that_the_service_knows_and_is_rendered(doors: Any) -> None:
    operator = RegisterCommandsOperator(task_id="t", commands=[FULL])
    fit(rendered(operator, ds="2026-01-31"), doors, None).execute_complete(context())
    (command,) = sent(doors)[0][1]["commands"]
    assert command.keys() == COMMAND_SHAPE.fields.keys()
    assert command["alfDescription"] == "Shows the order 2026-01-31"
    assert command["nameDescI18nMap"] == {"ko": {"name": "주문", "description": "2026-01-31"}}
    assert command["paramDefinitions"] == FULL["paramDefinitions"]
    assert command["paramDefinitions"][0].keys() == COMMAND_PARAMETER.fields.keys()
    assert command["paramDefinitions"][0]["choices"][0].keys() == CHOICE.fields.keys()


@pytest.mark.parametrize(
    ("kind", "shape"),
    [(Command, COMMAND_SHAPE), (CommandParameter, COMMAND_PARAMETER), (CommandChoice, CHOICE)],
)
def test_what_an_editor_shows_is_what_the_contract_says(kind: Any, shape: Any) -> None:
    assert kind.__annotations__.keys() == shape.fields.keys()
    # alfMode is needed as well; the operator fills it in.
    needed = {name for name, field in shape.fields.items() if field.required}
    assert {*kind.__required_keys__, *(["alfMode"] if kind is Command else [])} == needed


def test_a_command_that_does_not_speak_of_alf_is_not_offered_by_it(doors: Any) -> None:
    short = {name: value for name, value in COMMAND.items() if name != "alfMode"}
    operator = RegisterCommandsOperator(task_id="t", commands=[short])
    fit(operator, doors, None).execute_complete(context())
    assert sent(doors)[0][1]["commands"] == [COMMAND]


@pytest.mark.parametrize("count", [0, 30])
def test_up_to_thirty_commands_are_taken(doors: Any, count: int) -> None:
    operator = RegisterCommandsOperator(task_id="t", commands=[COMMAND] * count)
    assert fit(operator, doors, None).execute_complete(context()) == ["order"] * count


@pytest.mark.parametrize(
    ("commands", "words"),
    [
        ([COMMAND] * 31, r"params\.commands must have at most 30 items, it has 31"),
        ([COMMAND, {"name": "x", "scope": "desk"}], r"params\.commands\[1\]\.actionFunctionName is required"),
        ([{**COMMAND, "name": ""}], r"params\.commands\[0\]\.name is required, it is empty"),
        (
            [{**COMMAND, "name": "x" * 31}],
            r"params\.commands\[0\]\.name must have 1 to 30 characters, it has 31",
        ),
        ([{**COMMAND, "scope": "back"}], r"params\.commands\[0\]\.scope must be one of front, desk"),
        ([{**COMMAND, "alfMode": "on"}], r"params\.commands\[0\]\.alfMode must be one of disable, recommend"),
        ([{**COMMAND, "descripton": "x"}], r"params\.commands\[0\]\.descripton is no field here"),
        ([{**COMMAND, "paramDefinitions": [{"name": "a", "type": "text"}]}], r"paramDefinitions\[0\]"),
        (["order"], "Command 1 must be a mapping, not str"),
        ({"name": "x"}, "must be a list, not dict"),
        ("order", "not valid JSON"),
        (None, "must be a list, not NoneType"),
    ],
)
def test_invalid_commands_are_refused_before_anything_is_sent(doors: Any, commands: Any, words: str) -> None:
    operator = RegisterCommandsOperator(task_id="t", commands=commands)
    with pytest.raises(ChannelConfigurationError, match=words):
        fit(operator, doors).execute_complete(context())
    assert sent(doors) == []


# Functions


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        (None, {"channelId": "ch-1"}),
        ({"a": {"b": [1, None]}}, {"a": {"b": [1, None]}, "channelId": "ch-1"}),
        ('{"a": 1}', {"a": 1, "channelId": "ch-1"}),
        ("", {"channelId": "ch-1"}),
    ],
)
def test_native_function_takes_a_mapping_or_json_text(doors: Any, params: Any, expected: Any) -> None:
    operator = NativeFunctionOperator(task_id="t", method="getChannel", function_params=params)
    assert fit(operator, doors, {"id": "ch-1"}).execute_complete(context()) == {"id": "ch-1"}
    assert sent(doors) == [("getChannel", expected)]


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ("a text", "not valid JSON"),
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "params has the field 'c' twice in one object. Only one"),
        ("[1]", "mapping"),
        (["a"], "mapping"),
        ({"a": {1, 2}}, "params.a is a set, which JSON can't hold"),
        ({"a": datetime(2026, 1, 1, tzinfo=timezone.utc)}, "params.a is a datetime"),
        ({"a": float("nan")}, "params.a is not a finite number"),
    ],
)
def test_params_that_are_no_json_mapping_are_refused(doors: Any, params: Any, words: str) -> None:
    operator = NativeFunctionOperator(task_id="t", method="getChannel", function_params=params)
    with pytest.raises(ChannelConfigurationError, match=words):
        fit(operator, doors).execute_complete(context())
    assert sent(doors) == []


@pytest.mark.parametrize(
    ("deduplicate", "expected"), [(True, for_task(TaskKey("d", "t", "r", -1))), (False, None)]
)
def test_message_through_the_generic_operator_gets_the_id_of_its_task(
    doors: Any, deduplicate: bool, expected: str | None
) -> None:
    params = {"userChatId": "c", "dto": {"botName": "bot", "plainText": "hi"}}
    operator = NativeFunctionOperator(
        task_id="t", method="writeUserChatMessage", function_params=params, deduplicate=deduplicate
    )
    fit(operator, doors, WRITTEN).execute_complete(context())
    assert sent(doors)[0][1]["dto"].get("requestId") == expected


@pytest.mark.parametrize(("do_xcom_push", "calls"), [(True, 0), (False, 1)])
def test_token_as_a_result_is_kept_out_of_xcom(doors: Any, do_xcom_push: bool, calls: int) -> None:
    params = {"entityType": "user", "entityId": "u-1"}
    operator = NativeFunctionOperator(
        task_id="t", method="issueEntityToken", function_params=params, do_xcom_push=do_xcom_push
    )
    fit(operator, doors, {"entityToken": "entity-token-77"})
    if do_xcom_push:
        with pytest.raises(ChannelConfigurationError, match="XCom stores it unencrypted"):
            operator.execute_complete(context())
    else:
        assert operator.execute_complete(context()) == {"entityToken": "entity-token-77"}
        assert redact("it is entity-token-77") == "it is ***"
    assert len(sent(doors)) == calls


def test_token_in_an_object_is_masked_and_what_names_a_thing_is_not(doors: Any) -> None:
    params = {"entityType": "user", "entityId": "u-1"}
    operator = NativeFunctionOperator(
        task_id="t", method="issueEntityToken", function_params=params, do_xcom_push=False
    )
    plain = {"channelId": "channel-12345", "entityType": "user-chat", "expiresAt": "2026-01-31T00:00:00Z"}
    secret = {"token": "inner-token-78", "key": {"value": "deeper-token-79"}, "version": 12_345}
    fit(operator, doors, {"entityToken": {**plain, **secret}})
    assert operator.execute_complete(context()) == {"entityToken": {**plain, **secret}}
    assert redact("inner-token-78 and deeper-token-79") == "*** and ***"
    for text in plain.values():
        assert redact(f"it is {text}") == f"it is {text}"


def test_app_function_is_called(doors: Any) -> None:
    operator = AppFunctionOperator(
        task_id="t",
        app_id="app-2",
        method="sum",
        function_params={"a": 1},
        function_context='{"caller": {"id": "1"}}',
        system_version="{{ version }}",
    )
    assert fit(rendered(operator, version="v2"), doors, 3).execute_complete(context()) == 3
    assert sent(doors) == [("app-2/sum", {"a": 1})]
    assert doors.client.contexts == [{"caller": {"id": "1"}}]
    assert doors.client.versions == ["v2"]


# Waiting


LIMITS = [ChannelRateLimitError, ChannelTokenQuotaError]


@pytest.mark.parametrize("kind", LIMITS)
def test_long_wait_is_deferred_with_nothing_but_a_moment(doors: Any, kind: Any) -> None:
    retry_at = minutes(20)
    operator = WriteUserChatMessageOperator(task_id="t", user_chat_id="c", text="hi", deferrable=True)
    with pytest.raises(TaskDeferred) as deferred:
        fit(operator, doors, kind("quota", retry_at=retry_at)).execute_complete(context())
    trigger = deferred.value.trigger
    assert isinstance(trigger, date_time_trigger())
    assert (
        timedelta(0)
        < timedelta(seconds=trigger.moment.timestamp() - retry_at.timestamp())
        <= timedelta(seconds=31)
    )
    assert deferred.value.method_name == "execute_complete"
    assert list(deferred.value.kwargs or {}) == ["waiting_since"]
    assert set(trigger.serialize()[1]) <= {"moment", "target_time", "end_from_trigger"}
    assert len(sent(doors)) == 1
    assert doors.slept == []


def test_resumed_message_carries_the_same_request_id(doors: Any) -> None:
    operator = WriteUserChatMessageOperator(task_id="t", user_chat_id="c", text="hi", deferrable=True)
    fit(operator, doors, ChannelRateLimitError("x", retry_at=minutes(20)), WRITTEN)
    with pytest.raises(TaskDeferred):
        operator.execute(context())
    assert operator.execute_complete(context(), {"moment": "now"}) == "message-1"
    first, second = (params["dto"]["requestId"] for _, params in sent(doors))
    assert first == second


@pytest.mark.parametrize(("wait_minutes", "at_least"), [(20.0, 20.0), (0.9, 1.0)])
def test_long_wait_is_rescheduled_where_nothing_defers(
    doors: Any, wait_minutes: float, at_least: float
) -> None:
    error = ChannelTokenQuotaError("quota", retry_at=minutes(wait_minutes))
    operator = NativeFunctionOperator(task_id="t", method="getChannel", deferrable=False, max_wait_seconds=10)
    earliest = minutes(at_least) - timedelta(seconds=1)
    with pytest.raises(reschedule_exception()) as caught:
        fit(operator, doors, error).execute_complete(context())
    assert earliest <= caught.value.reschedule_date <= minutes(at_least) + timedelta(seconds=31)


@pytest.mark.parametrize("deferrable", [True, False])
def test_limit_that_nothing_explains_is_raised(doors: Any, deferrable: bool) -> None:
    operator = NativeFunctionOperator(
        task_id="t", method="getChannel", deferrable=deferrable, call_attempts=1
    )
    doors.manager.error = ChannelTokenQuotaError("quota")
    with pytest.raises(ChannelTokenQuotaError):
        fit(operator, doors).execute_complete(context())


@pytest.mark.parametrize(("option", "expected"), [("True", True), ("False", False), (None, False)])
def test_deferrable_follows_the_option_of_airflow(
    monkeypatch: pytest.MonkeyPatch, option: str | None, expected: bool
) -> None:
    if option is not None:
        monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", option)
    assert NativeFunctionOperator(task_id="t", method="m").deferrable is expected
    assert NativeFunctionOperator(task_id="t", method="m", deferrable=not expected).deferrable is not expected


def test_one_line_before_and_one_after(doors: Any, capsys: pytest.CaptureFixture[str]) -> None:
    operator = WriteUserChatMessageOperator(
        task_id="t", user_chat_id="c", text="private words", channel_id="ch-2"
    )
    fit(operator, doors, WRITTEN).execute_complete(context())
    logged = capsys.readouterr().out
    assert "writeUserChatMessage: calling, channel ch-2" in logged
    assert re.search(r"writeUserChatMessage: done in \d+\.\d\d s, channel ch-2, message message-1", logged)
    assert "private words" not in logged


# Templates


def test_nested_values_are_rendered() -> None:
    operator = rendered(
        NativeFunctionOperator(
            task_id="t", method="{{ m }}", function_params={"a": [{"b": "{{ x }}"}]}, channel_id="{{ c }}"
        ),
        m="getChannel",
        x=7,
        c="ch-7",
    )
    assert (operator.method, operator.function_params, operator.channel_id) == (
        "getChannel",
        {"a": [{"b": "7"}]},
        "ch-7",
    )


@pytest.mark.parametrize(
    ("operator_class", "required"),
    [
        (AppFunctionOperator, {"app_id": "a", "method": "m"}),
        (ChannelAuthorizeOperator, {"channel_id": 1}),
        (ChannelDeauthorizeOperator, {"channel_id": 1}),
        (NativeFunctionOperator, {"method": "m"}),
        (RegisterCommandsOperator, {"commands": []}),
        (WriteGroupMessageOperator, {}),
        (WriteUserChatMessageOperator, {"user_chat_id": "u"}),
    ],
)
def test_each_template_field_is_an_attribute_of_the_operator(operator_class: Any, required: Any) -> None:
    operator = operator_class(task_id="t", **required)
    assert [name for name in operator_class.template_fields if not hasattr(operator, name)] == []
