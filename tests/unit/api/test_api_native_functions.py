from __future__ import annotations

import json
from collections import UserDict
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_channel_provider.api.native_functions import (
    CATALOGUE,
    NativeFunction,
    RetryClass,
    TokenScope,
    check_params,
    is_token_request,
    lookup,
)
from airflow_channel_provider.exceptions import ChannelConfigurationError

NAMES = [
    "issueToken",
    "refreshToken",
    "registerCommands",
    "getCommands",
    "toggleCommand",
    "getCommandChannelActivations",
    "registerExtension",
    "unregisterExtension",
    "getAlfTaskVersions",
    "getAppNotebookVersions",
    "listActiveOAuthManagerTargets",
    "createAppDataTable",
    "createAppDataTableSchema",
    "getAppDataTableSchema",
    "upsertAppDataTableRows",
    "checkInstall",
    "registerInstallHook",
    "registerToggleHook",
    "registerAppWidgets",
    "writeSystemLog",
    "writeGroupMessage",
    "writeGroupMessageAsManager",
    "writeUserChatMessage",
    "writeUserChatMessageAsManager",
    "writeUserChatMessageAsUser",
    "writeDirectChatMessageAsManager",
    "patchMessage",
    "getManager",
    "batchGetManagers",
    "searchManagers",
    "getRole",
    "getUser",
    "searchUser",
    "createLead",
    "createUser",
    "upsertMember",
    "patchUser",
    "deleteUser",
    "findOrCreateContactAndUser",
    "findContactsByUser",
    "findContactsByAddress",
    "createEvent",
    "getUserChat",
    "manageUserChat",
    "createUserChat",
    "findOrCreateUserChatByMedium",
    "updateUserChatState",
    "updateUserChatStateByUser",
    "startUserChatFromUserByMedium",
    "searchUserChatsByContact",
    "searchUserChatsByMedium",
    "submitHandlingWorkflowButton",
    "getGroup",
    "searchGroups",
    "getChannel",
    "createDirectChat",
    "findOrCreateDirectChat",
    "getPlugin",
    "registerCommerce",
    "deregisterCommerce",
    "createMediumLink",
    "deleteMediumLink",
    "searchUserChatSchemas",
    "searchUserSchemas",
    "searchEventSchemasByEventName",
    "createAppSchemas",
    "issueEntityToken",
    "searchArticles",
    "getArticle",
    "getRevision",
]
READS = ("get", "batchGet", "search", "list", "findContacts", "checkInstall")


def test_the_catalogue_holds_every_function_that_the_sources_name() -> None:
    assert list(CATALOGUE) == NAMES


def test_what_reads_is_a_read_and_nothing_else_is() -> None:
    reads = {name for name, function in CATALOGUE.items() if function.retry is RetryClass.READ}
    assert reads == {name for name in NAMES if name.startswith(READS)}


def test_messages_are_safe_with_a_request_id_only() -> None:
    with_id = {name for name, function in CATALOGUE.items() if function.retry is RetryClass.REQUEST_ID}
    assert with_id == {name for name in NAMES if "Message" in name} - {"patchMessage"}


def test_what_is_never_repeated() -> None:
    unsafe = {name for name, function in CATALOGUE.items() if function.retry is RetryClass.UNSAFE}
    assert unsafe == {
        *(
            "issueToken",
            "refreshToken",
            "createAppDataTable",
            "createAppDataTableSchema",
            "upsertAppDataTableRows",
        ),
        *("writeSystemLog", "createLead", "createUser", "createEvent", "manageUserChat", "createUserChat"),
        *(
            "startUserChatFromUserByMedium",
            "submitHandlingWorkflowButton",
            "createDirectChat",
            "registerCommerce",
        ),
        *("createMediumLink", "issueEntityToken"),
    }


def test_which_token_a_function_wants() -> None:
    by_scope = {scope: {n for n, f in CATALOGUE.items() if f.scope is scope} for scope in TokenScope}
    assert by_scope[TokenScope.NONE] == {"issueToken", "refreshToken"}
    assert by_scope[TokenScope.ANY] == {"toggleCommand", "checkInstall"}
    assert by_scope[TokenScope.APP] == {
        *(
            "registerCommands",
            "getCommands",
            "registerExtension",
            "unregisterExtension",
            "getAlfTaskVersions",
        ),
        *(
            "getAppNotebookVersions",
            "listActiveOAuthManagerTargets",
            "createAppDataTable",
            "createAppDataTableSchema",
        ),
        *("getAppDataTableSchema", "upsertAppDataTableRows", "registerInstallHook", "registerToggleHook"),
        "registerAppWidgets",
    }


