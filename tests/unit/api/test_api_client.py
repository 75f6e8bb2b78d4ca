from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from support.fake_transport import FakeTransport

from airflow_channel_provider.api.client import ChannelTalkClient
from airflow_channel_provider.api.token_answer import TokenAnswer
from airflow_channel_provider.exceptions import (
    ChannelAuthenticationError,
    ChannelConfigurationError,
    ChannelError,
    ChannelPermissionError,
    ChannelRequestError,
    ChannelResponseError,
    ChannelTokenQuotaError,
)

SECRET = "the-app-secret=="
TOKEN = "the-access-token"
PAIR = {"accessToken": "new-access", "refreshToken": "new-refresh", "expiresIn": 1800}


def issue(body: Any) -> TokenAnswer:
    return client(body)[0].issue_token(SECRET, None)


def refresh(body: Any) -> TokenAnswer:
    return client(body)[0].refresh_token("old-refresh")


def client(body: Any = None, status: int = 200) -> tuple[ChannelTalkClient, FakeTransport]:
    transport = FakeTransport({"result": {}} if body is None else body, status)
    return ChannelTalkClient(transport, now=lambda: 1000.0), transport


@pytest.mark.parametrize(
    ("params", "token", "body", "headers"),
    [
        ({"a": "ü"}, TOKEN, b'{"method":"f","params":{"a":"\\u00fc"}}', {"x-access-token": TOKEN}),
        ({}, TOKEN, b'{"method":"f","params":{}}', {"x-access-token": TOKEN}),
        (None, TOKEN, b'{"method":"f"}', {"x-access-token": TOKEN}),
        ({"a": None}, None, b'{"method":"f","params":{"a":null}}', {}),
    ],
)
def test_a_native_call_on_the_wire(
    params: Any, token: str | None, body: bytes, headers: dict[str, str]
) -> None:
    talk, transport = client({"result": {"id": 1}})
    assert talk.call_native("f", params, access_token=token) == {"id": 1}
    assert transport.sent == [
        {
            "http_method": "PUT",
            "path": "/general/v1/native/functions",
            "body": body,
            "headers": {"Content-Type": "application/json", **headers},
            "operation": "f",
        }
    ]


@pytest.mark.parametrize(
    ("app_id", "path"),
    [
        ("abc", "/general/v1/apps/abc/functions"),
        ("a/b?c#d %é", "/general/v1/apps/a%2Fb%3Fc%23d%20%25%C3%A9/functions"),
        ("../x", "/general/v1/apps/..%2Fx/functions"),
    ],
)
def test_an_app_function_call_on_the_wire(app_id: str, path: str) -> None:
    talk, transport = client({"result": "done"})
    context = {"channel": {"id": "1"}}
    assert talk.call_app_function(app_id, "f", {"a": 1}, access_token=TOKEN, context=context) == "done"
    talk.call_app_function(app_id, "f", None, access_token=TOKEN)
    talk.call_app_function(app_id, "f", None, access_token=TOKEN, system_version="v2")
    assert [call["path"] for call in transport.sent] == [path] * 3
    assert [call["body"] for call in transport.sent] == [
        b'{"method":"f","params":{"a":1},"context":{"channel":{"id":"1"}}}',
        b'{"method":"f","context":{}}',
        b'{"method":"f","context":{},"systemVersion":"v2"}',
    ]
    assert transport.sent[0]["headers"]["x-access-token"] == TOKEN


def test_an_app_function_may_be_called_like_a_token_function() -> None:
    talk, _ = client({"error": {"code": 429, "message": "slow"}})
    with pytest.raises(ChannelRequestError) as caught:
        talk.call_app_function("a", "issueToken", None, access_token=TOKEN)
    assert (type(caught.value), caught.value.code) == (ChannelRequestError, 429)


@pytest.mark.parametrize(
    ("channel_id", "params"),
    [(None, {"secret": SECRET}), ("c1", {"secret": SECRET, "channelId": "c1"})],
)
def test_a_token_is_issued(channel_id: str | None, params: dict[str, str]) -> None:
    talk, transport = client({"result": PAIR})
    assert talk.issue_token(SECRET, channel_id) == TokenAnswer("new-access", "new-refresh", 1800.0)
    (call,) = transport.sent
    assert json.loads(call["body"]) == {"method": "issueToken", "params": params}
    assert call["headers"] == {"Content-Type": "application/json"}
    assert call["total_timeout_seconds"] == 12
    assert call["path"] == "/general/v1/native/functions"


def test_a_token_is_refreshed() -> None:
    talk, transport = client({"result": PAIR})
    assert talk.refresh_token("old-refresh") == TokenAnswer("new-access", "new-refresh", 1800.0)
    (call,) = transport.sent
    assert json.loads(call["body"]) == {"method": "refreshToken", "params": {"refreshToken": "old-refresh"}}
    assert "x-access-token" not in call["headers"]
    assert call["total_timeout_seconds"] == 12


