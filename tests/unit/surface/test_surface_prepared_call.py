"""A call is a value: what it sends, as whom, and what may be sent again, all decided before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from airflow_channel_provider.connections import ChannelTalkSettings
from airflow_channel_provider.contract.model import RetryClass
from airflow_channel_provider.prepared_call import NewRequestId, PreparedCall, prepare
from airflow_channel_provider.request_ids import RequestId

SETTINGS = ChannelTalkSettings("c", "https://service.invalid", "app-1", "s3cret", "ch-1")
DTO = {"plainText": "hi", "botName": "bot"}


def message(dto: Mapping[str, Any] = DTO, *, request_id: NewRequestId = None) -> PreparedCall:
    params = {"userChatId": 5, "dto": dto}
    return prepare("writeUserChatMessage", params, settings=SETTINGS, request_id=request_id)


def test_it_holds_all_that_is_sent() -> None:
    call = message(request_id="r-1")
    assert call.params == {"channelId": "ch-1", "userChatId": "5", "dto": {**DTO, "requestId": "r-1"}}
    assert (call.method, call.channel_id) == ("writeUserChatMessage", "ch-1")
    assert call.retry_class is RetryClass.REQUEST_ID


def test_it_never_changes_and_shows_no_parameter() -> None:
    call = message({**DTO, "plainText": "for nobody else"})
    with pytest.raises(AttributeError):
        call.method = "getUserChat"  # type: ignore[misc]
    assert "for nobody else" not in repr(call)


@pytest.mark.parametrize(
    ("dto", "new", "request_id", "repeatable", "in_next_try"),
    [
        (DTO, None, None, False, False),
        (DTO, "of the task", RequestId("of the task"), True, True),
        (DTO, lambda method, params: RequestId("random", is_lasting=False), RequestId("random", False), True, False),
        ({**DTO, "requestId": "mine"}, "of the task", RequestId("mine"), True, True),
        ({**DTO, "requestId": "mine"}, None, RequestId("mine"), True, True),
        ({**DTO, "requestId": ""}, "of the task", RequestId("of the task"), True, True),
    ],
)  # fmt: skip
def test_the_request_id_of_a_message_is_its_own_else_the_new_one(
    dto: Any, new: NewRequestId, request_id: RequestId | None, repeatable: bool, in_next_try: bool
) -> None:
    call = message(dto, request_id=new)
    assert call.request_id == request_id
    assert (call.params["dto"].get("requestId") or None) == (request_id and request_id.value)
    assert (call.is_repeatable, call.is_repeatable_in_next_try) == (repeatable, in_next_try)


@pytest.mark.parametrize("method", ["getUserChat", "functionOfTomorrow"])
def test_what_is_no_message_gets_no_request_id(method: str) -> None:
    call = prepare(method, {"userChatId": "c", "dto": {}}, settings=SETTINGS, request_id="r-1")
    assert call.request_id is None
    assert "requestId" not in call.params["dto"]


@pytest.mark.parametrize(("retry_class", "expected"), [(RetryClass.READ, True), (RetryClass.UNSAFE, False)])
def test_a_caller_who_knows_better_replaces_the_retry_class(retry_class: RetryClass, expected: bool) -> None:
    call = prepare("upsertAppDataTableRows", {"tableName": "t", "rows": [{"id": 1}]}, settings=SETTINGS)
    assert call._replace(retry_class=retry_class).is_repeatable is expected


def test_a_call_about_the_app_takes_its_token_whatever_the_channel() -> None:
    call = prepare("registerCommands", {"commands": []}, settings=SETTINGS, channel_id="ch-2")
    assert (call.channel_id, call.params["appId"]) == (None, "app-1")
