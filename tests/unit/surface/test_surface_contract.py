"""What a hook does with the contract: refuses, warns once, or lets through; and what it says of a value."""

from __future__ import annotations

import json
import logging
from collections import UserDict
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import cases

from airflow_channel_provider import prepared_call, request_ids
from airflow_channel_provider.contract.functions import lookup
from airflow_channel_provider.contract.model import RetryClass
from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.hooks import channel_talk
from airflow_channel_provider.prepared_call import WAY_OUT, PreparedCall

MESSAGE: dict[str, Any] = {"channelId": "1", "userChatId": "2", "dto": {"plainText": "hi", "botName": "bot"}}
CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)
SECRET = "hush"


def check(method: str, params: Any, *, enforced: bool = True) -> None:
    found = prepared_call.check(lookup(method), params, enforce_contract=enforced)
    channel_talk.warn_once(PreparedCall(method, RetryClass.READ, params, warnings=found))


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_talk, "_warned", channel_talk._Warned())


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("getChannel", {"channelId": "1"}),
        ("registerCommands", {"appId": "a", "commands": []}),
        ("toggleCommand", {"channelId": "1", "appId": "a", "commandEnabled": False}),
        ("toggleCommand", {"channelId": "1", "appID": "a", "commandEnabled": False}),
        ("writeUserChatMessage", MESSAGE),
        ("writeUserChatMessageAsUser", {**MESSAGE, "dto": {"userId": "u"}}),
        ("writeUserChatMessage", {**MESSAGE, "dto": {**MESSAGE["dto"], "requestId": "", "managerId": ""}}),
        ("writeGroupMessage", {"channelId": "1", "groupId": "2", "dto": MESSAGE["dto"], "rootMessageId": ""}),
        ("searchManagers", {"channelId": "1", "pagination": {"sortOrder": 1, "since": "", "limit": 100}}),
        ("searchManagers", {"channelId": "1", "pagination": None}),
        ("getArticle", {}),
        ("getArticle", {"a": (1, 2), "b": True, "c": 10**30, "d": "\ud800"}),
        ("functionOfTomorrow", {"a": {"b": [None, 1.5]}}),
        ("getChannel", {"channelId": "1", "parameterOfTomorrow": {"a": 1}}),
    ],
)
def test_what_keeps_the_contract_passes(caplog: pytest.LogCaptureFixture, method: str, params: Any) -> None:
    check(method, params)
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("method", "params", "words"),
    [
        ("getChannel", {}, "params.channelId is required, it is absent ([proto] ch-proto-for-hackathon)"),
        ("getChannel", {"channelId": None}, "params.channelId is required, it is absent"),
        ("getChannel", {"channelId": " "}, "params.channelId is required, it is empty"),
        (
            "getChannel",
            {"channelID": "1"},
            "ch-proto-for-hackathon); you gave channelID, did you mean channelId? The call",
        ),
        ("getUserChat", {"user_chat_id": SECRET}, "; you gave user_chat_id, did you mean userChatId? The call"),
        ("getUserChat", {"chatId": "1"}, "; you gave chatId, did you mean userChatId? The call"),
        (
            "registerCommands",
            {"appId": "a", "commands": [{"name": SECRET * 8, "scope": "side", "actionFunctionName": "f"}]},
            ("params.commands[0].name must have 1 to 30 characters, it has 32 ([schema] app-sdk, schema of commands); "
            "params.commands[0].scope must be one of front, desk, it is another text ([schema] app-sdk, schema of "
            "commands); params.commands[0].alfMode is required, it is absent"),
        ),
        (
            "writeUserChatMessage",
            {**MESSAGE, "dto": {"botName": "b", "userId": SECRET}},
            "params.dto needs exactly one of botName, managerId, userId, it has botName and userId",
        ),
        (
            "searchManagers",
            {"channelId": "1", "pagination": {"limit": 501}},
            ("params.pagination.sortOrder is required, it is absent ([proto] ch-proto-for-hackathon); "
            "params.pagination.limit must be 1 to 500, it is larger"),
        ),
        (
            "listActiveOAuthManagerTargets",
            {"limit": 1, "channelId": SECRET},
            "params.channelId is no field here, it is given ([schema] app-sdk, schemas of native functions)",
        ),
        ("upsertAppDataTableRows", {"channelId": "1", "appId": "a", "tableName": "t", "rows": [[SECRET]]},
         "params.rows[0] must be an object, it is a list of 1 ([schema]"),
        (
            "createAppDataTable",
            {"appId": "a", "tableName": "t", "columns": [{"key": "k", "name": "n", "type": "string"}] * 7},
            "; and 2 more. The call was not sent.",
        ),
    ],
)  # fmt: skip
def test_what_breaks_it_is_refused_by_path_rule_and_size(method: str, params: Any, words: str) -> None:
    with pytest.raises(ChannelConfigurationError) as caught:
        check(method, params)
    message = str(caught.value)
    assert message.startswith(f"{method}: params")
    assert words in message
    assert SECRET not in message
    assert message.endswith(WAY_OUT)
    assert caught.value.method == method
    check(method, params, enforced=False)


TYPED = {"channelId": "1", "mediumType": 5, "address": SECRET}