def test_a_token_answer_shows_no_token() -> None:
    answer = TokenAnswer("new-access", "new-refresh", 1800.0)
    assert repr(answer) == "TokenAnswer(expires_in_seconds=1800.0)"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (PAIR, TokenAnswer("new-access", "new-refresh", 1800.0)),
        ({"result": PAIR, "error": {}}, TokenAnswer("new-access", "new-refresh", 1800.0)),
        ({"result": {**PAIR, "expiresIn": "1800"}}, TokenAnswer("new-access", "new-refresh", 1800.0)),
        ({"result": {**PAIR, "expiresIn": 0.5}}, TokenAnswer("new-access", "new-refresh", 0.5)),
        ({"result": {**PAIR, "accessToken": ""}}, TokenAnswer("", "new-refresh", 1800.0)),
        ({"result": {**PAIR, "accessToken": None}}, TokenAnswer("", "new-refresh", 1800.0)),
        ({"result": {"refreshToken": "r", "expiresIn": 9}}, TokenAnswer("", "r", 9.0)),
        ({"access_token": "a", "refresh_token": "r", "expires_in": 9}, TokenAnswer("a", "r", 9.0)),
    ],
)
def test_every_known_shape_of_a_token_answer_is_read(body: Any, expected: TokenAnswer) -> None:
    assert client(body)[0].issue_token(SECRET, None) == expected
    assert client(body)[0].refresh_token("old") == expected


SECONDS: list[Any] = [0, -1, None, True, "soon", "nan", "inf", [], 10**400]
INVALID: list[dict[str, Any]] = [
    {"accessToken": "new-access", "refreshToken": "", "expiresIn": 1800},
    {"accessToken": "new-access", "expiresIn": 1800},
    {"accessToken": "new-access", "refreshToken": 5, "expiresIn": 1800},
    {"accessToken": 5, "refreshToken": "new-refresh", "expiresIn": 1800},
    {**PAIR, "accessToken": "new-access\r\nx: y"},
    {**PAIR, "accessToken": "new access"},
    {**PAIR, "refreshToken": "new-réfresh"},
    *({**PAIR, "expiresIn": value} for value in SECONDS),
]


@pytest.mark.parametrize("result", INVALID)
def test_an_invalid_token_answer_is_refused_without_showing_it(result: Any) -> None:
    for call in (issue, refresh):
        with pytest.raises(ChannelResponseError) as caught:
            call({"result": result})
        assert "holds no valid token" in str(caught.value)
        for hidden in ("new-access", "new-refresh", "new-r", SECRET, "old-refresh"):
            assert hidden not in str(caught.value)


@pytest.mark.parametrize("body", [{"error": {}}, {"result": None}, {"result": []}, {"result": "x"}])
def test_success_without_a_token_is_no_answer(body: Any) -> None:
    with pytest.raises(ChannelResponseError, match="it has no result"):
        client(body)[0].issue_token(SECRET, None)


EMPTY = [
    {"accessToken": "", "refreshToken": "", "expiresIn": 0},
    {"access_token": "", "refresh_token": "", "expires_in": 0},
    {},
]


@pytest.mark.parametrize("result", EMPTY)
def test_the_success_of_empty_strings_is_a_refusal_of_the_refresh_token(result: Any) -> None:
    with pytest.raises(ChannelAuthenticationError, match="the refresh token was refused") as caught:
        client({"result": result})[0].refresh_token("old-refresh")
    assert (caught.value.method, caught.value.http_status) == ("refreshToken", 200)
    with pytest.raises(ChannelResponseError):
        client({"result": result})[0].issue_token(SECRET, None)


def test_the_secret_is_blotted_out_of_a_refusal() -> None:
    echo = {"error": {"type": "common", "message": f"no app with {SECRET} or old-refresh"}}
    with pytest.raises(ChannelAuthenticationError) as caught:
        issue(echo)
    assert caught.value.service_message == "no app with *** or old-refresh"
    with pytest.raises(ChannelAuthenticationError) as caught:
        refresh(echo)
    assert caught.value.service_message == f"no app with {SECRET} or ***"


def test_the_channel_that_lacks_the_app_is_named() -> None:
    with pytest.raises(ChannelPermissionError, match="Install the app on the channel 'c1'"):
        client({"error": {"type": "common", "message": ""}})[0].issue_token(SECRET, "c1")


def test_a_quota_refusal_survives_pickling() -> None:
    body = {"status": 429, "type": "RateLimitError", "errors": [{"X-Rate-Limit-Reset": 1600}]}
    with pytest.raises(ChannelTokenQuotaError) as caught:
        client(body, 429)[0].issue_token(SECRET, None)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (str(copy), vars(copy)) == (str(caught.value), vars(caught.value))
    assert copy.retry_after_seconds is not None


def test_the_token_is_blotted_out_of_a_refusal() -> None:
    with pytest.raises(ChannelError) as caught:
        client({"error": {"message": f"bad {TOKEN}"}})[0].call_native("f", {}, access_token=TOKEN)
    assert caught.value.service_message == "bad ***"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "params", [{"a": float("nan")}, {"a": object()}, {"a": {1, 2}}, {("a",): 1}, {"a": b""}, [1], "text"]
)
def test_what_json_cannot_hold_is_not_sent(params: Any) -> None:
    talk, transport = client()
    with pytest.raises(ChannelConfigurationError) as caught:
        talk.call_native("f", params, access_token=TOKEN)
    assert caught.value.method == "f"
    assert transport.sent == []


@pytest.mark.parametrize("method", ["", " ", None])
def test_a_call_needs_a_name(method: Any) -> None:
    talk, transport = client()
    with pytest.raises(ChannelConfigurationError, match="method"):
        talk.call_native(method, {}, access_token=TOKEN)
    assert transport.sent == []


@pytest.mark.parametrize("app_id", ["", " ", ".", "..", None])
def test_an_app_function_needs_an_app(app_id: Any) -> None:
    talk, transport = client()
    with pytest.raises(ChannelConfigurationError, match="app_id"):
        talk.call_app_function(app_id, "f", {}, access_token=TOKEN)
    assert transport.sent == []
