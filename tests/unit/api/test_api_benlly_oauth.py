from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fake_transport import FakeTransport

from airflow_channel_provider.api.benlly_oauth import BenllyOAuthClient
from airflow_channel_provider.api.token_answer import TokenAnswer
from airflow_channel_provider.exceptions import (
    ChannelAuthenticationError,
    ChannelError,
    ChannelPermissionError,
    ChannelRateLimitError,
    ChannelRequestError,
    ChannelResponseError,
)

CLIENT_SECRET, PASSWORD, REFRESH_TOKEN = "client+secret/1=", "pass word&1", "refresh-token-1"
ANSWER = {
    "token_type": "Bearer",
    "expires_in": 31536000,
    "access_token": "header.payload.sign",
    "refresh_token": "def502",
}


def client(
    body: Any = None, status: int = 200, headers: dict[str, str] | None = None, encoding: str = "form"
) -> tuple[BenllyOAuthClient, FakeTransport]:
    transport = FakeTransport(ANSWER if body is None else body, status, headers)
    oauth = BenllyOAuthClient(
        transport, client_id="7", client_secret=CLIENT_SECRET, body_encoding=encoding, now=lambda: 1000.0
    )
    return oauth, transport


def ask(oauth: BenllyOAuthClient, operation: str) -> TokenAnswer:
    if operation == "login":
        return oauth.log_in("mina", PASSWORD)
    return oauth.refresh(REFRESH_TOKEN, remedy="Log in anew.")


LOGIN = {"grant_type": "password", "username": "mina", "password": PASSWORD}
REFRESH = {"grant_type": "refresh_token", "refresh_token": REFRESH_TOKEN}


@pytest.mark.parametrize("encoding", ["form", "json"])
@pytest.mark.parametrize(("operation", "params"), [("login", LOGIN), ("refresh_token", REFRESH)])
def test_a_token_request_on_the_wire(operation: str, params: dict[str, str], encoding: str) -> None:
    oauth, transport = client(encoding=encoding)
    assert ask(oauth, operation) == TokenAnswer("header.payload.sign", "def502", 31536000.0)
    (sent,) = transport.sent
    body = sent.pop("body").decode()
    decoded = dict(parse_qsl(body)) if encoding == "form" else json.loads(body)
    assert decoded == {**params, "client_id": "7", "client_secret": CLIENT_SECRET}
    content_type = "application/x-www-form-urlencoded" if encoding == "form" else "application/json"
    assert sent == {
        "http_method": "POST",
        "path": "/api/oauth/token",
        "headers": {"Content-Type": content_type},
        "operation": operation,
        "total_timeout_seconds": 12.0,
    }


def test_a_refresh_without_a_new_refresh_token_leaves_the_old_one_good() -> None:
    oauth, _ = client({**ANSWER, "refresh_token": None})
    assert ask(oauth, "refresh_token").refresh_token == REFRESH_TOKEN
    assert ask(oauth, "login").refresh_token == ""


CHECK_CLIENT = "extra client_id and extra client_secret"
CHECK_USER = "extra username and extra user_password"


