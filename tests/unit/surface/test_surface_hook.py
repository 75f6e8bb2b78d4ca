from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from airflow_channel_provider import request_ids
from airflow_channel_provider.exceptions import (
    ChannelAmbiguousResultError,
    ChannelAuthenticationError,
    ChannelConfigurationError,
    ChannelError,
    ChannelNotSentError,
    ChannelPermissionError,
    ChannelRateLimitError,
    ChannelTokenQuotaError,
)
from airflow_channel_provider.request_ids import TaskKey

REFUSED = ChannelAuthenticationError("token is expired", method="getChannel", http_status=401)
DTO = {"plainText": "hi", "botName": "bot"}


# What is filled in, and which token is taken


@pytest.mark.parametrize(
    ("method", "params", "channel_id", "token", "sent"),
    [
        ("getChannel", None, None, "access-channel:ch-1-0", {"channelId": "ch-1"}),
        ("getChannel", {}, "ch-2", "access-channel:ch-2-0", {"channelId": "ch-2"}),
        ("getChannel", {"channelId": "ch-3"}, None, "access-channel:ch-3-0", {"channelId": "ch-3"}),
        ("getChannel", {"channelId": "ch-3"}, "ch-3", "access-channel:ch-3-0", {"channelId": "ch-3"}),
        ("registerCommands", {"commands": []}, None, "access-app-0", {"commands": [], "appId": "app-1"}),
        (
            "registerCommands",
            {"commands": [], "appId": "x"},
            "ch-2",
            "access-app-0",
            {"commands": [], "appId": "x"},
        ),
        ("checkInstall", None, "ch-2", "access-channel:ch-2-0", {"channelId": "ch-2", "appId": "app-1"}),
        (
            "toggleCommand",
            {"appID": "other", "commandEnabled": True},
            None,
            "access-channel:ch-1-0",
            {"appID": "other", "commandEnabled": True, "channelId": "ch-1"},
        ),
        ("functionOfTomorrow", None, None, "access-channel:ch-1-0", None),
        ("functionOfTomorrow", {"a": 1}, "ch-2", "access-channel:ch-2-0", {"a": 1}),
    ],
)
def test_call_takes_the_right_token_and_fills_in_what_the_function_needs(
    doors: Any, method: str, params: Any, channel_id: str | None, token: str, sent: Any
) -> None:
    doors.client.script = ["result"]
    assert doors.hook().call(method, params, channel_id=channel_id) == "result"
    assert doors.client.calls == [(method, sent, token)]


def test_without_any_channel_a_function_that_takes_any_token_gets_the_app_token(
    doors: Any, set_connection: Callable[..., None]
) -> None:
    set_connection(conn_type="channel_talk", login="app-1", password="s3cret")
    doors.hook().call("functionOfTomorrow")
    assert doors.client.calls == [("functionOfTomorrow", None, "access-app-0")]