def test_an_unknown_function_is_treated_with_caution() -> None:
    assert lookup("newFunction") == NativeFunction("newFunction", TokenScope.ANY, RetryClass.UNSAFE, ())
    check_params(lookup("newFunction"), {"anything": [1, None, {"a": 1.5}]})


def test_only_the_two_token_functions_are_token_requests() -> None:
    assert [name for name in [*NAMES, "newFunction"] if is_token_request(name)] == [
        "issueToken",
        "refreshToken",
    ]


MESSAGE = {"channelId": "1", "userChatId": "2", "dto": {"plainText": "hi", "botName": "bot"}}


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("getChannel", {"channelId": "1"}),
        ("getChannel", MappingProxyType({"channelId": "1"})),
        ("getChannel", UserDict(channelId="1")),
        ("registerCommands", {"appId": "a", "commands": []}),
        ("toggleCommand", {"channelId": "1", "appId": "a", "commandEnabled": False}),
        ("toggleCommand", {"channelId": "1", "appID": "a", "commandEnabled": False}),
        ("writeUserChatMessage", MESSAGE),
        ("writeUserChatMessageAsUser", {**MESSAGE, "dto": {"userId": "u"}}),
        ("listActiveOAuthManagerTargets", {"limit": 0}),
        ("getArticle", None),
        ("getArticle", {}),
        ("getArticle", {"a": (1, 2), "b": True, "c": 10**30, "d": "\ud800"}),
    ],
)
def test_complete_params_pass(method: str, params: Any) -> None:
    check_params(lookup(method), params)


CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)


@pytest.mark.parametrize(
    ("method", "params", "message"),
    [
        ("getChannel", {}, "getChannel: params lack channelId."),
        ("getChannel", None, "getChannel: params lack channelId."),
        ("getChannel", {"channelId": None}, "getChannel: params lack channelId."),
        ("getChannel", {"channelId": " "}, "getChannel: params lack channelId."),
        ("getChannel", {"channelID": "1"}, "getChannel: params lack channelId."),
        ("registerCommands", {}, "registerCommands: params lack appId, commands."),
        ("writeUserChatMessage", {"channelId": "1"}, "writeUserChatMessage: params lack userChatId, dto."),
        (
            "writeUserChatMessageAsManager",
            MESSAGE,
            "writeUserChatMessageAsManager: params lack dto.managerId.",
        ),
        (
            "writeUserChatMessageAsUser",
            {**MESSAGE, "dto": "hi"},
            "writeUserChatMessageAsUser: params lack dto.userId.",
        ),
        ("issueToken", {}, "issueToken: params lack secret."),
        (
            "getChannel",
            [("channelId", "1")],
            "getChannel: params must be a mapping of names to values, not list.",
        ),
        ("getChannel", "channelId", "getChannel: params must be a mapping of names to values, not str."),
        ("f", {1: "a"}, "f: params has a key that is no text (int)."),
        ("f", {"a": {None: 1}}, "f: params.a has a key that is no text (NoneType)."),
        (
            "f",
            {"a": [0, {"b": float("nan")}]},
            "f: params.a[1].b is not a finite number, JSON has no NaN or Infinity.",
        ),
        ("f", {"a": float("-inf")}, "f: params.a is not a finite number, JSON has no NaN or Infinity."),
        ("f", {"a": Decimal(1)}, "f: params.a is a Decimal, which JSON can't hold."),
        ("f", {"a": {"b": b"bytes"}}, "f: params.a.b is a bytes, which JSON can't hold."),
        ("f", {"a": {1, 2}}, "f: params.a is a set, which JSON can't hold."),
        ("f", {"a": UserDict()}, "f: params.a is a UserDict, which JSON can't hold."),
        ("f", {"a": CIRCLE}, "f: params is nested too deeply or contains itself."),
    ],
)
def test_wrong_params_are_refused_by_name(method: str, params: Any, message: str) -> None:
    with pytest.raises(ChannelConfigurationError) as caught:
        check_params(lookup(method), params)
    assert str(caught.value) == message
    assert caught.value.method == method


@settings(deadline=None)
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
        check_params(lookup("f"), params)
    except ChannelConfigurationError:
        return
    assert json.loads(json.dumps(params, allow_nan=False)) == params
