"""Values are spelled in one dialect at a time, whichever they were set up in, and what people wrote is left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import cases

from airflow_channel_provider.contract import parts
from airflow_channel_provider.contract.shapes import Enumeration
from airflow_channel_provider.emulator.dialect import DIALECTS, plain_word, write_result, write_thing

if TYPE_CHECKING:
    from unit.emulator.conftest import Driver

MESSAGE: Any = {
    "botName": "b",
    "plainText": "hello",
    "options": ["MESSAGE_OPTION_SILENT_TO_USER", "MESSAGE_OPTION_PRIVATE"],
    "buttons": [{"title": "t", "action": {"type": "web"}, "colorVariant": "MESSAGE_COLOR_VARIANT_RED"}],
    "customPayload": {"createdAt": 1, "version": 2, "state": "sent", "empty": []},
}


@pytest.mark.parametrize(
    ("dialect", "spelled", "options", "color"),
    [
        (
            "protobuf",
            {"createdAt": "2023-11-14T22:13:20.250Z", "version": "1", "state": "MESSAGE_STATE_SENT"},
            MESSAGE["options"],
            "MESSAGE_COLOR_VARIANT_RED",
        ),
        (
            "plain",
            {"createdAt": 1_700_000_000_250, "version": 1, "state": "sent"},
            ["silentToUser", "private"],
            "red",
        ),
    ],
)
def test_a_message_is_answered_and_kept_in_one_dialect(
    make_driver: type[Driver], dialect: str, spelled: Any, options: list[str], color: str
) -> None:
    driver = make_driver(dialect=dialect)
    driver.time += 0.25
    message = driver.call("writeUserChatMessage", userChatId="chat-ch-1-1", dto=MESSAGE)["message"]
    assert {name: message[name] for name in spelled} == spelled
    assert (message["options"], message["buttons"][0]["colorVariant"]) == (options, color)
    assert message["customPayload"] == MESSAGE["customPayload"]
    assert driver.control("messages") == [message]


CHANNEL: Any = {
    "id": "x",
    "users": [
        {
            "id": "u",
            "lastSeenAt": "2023-11-14T22:13:20Z",
            "profile": {"joinedAt": 5, "type": "member", "tags": []},
            "web": {"lastSeenAt": 1_700_000_000_000, "sessionsCount": 3},
        }
    ],
    "user_chats": [
        {
            "id": "c",
            "state": "USER_CHAT_STATE_SNOOZED",
            "waitingTime": "1500",
            "operationWaitingTime": 700,
            "firstRepliedAtAfterOpen": 1_700_000_000_000,
            "missedReason": "notInOperation",
        }
    ],
    "groups": [{"id": "g", "title": "Desk", "scope": "GROUP_SCOPE_PUBLIC"}],
}


@pytest.mark.parametrize(
    ("dialect", "user", "chat", "group", "channel"),
    [
        (
            "protobuf",
            {"type": "USER_TYPE_MEMBER", "lastSeenAt": "2023-11-14T22:13:20Z"},
            {
                "state": "USER_CHAT_STATE_SNOOZED",
                "waitingTime": "1500",
                "operationWaitingTime": "700",
                "firstRepliedAtAfterOpen": "2023-11-14T22:13:20Z",
                "missedReason": "MISSED_REASON_NOT_IN_OPERATION",
                "version": "1",
            },
            {"title": "Desk", "scope": "GROUP_SCOPE_PUBLIC"},
            {"timezone": "Asia/Seoul", "country": "KR", "state": "CHANNEL_STATE_ACTIVE"},
        ),
        (
            "plain",
            {"type": "member", "lastSeenAt": 1_700_000_000_000, "blocked": False, "tags": []},
            {
                "state": "snoozed",
                "waitingTime": 1500,
                "operationWaitingTime": 700,
                "firstRepliedAtAfterOpen": 1_700_000_000_000,
                "missedReason": "notInOperation",
                "version": 1,
                "assigneeId": None,
                "closedAt": None,
            },
            {"title": "Desk", "name": "Desk", "scope": "public"},
            {"timeZone": "Asia/Seoul", "country": "KR", "state": "active"},
        ),
    ],
)
def test_things_are_answered_in_one_dialect_whichever_they_were_set_up_in(
    make_driver: type[Driver], dialect: str, user: Any, chat: Any, group: Any, channel: Any
) -> None:
    driver = make_driver(dialect=dialect, channels=[CHANNEL], apps=[{"app_id": "demo-app"}])
    found = {
        "user": driver.call("getUser", "x", userId="u")["user"],
        "chat": driver.call("getUserChat", "x", userChatId="c")["userChat"],
        "group": driver.call("getGroup", "x", groupId="g")["group"],
        "channel": driver.call("getChannel", "x")["channel"],
    }
    for name, expected in {"user": user, "chat": chat, "group": group, "channel": channel}.items():
        assert {key: found[name][key] for key in expected} == expected, name
    assert found["user"]["profile"] == CHANNEL["users"][0]["profile"]
    assert found["user"]["web"] == {"lastSeenAt": user["lastSeenAt"], "sessionsCount": 3}
    pagination = {"sortOrder": "SORT_ORDER_ASC", "limit": 1}
    assert driver.call("searchGroups", "x", pagination=pagination)["groups"] == [found["group"]]


def test_what_is_empty_is_left_out_where_protos_are_printed(make_driver: type[Driver]) -> None:
    driver = make_driver()
    chat = driver.call("getUserChat", userChatId="chat-ch-1-1")["userChat"]
    user = driver.call("getUser", userId="user-ch-1-1")["user"]
    group = driver.call("getGroup", groupId="group-ch-1-1")["group"]
    channel = driver.call("getChannel")["channel"]
    assert not {"assigneeId", "managerIds", "tags", "closedAt"} & set(chat)
    assert not {"blocked", "tags"} & set(user)
    assert "name" not in group
    assert "timeZone" not in channel


def test_the_dialect_changes_under_way(driver: Driver) -> None:
    spelled = []
    for dialect in (*DIALECTS, DIALECTS[0]):
        driver.emulator.configure({"dialect": dialect})
        spelled.append(driver.call("getUserChat", userChatId="chat-ch-1-1")["userChat"]["state"])
    assert spelled == ["USER_CHAT_STATE_OPENED", "opened", "USER_CHAT_STATE_OPENED"]


@pytest.mark.parametrize("value", [None, "", "soon", "2023-11-14T22:13:20", True, [5], {"at": 5}, 1e300])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_no_time_or_number_is_left_as_it_is(dialect: str, value: Any) -> None:
    thing = {"createdAt": value, "version": None if isinstance(value, float) else value}
    expected = thing if dialect == "plain" else {k: v for k, v in thing.items() if v or isinstance(v, dict)}
    assert write_thing("message", thing, dialect) == expected


def test_results_without_things_are_left_as_they_are() -> None:
    for result in ([{"state": "sent"}], None, {"schemas": [{"createdAt": 5}], "message": "text"}):
        assert write_result(result, "protobuf") == result


ENUMS = [parts.MESSAGE_OPTION, parts.MESSAGE_STATE, parts.MESSAGE_COLOR, parts.USER_CHAT_STATE]


@pytest.mark.parametrize("enum", ENUMS, ids=lambda enum: enum.prefix)
def test_each_name_of_an_enum_has_a_word_and_comes_back_from_it(enum: Enumeration) -> None:
    kind, field = {
        parts.MESSAGE_OPTION.prefix: ("message", "options"),
        parts.MESSAGE_STATE.prefix: ("message", "state"),
        parts.MESSAGE_COLOR.prefix: ("button", "colorVariant"),
        parts.USER_CHAT_STATE.prefix: ("userChat", "state"),
    }[enum.prefix]
    for name in enum.spelt:
        if not isinstance(name, str):
            continue
        word = plain_word(name, enum.prefix)
        assert word[0].islower()
        assert "_" not in word
        assert plain_word(word, enum.prefix) == word
        assert write_thing(kind, {field: word}, "protobuf") == {field: name}


@pytest.mark.fuzz
@cases(100)
@given(
    stamp=st.integers(min_value=1, max_value=4_000_000_000_000),
    version=st.integers(min_value=1, max_value=2**63 - 1),
    dialect=st.sampled_from(DIALECTS),
)
def test_a_thing_is_the_same_by_way_of_the_other_dialect(stamp: int, version: int, dialect: str) -> None:
    (other,) = set(DIALECTS) - {dialect}
    kept = {"createdAt": stamp, "version": version, "state": "sent", "options": ["private"]}
    straight = write_thing("message", kept, dialect)
    assert write_thing("message", write_thing("message", kept, other), dialect) == straight
