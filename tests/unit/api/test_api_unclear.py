"""Whose words count, and what is made of an answer that explains nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_channel_provider.api.envelope import read_native
from airflow_channel_provider.api.transport import Response
from airflow_channel_provider.exceptions import (
    ChannelAuthenticationError,
    ChannelPermissionError,
    ChannelRateLimitError,
    ChannelRequestError,
    ChannelTokenQuotaError,
)
from airflow_channel_provider.retry import is_outcome_unclear

NOW = 1_700_000_000.0


def common(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"type": "common", "message": message, **more}}


def own(message: str = "no", **more: Any) -> dict[str, Any]:
    return {"error": {"type": "shop", "message": message, **more}}


def plain(status: int, message: str) -> dict[str, Any]:
    return {"status": status, "type": "VALIDATION_FAILED", "errors": [{"message": message}]}


def proxied(upstream: Any) -> dict[str, Any]:
    return common(f"request failed, body: {upstream if isinstance(upstream, str) else json.dumps(upstream)}")


def refusal(body: Any, status: int = 200, method: str = "f", **kwargs: Any) -> ChannelRequestError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(ChannelRequestError) as caught:
        read_native(Response(status, {}, raw), method=method, now=NOW, **kwargs)
    return caught.value


# App functions


@pytest.mark.parametrize(
    "body",
    [
        own(code=401),
        own(code=403),
        own(code=429),
        own(code=-32603),
        common("no", code=401),
        common("no", code=4),
        {"error": {"type": "unauthorized", "message": "no", "code": 4}},
        {"error": {"commonErrorCode": "unauthorized", "message": "no"}},
        common("token is expired"),
        common("Unauthorized"),
        common("Rate limit exceeded"),
        common("scope check fail"),
        common("function call unauthorized"),
        {"error": {"type": "RateLimitError", "message": "no"}},
        proxied(plain(401, "token is expired")),
        proxied(plain(429, "slow")),
        proxied(""),
        plain(401, "no"),
    ],
    ids=json.dumps,
)
@pytest.mark.parametrize("status", [200, 422])
def test_what_an_app_function_says_of_itself_is_a_plain_refusal(body: Any, status: int) -> None:
    error = refusal(body, status, app_function=True)
    assert (type(error), error.http_status) == (ChannelRequestError, status)
    assert error.code == (body.get("error") or {}).get("code")


@pytest.mark.parametrize(
    ("status", "expected"),
    [(401, ChannelAuthenticationError), (403, ChannelPermissionError), (429, ChannelRateLimitError)],
)
@pytest.mark.parametrize("body", [b"", own(code=400), plain(400, "no")], ids=["none", "envelope", "plain"])
def test_the_status_of_an_app_functions_answer_is_the_stores_word(
    status: int, expected: type[ChannelRequestError], body: Any
) -> None:
    assert type(refusal(body, status, app_function=True)) is expected


def test_the_stores_refusal_of_an_app_function_call_is_a_missing_permission() -> None:
    error = refusal(plain(422, "function call unauthorized"), 422, app_function=True)
    assert type(error) is ChannelPermissionError
    assert "permissions" in str(error)


# Native functions


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (proxied(plain(422, "userToken is invalid")), 200),
        (proxied(plain(422, "token is expired")), 200),
        (proxied(plain(422, "unsupported block value: my JWT guide")), 200),
        (proxied(plain(422, "botName holds a forbidden word")), 200),
        (proxied(plain(422, "Too many requests")), 200),
        (common('request failed, body: {"status":404,"message":"no"}', code=401), 200),
        (plain(400, "device token is expired"), 400),
        (plain(422, "token is expired"), 422),
        (plain(422, "scope check fail"), 422),
        (common("userToken is invalid"), 200),
        (common("the guest's token is expired"), 200),
        (common("my JWT guide"), 200),
        (common("botName holds a forbidden word"), 200),
        (common('field title: "too many requests" not allowed'), 200),
        (common('field title: "Unauthorized" not allowed'), 200),
        (own(code=401), 200),
        (own(code=4), 200),
        ({"result": {"success": False, "errorMessage": "token is expired"}}, 200),
    ],
    ids=json.dumps,
)
def test_a_callers_text_that_is_echoed_is_no_word_of_the_service(body: Any, status: int) -> None:
    error = refusal(body, status)
    assert type(error) is ChannelRequestError
    assert not is_outcome_unclear(error)


@pytest.mark.parametrize(
    "text",
    [
        "Token is expired",
        "token is expired by 5m3s",
        "token is malformed: token contains an invalid number of segments",
        "token is unverifiable: error while executing keyfunc",
        "token is not valid yet",
        "Token used before issued",
        "token has invalid claims: token is expired",
        "token signature is invalid: signature is invalid",
        "rpc error: code = Unauthenticated desc = token is expired",
        " unauthorized",
        "Unauthenticated: no token",
    ],
)
def test_the_token_librarys_own_texts_refuse_the_token(text: str) -> None:
    assert type(refusal(common(text))) is ChannelAuthenticationError


@pytest.mark.parametrize("text", ["Permission denied", "rpc: service, action check fail", "forbidden"])
def test_the_services_own_texts_miss_a_permission(text: str) -> None:
    assert type(refusal(common(text))) is ChannelPermissionError


@pytest.mark.parametrize(
    "body",
    [
        proxied(""),
        proxied("upstream connect error or disconnect/reset before headers"),
        proxied("<html>oops</html>"),
        proxied("{"),
        proxied({"message": "no status"}),
        common("context deadline exceeded"),
        common("Put https://core/x: EOF"),
        common("write tcp 10.0.0.1:2->10.0.0.2:3: broken pipe"),
        common("no", code=-32603),
        common("rpc error: code = Unavailable desc = x"),
    ],
    ids=json.dumps,
)
def test_what_nobody_explains_may_have_had_its_effect(body: Any) -> None:
    error = refusal(body)
    assert (type(error), error.http_status) == (ChannelRequestError, 502)
    assert is_outcome_unclear(error)


@pytest.mark.parametrize(
    "body",
    [common("method not found: x"), common("no", code=-32601), proxied(plain(422, "timeout is too long"))],
    ids=json.dumps,
)
def test_a_refusal_that_is_explained_had_no_effect(body: Any) -> None:
    error = refusal(body)
    assert error.http_status != 502
    assert not is_outcome_unclear(error)


# Token requests


@pytest.mark.parametrize(
    "text",
    [
        "unexpected EOF",
        "context canceled",
        "please try again later",
        "dial tcp 10.0.0.1:3306: i/o timeout",
        "read tcp: connection reset by peer",
        "request failed, body: ",
        "request failed, body: upstream connect error",
        "token fetch fail, response: context canceled",
    ],
)
@pytest.mark.parametrize("method", ["issueToken", "refreshToken"])
@pytest.mark.parametrize("channel_id", [None, "c1"])
def test_a_passing_trouble_is_no_wrong_secret(text: str, method: str, channel_id: str | None) -> None:
    error = refusal(common(text), method=method, channel_id=channel_id)
    assert (type(error), error.http_status) == (ChannelRequestError, 502)


def test_a_limit_is_found_wherever_the_refusal_of_a_token_request_names_it() -> None:
    error = refusal(common("issueToken: rate limit exceeded"), method="issueToken")
    assert type(error) is ChannelTokenQuotaError