@pytest.mark.parametrize(
    ("method", "params", "kwargs", "words"),
    [
        ("issueToken", {"secret": "x"}, {}, ["get_access_token"]),
        ("refreshToken", {"refreshToken": "x"}, {}, ["limit"]),
        ("getChannel", {"channelId": "ch-3"}, {"channel_id": "ch-4"}, ["different channels"]),
        ("getUser", {}, {}, ["userId"]),
        ("getUser", {"userId": {1, 2}}, {}, ["set"]),
        ("getUser", [("userId", "u")], {}, ["mapping", "list"]),
        ("getUser", "userId", {}, ["mapping", "str"]),
        ("writeUserChatMessage", {"userChatId": "c", "dto": {}}, {}, ["dto", "botName, managerId, userId"]),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_sent(
    doors: Any, method: str, params: Any, kwargs: Any, words: list[str]
) -> None:
    with pytest.raises(ChannelConfigurationError) as caught:
        doors.hook().call(method, params, **kwargs)
    for word in words:
        assert word in str(caught.value)
    assert doors.client.calls == doors.manager.gets == []


def test_channel_function_without_any_channel_is_refused_with_the_remedy(
    doors: Any, set_connection: Callable[..., None]
) -> None:
    set_connection(conn_type="channel_talk", password="s3cret")
    with pytest.raises(ChannelConfigurationError, match=r"pass channel_id.*'channel_talk_default'"):
        doors.hook().call("getChannel")


def test_arguments_of_the_caller_are_left_as_they_were(doors: Any) -> None:
    params = {"userChatId": "c", "dto": dict(DTO)}
    doors.hook().call("writeUserChatMessage", params)
    assert params == {"userChatId": "c", "dto": DTO}


# Request ids


@pytest.mark.parametrize(
    ("dto", "deduplicate", "expected"),
    [(DTO, True, "new"), (DTO, False, None), ({**DTO, "requestId": "mine"}, True, "mine")],
)
def test_message_carries_a_request_id(doors: Any, dto: Any, deduplicate: bool, expected: str | None) -> None:
    doors.hook().call("writeUserChatMessage", {"userChatId": "c", "dto": dto}, deduplicate=deduplicate)
    sent = doors.client.calls[0][1]["dto"].get("requestId")
    assert (len(sent) == 36) if expected == "new" else (sent == expected)


def test_repetitions_of_a_message_carry_the_same_request_id(doors: Any) -> None:
    doors.client.script = [ChannelAmbiguousResultError("timeout"), {"message": {"id": "m"}}]
    doors.hook().call("writeUserChatMessage", {"userChatId": "c", "dto": DTO})
    ids = [params["dto"]["requestId"] for _, params, _ in doors.client.calls]
    assert len(ids) == 2
    assert len(set(ids)) == 1


def test_message_without_request_id_is_not_repeated(doors: Any) -> None:
    doors.client.script = [ChannelAmbiguousResultError("timeout"), {"message": {"id": "m"}}]
    with pytest.raises(ChannelAmbiguousResultError):
        doors.hook().call("writeUserChatMessage", {"userChatId": "c", "dto": DTO}, deduplicate=False)
    assert len(doors.client.calls) == 1


def test_message_that_contains_itself_is_refused_inside_a_task_as_well(
    doors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_ids, "current_task", lambda: (TaskKey("d", "t", "r", -1), 1))
    dto: dict[str, Any] = dict(DTO)
    dto["blocks"] = [dto]
    with pytest.raises(ChannelConfigurationError, match="contains itself"):
        doors.hook().call("writeUserChatMessage", {"userChatId": "c", "dto": dto})
    assert doors.client.calls == []


# A refused token


@pytest.mark.parametrize(
    ("age", "refusals", "slept", "renewals"),
    [
        (100.0, 0, [], 0),
        (100.0, 1, [], 1),
        (9.9, 1, [1.0], 0),
        (9.9, 3, [1.0, 2.0, 3.0], 0),
        (9.9, 4, [1.0, 2.0, 3.0], 1),
    ],
)
def test_refused_token_is_believed_after_a_moment_and_renewed_once(
    doors: Any, age: float, refusals: int, slept: list[float], renewals: int
) -> None:
    doors.manager.age = age
    doors.client.script = [REFUSED] * refusals + ["result"]
    assert doors.hook().call("getChannel") == "result"
    assert doors.slept == slept
    assert sum(1 for _, rejected, _ in doors.manager.gets if rejected) == renewals


@pytest.mark.parametrize(
    ("limit", "refusals", "slept", "renewals"),
    [(0.0, 1, [], 1), (1.0, 2, [1.0], 1), (2.5, 3, [1.0, 2.0], 1), (3.0, 3, [1.0, 2.0, 3.0], 0)],
)
def test_no_pause_for_a_young_token_is_longer_than_the_limit(
    doors: Any, limit: float, refusals: int, slept: list[float], renewals: int
) -> None:
    doors.manager.age = 0.0
    doors.client.script = [REFUSED] * refusals + ["result"]
    assert doors.hook(max_wait_seconds=limit, call_attempts=1).call("getChannel") == "result"
    assert doors.slept == slept
    assert sum(1 for _, rejected, _ in doors.manager.gets if rejected) == renewals


@pytest.mark.parametrize(
    "why",
    [ChannelTokenQuotaError("no token is left", retry_after_seconds=600.0), ChannelNotSentError("no route")],
)
def test_what_the_service_said_of_the_call_is_told_although_no_new_token_is_to_be_had(
    doors: Any, monkeypatch: pytest.MonkeyPatch, why: ChannelError
) -> None:
    get = doors.manager.get

    def get_none_new(channel_id: str | None = None, *, rejected: str | None = None, **kwargs: Any) -> Any:
        if rejected:
            raise why
        return get(channel_id, **kwargs)

    monkeypatch.setattr(doors.manager, "get", get_none_new)
    refused = ChannelAuthenticationError(
        "x", method="getChannel", http_status=401, service_message="the app was uninstalled"
    )
    doors.client.script = [refused]
    with pytest.raises(type(why)) as caught:
        doors.hook(max_wait_seconds=0).call("getChannel")
    assert caught.value is why
    assert why.__cause__ is refused
    assert "getChannel was refused (HTTP 401): the app was uninstalled." in str(why)


def test_channel_that_is_a_number_is_sent_as_text(doors: Any) -> None:
    hook = doors.hook()
    hook.get_access_token(5)
    hook.call_app_function("app-2", "sum", channel_id=5)
    hook.call("getChannel", channel_id=5)
    assert [channel for channel, _, _ in doors.manager.gets] == ["5", "5", "5"]


@pytest.mark.parametrize(
    ("method", "given", "sent"),
    [
        ("getUserChat", {"userChatId": 5}, {"userChatId": "5"}),
        ("getUserChat", {"userChatId": 2**63}, {"userChatId": "9223372036854775808"}),
        ("registerCommands", {"commands": [], "appId": 7}, {"commands": [], "appId": "7"}),
        ("batchGetManagers", {"managerIds": [1, "2"]}, {"managerIds": ["1", "2"]}),
        (
            "upsertMember",
            {"memberId": 3, "body": {"blocked": True}},
            {"memberId": "3", "body": {"blocked": True}},
        ),
        (
            "writeGroupMessage",
            {"groupId": 1, "dto": {"plainText": 2, "botName": 3, "requestId": 4, "buttons": [{"title": 5}]}},
            {
                "groupId": "1",
                "dto": {"plainText": "2", "botName": "3", "requestId": "4", "buttons": [{"title": "5"}]},
            },
        ),
        (
            "upsertAppDataTableRows",
            {"tableName": 1, "rows": [{"id": 2, "name": "x"}]},
            {"tableName": "1", "rows": [{"id": 2, "name": "x"}]},
        ),
        (
            "createEvent",
            {"userId": 1, "name": 2, "property": {"price": 3}},
            {"userId": "1", "name": "2", "property": {"price": 3}},
        ),
        ("getUserChat", {"userChatId": UUID(int=5)}, {"userChatId": "00000000-0000-0000-0000-000000000005"}),
        (
            "writeGroupMessage",
            {
                "groupId": "g",
                "dto": {"plainText": datetime(2026, 1, 31, tzinfo=timezone.utc), "botName": "b"},
            },
            {"dto": {"plainText": "2026-01-31 00:00:00+00:00", "botName": "b"}},
        ),
        ("getUserChat", {"userChatId": True}, {"userChatId": True}),
        ("functionOfTomorrow", {"userChatId": 5, "ids": [1]}, {"userChatId": 5, "ids": [1]}),
    ],
)
def test_an_id_that_is_a_number_is_sent_as_text(
    doors: Any, monkeypatch: pytest.MonkeyPatch, method: str, given: Any, sent: Any
) -> None:
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__CONTRACT", "off")
    before = copy.deepcopy(given)
    doors.hook().call(method, given)
    params = doors.client.calls[0][1]
    found = {name: params[name] for name in sent}
    if "dto" in found:
        found["dto"] = {name: found["dto"][name] for name in sent["dto"]}
    assert found == sent
    assert given == before


def test_a_second_refusal_is_raised_with_scope_age_and_attempts(doors: Any) -> None:
    doors.client.script = [REFUSED]
    with pytest.raises(ChannelAuthenticationError) as caught:
        doors.hook().call("getChannel")
    assert [token for _, _, token in doors.client.calls] == ["access-channel:ch-1-0", "access-channel:ch-1-1"]
    for word in ["refused 2 times", "channel:ch-1", "100 s old", "token is expired"]:
        assert word in str(caught.value)
    assert (caught.value.method, caught.value.http_status) == ("getChannel", 401)


def test_renewal_names_the_refused_token_by_its_fingerprint_only(doors: Any) -> None:
    from airflow_channel_provider.tokens.types import fingerprint_of

    doors.client.script = [REFUSED, "result"]
    doors.hook(max_wait_seconds=7).call("getChannel")
    assert doors.manager.gets == [
        ("ch-1", None, 7),
        ("ch-1", fingerprint_of("access-channel:ch-1-0"), 7),
    ]


def test_missing_permission_is_raised_without_a_renewal(doors: Any) -> None:
    doors.client.script = [ChannelPermissionError("not yours")]
    with pytest.raises(ChannelPermissionError):
        doors.hook().call("getChannel")
    assert len(doors.manager.gets) == len(doors.client.calls) == 1


def test_quota_beyond_the_limit_is_raised_at_once(doors: Any) -> None:
    doors.manager.error = ChannelTokenQuotaError(
        "quota", retry_at=datetime.now(tz=timezone.utc) + timedelta(minutes=20)
    )
    with pytest.raises(ChannelTokenQuotaError):
        doors.hook().call("getChannel")
    assert len(doors.manager.gets) == 1
    assert doors.slept == doors.client.calls == []


# Limits


@pytest.mark.parametrize(("attempts", "option", "calls"), [(None, None, 5), (2, None, 2), (None, "3", 3)])
def test_attempts_come_from_the_argument_else_from_the_option(
    doors: Any, monkeypatch: pytest.MonkeyPatch, attempts: int | None, option: str | None, calls: int
) -> None:
    if option:
        monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__CALL_ATTEMPTS", option)
    doors.client.script = [ChannelNotSentError("no route")]
    with pytest.raises(ChannelNotSentError):
        doors.hook(call_attempts=attempts).call("getChannel")
    assert len(doors.client.calls) == calls


@pytest.mark.parametrize(
    "limits",
    [
        *({"call_attempts": wrong} for wrong in (0, "3", 2.5, True)),
        *({"max_wait_seconds": wrong} for wrong in (-1.0, "3", float("nan"))),
    ],
)
def test_limits_that_make_no_sense_are_refused(doors: Any, limits: dict[str, Any]) -> None:
    with pytest.raises(ChannelConfigurationError, match=f"{next(iter(limits))} must be"):
        doors.hook(**limits).call("getChannel")
    assert doors.client.calls == []


def test_rate_limit_within_the_limit_is_sat_out(doors: Any) -> None:
    doors.client.script = [ChannelRateLimitError("slow", retry_after_seconds=20.0), "result"]
    assert doors.hook().call("getChannel") == "result"
    assert 20.0 <= doors.slept[0] <= 21.0


# App functions


def test_app_function_is_called_with_the_channel_token_and_its_context(doors: Any) -> None:
    doors.client.script = [{"ok": True}]
    hook = doors.hook()
    assert hook.call_app_function("app-2", "sum", {"a": 1}, context={"caller": 1}) == {"ok": True}
    assert doors.client.calls == [("app-2/sum", {"a": 1}, "access-channel:ch-1-0")]
    assert doors.client.contexts == [{"caller": 1}]
    assert doors.client.versions == [None]


@pytest.mark.parametrize(
    ("extra", "channel_id", "sent"),
    [
        ({"channel_id": "ch-1"}, None, {"channel": {"id": "ch-1"}}),
        ({"channel_id": "ch-1"}, 5, {"channel": {"id": "5"}}),
        ({}, None, {}),
    ],
)
def test_app_function_is_told_the_channel_and_the_version(
    doors: Any, set_connection: Any, extra: Any, channel_id: Any, sent: Any
) -> None:
    fields = {"conn_type": "channel_talk", "host": "127.0.0.1", "login": "app-1", "password": "s3cr3t"}
    set_connection(**fields, extra=extra)
    doors.hook().call_app_function("app-2", "sum", channel_id=channel_id, system_version="v2")
    assert doors.client.contexts == [sent]
    assert doors.client.versions == ["v2"]


def test_app_function_is_not_repeated_after_an_unclear_outcome(doors: Any) -> None:
    doors.client.script = [ChannelAmbiguousResultError("timeout")]
    with pytest.raises(ChannelAmbiguousResultError):
        doors.hook().call_app_function("app-2", "sum")
    assert len(doors.client.calls) == 1