def test_what_only_a_type_knows_is_warned_of_once_in_a_task(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    task: list[Any] = [(request_ids.TaskKey("d", "t", "r", -1), 1)]
    monkeypatch.setattr(request_ids, "current_task", lambda: task[0])
    for _ in range(3):
        check("findContactsByAddress", TYPED)
    assert caplog.messages == [
        (
            "findContactsByAddress: params.mediumType must be a text, it is a number ([type] app-sdk, types of native "
            "functions). It is sent all the same, since nothing is known to check that."
        )
    ]
    check("findContactsByAddress", {**TYPED, "mediumId": 5})  # another rule
    check("findContactsByUser", {**TYPED, "userId": "u"})  # another function
    assert len(caplog.messages) == 3
    task[0] = (task[0][0], 2)  # another try
    check("findContactsByAddress", TYPED)
    assert len(caplog.messages) == 4
    check("findContactsByAddress", TYPED, enforced=False)
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 4
    assert SECRET not in caplog.text


def test_the_places_of_a_list_are_one_rule(caplog: pytest.LogCaptureFixture) -> None:
    for size in (1, 2, 3):
        blocks = [{"type": "text", "value": 5}] * size
        check("writeUserChatMessage", {**MESSAGE, "dto": {**MESSAGE["dto"], "blocks": blocks}})
    assert len(caplog.messages) == 1


def test_files_that_are_not_sure_to_be_taken_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    file = {"url": "https://example.com/a", "mime": "text/plain", "fileName": "a"}
    for size in (10, 11):
        check("writeUserChatMessage", {**MESSAGE, "dto": {**MESSAGE["dto"], "files": [file] * size}})
    assert len(caplog.messages) == 1
    assert "params.dto.files should have at most 10 items, it has 11 ([inf]" in caplog.messages[0]
    with pytest.raises(ChannelConfigurationError, match="must have at most 30 items, it has 31"):
        check("writeUserChatMessage", {**MESSAGE, "dto": {**MESSAGE["dto"], "files": [file] * 31}})


@pytest.mark.parametrize("enforced", [True, False])
@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({1: "a"}, "f: params has a key that is no text (int)."),
        ({"a": {None: 1}}, "f: params.a has a key that is no text (NoneType)."),
        (
            {"a": [0, {"b": float("nan")}]},
            "f: params.a[1].b is not a finite number, JSON has no NaN or Infinity.",
        ),
        ({"a": float("-inf")}, "f: params.a is not a finite number, JSON has no NaN or Infinity."),
        ({"a": Decimal(1)}, "f: params.a is a Decimal, which JSON can't hold."),
        ({"a": {"b": b"bytes"}}, "f: params.a.b is a bytes, which JSON can't hold."),
        ({"a": {1, 2}}, "f: params.a is a set, which JSON can't hold."),
        ({"a": UserDict()}, "f: params.a is a UserDict, which JSON can't hold."),
        ({"a": CIRCLE}, "f: params is nested too deeply or contains itself."),
    ],
)
def test_what_json_cannot_hold_is_refused_whatever_is_set(params: Any, message: str, enforced: bool) -> None:
    with pytest.raises(ChannelConfigurationError) as caught:
        check("f", params, enforced=enforced)
    assert str(caught.value) == message


@pytest.mark.fuzz
@cases(100)
@given(
    st.dictionaries(
        st.text() | st.integers(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.dates(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
            max_leaves=8,
        ),
    )
)
def test_what_passes_survives_json(params: Any) -> None:
    try:
        check("f", params)
    except ChannelConfigurationError:
        return
    assert json.loads(json.dumps(params, allow_nan=False)) == params


# ---- through the hook

BREAKS_IT = {"managerIds": ["m"] * 51}


def test_the_hook_sends_nothing_that_breaks_the_contract(doors: Any) -> None:
    with pytest.raises(ChannelConfigurationError, match="must have 1 to 50 items, it has 51"):
        doors.hook().call("batchGetManagers", BREAKS_IT)
    assert doors.client.calls == []


def test_its_argument_lets_it_through(doors: Any) -> None:
    doors.client.script = [{"managers": []}]
    doors.hook(contract="off").call("batchGetManagers", BREAKS_IT)
    assert len(doors.client.calls) == 1


def test_the_option_lets_it_through_where_the_argument_says_nothing(
    doors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__CONTRACT", "off")
    doors.client.script = [{"managers": []}]
    doors.hook().call("batchGetManagers", BREAKS_IT)
    with pytest.raises(ChannelConfigurationError):
        doors.hook(contract="strict").call("batchGetManagers", BREAKS_IT)
    assert len(doors.client.calls) == 1


@pytest.mark.parametrize("method", ["searchManagers", "listActiveOAuthManagerTargets"])
def test_a_page_that_is_too_large_breaks_the_contract_and_goes_with_it(doors: Any, method: str) -> None:
    with pytest.raises(
        ChannelConfigurationError, match=rf"^{method}: page_size must be from 1 to 500\. .* contract = off "
    ):
        list(doors.hook().iterate(method, page_size=501))
    assert doors.client.calls == []
    doors.client.script = [{}]
    assert list(doors.hook(contract="off").iterate(method, page_size=501)) == []
    assert len(doors.client.calls) == 1


def test_an_argument_without_meaning_is_refused(doors: Any) -> None:
    with pytest.raises(ChannelConfigurationError, match="argument contract must be strict or off"):
        doors.hook(contract="lenient").call("getChannel")