@pytest.mark.parametrize(
    ("operation", "status", "body", "error", "remedy"),
    [
        ("login", 401, {"error": "invalid_client"}, ChannelAuthenticationError, CHECK_CLIENT),
        ("login", 400, {"error": "unauthorized_client"}, ChannelAuthenticationError, CHECK_CLIENT),
        ("login", 401, {"error": "invalid_credentials"}, ChannelAuthenticationError, CHECK_USER),
        ("login", 400, {"error": "invalid_grant"}, ChannelAuthenticationError, CHECK_USER),
        ("login", 401, {"message": "no"}, ChannelAuthenticationError, CHECK_USER),
        ("login", 400, {"error": "invalid_request"}, ChannelRequestError, ""),
        ("login", 400, {"error": "unsupported_grant_type"}, ChannelRequestError, ""),
        ("login", 400, {"error": "invalid_scope"}, ChannelRequestError, ""),
        ("login", 403, {"message": "no"}, ChannelPermissionError, ""),
        ("login", 404, {"message": "no"}, ChannelRequestError, ""),
        ("login", 422, {"errors": {"client_id": ["must be an integer"]}}, ChannelRequestError, "integer"),
        ("login", 429, {"message": "slow"}, ChannelRateLimitError, "Possible again in 30 seconds"),
        ("login", 500, {"error": "server_error"}, ChannelRequestError, ""),
        ("login", 500, {"error": "invalid_grant"}, ChannelRequestError, ""),
        ("refresh_token", 401, {"error": "invalid_client"}, ChannelAuthenticationError, CHECK_CLIENT),
        ("refresh_token", 401, {"error": "invalid_request"}, ChannelAuthenticationError, "Log in anew."),
        ("refresh_token", 400, {"error": "invalid_request"}, ChannelAuthenticationError, "Log in anew."),
        ("refresh_token", 400, {"error": "invalid_grant"}, ChannelAuthenticationError, "Log in anew."),
        ("refresh_token", 400, {"error": "unsupported_grant_type"}, ChannelRequestError, ""),
    ],
)
def test_a_refusal_lands_in_its_class(
    operation: str, status: int, body: Any, error: type[ChannelRequestError], remedy: str
) -> None:
    oauth, _ = client(body, status, {"Retry-After": "30"})
    with pytest.raises(ChannelRequestError) as caught:
        ask(oauth, operation)
    assert type(caught.value) is error
    assert (caught.value.method, caught.value.http_status) == (operation, status)
    assert remedy in str(caught.value)
    assert ("Log in anew." in str(caught.value)) == (remedy == "Log in anew.")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b"<html>canary-token</html>"),
        (200, b'{"access_token": "canary-token", "refr'),
        (200, []),
        (200, {}),
        (200, {"error": "invalid_grant"}),
        (200, {**ANSWER, "access_token": ""}),
        (200, {**ANSWER, "access_token": None}),
        (200, {**ANSWER, "access_token": 5}),
        (200, {**ANSWER, "access_token": "canary-token with spaces"}),
        (200, {**ANSWER, "refresh_token": "canary-token\n"}),
        (200, {**ANSWER, "refresh_token": ["canary-token"]}),
        (200, {**ANSWER, "expires_in": None}),
        (200, {**ANSWER, "expires_in": 0}),
        (200, {**ANSWER, "expires_in": True}),
        (200, {**ANSWER, "expires_in": "canary-token"}),
        (301, b""),
        (401, b""),
        (401, b"<html>canary-token</html>"),
        (403, b"canary-token"),
        (404, b"404 canary-token"),
        (502, b"<html>canary-token</html>"),
    ],
)
def test_what_holds_no_valid_token_is_a_response_error(status: int, body: Any) -> None:
    oauth, _ = client(body, status)
    with pytest.raises(ChannelResponseError) as caught:
        ask(oauth, "login")
    assert (caught.value.method, caught.value.http_status) == ("login", status)
    assert "canary-token" not in str(caught.value)


@pytest.mark.parametrize("life", ["3600", 3600, 3600.0])
def test_a_life_may_be_a_text(life: Any) -> None:
    oauth, _ = client({**ANSWER, "expires_in": life})
    assert ask(oauth, "login").expires_in_seconds == 3600.0


@settings(deadline=None)
@given(
    operation=st.sampled_from(["login", "refresh_token"]),
    status=st.sampled_from([200, 301, 400, 401, 403, 422, 429, 500, 502]),
    before=st.text(max_size=50),
    key=st.sampled_from(["error", "message", "error_description", "errors", "x"]),
    raw=st.booleans(),
)
def test_no_answer_makes_a_message_with_a_secret(
    operation: str, status: int, before: str, key: str, raw: bool
) -> None:
    secrets = [CLIENT_SECRET, PASSWORD if operation == "login" else REFRESH_TOKEN]
    text = before + " and ".join(secrets)
    oauth, _ = client(text.encode("utf-8", "replace") if raw else {key: text}, status)
    with pytest.raises(ChannelError) as caught:
        ask(oauth, operation)
    assert [secret for secret in secrets if secret in f"{caught.value!r} {vars(caught.value)}"] == []


def test_tokens_are_in_no_repr() -> None:
    oauth, _ = client()
    answer = ask(oauth, "login")
    assert "header.payload" not in repr(answer)
    assert "def502" not in repr(answer)
    assert CLIENT_SECRET not in repr(oauth)
