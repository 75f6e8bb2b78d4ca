from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timezone
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

NOW = 1_700_000_000.0


def answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, headers or {}, raw)


def common(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"type": "common", "message": message, **more}}


def plain(status: int, message: str = "no", kind: str = "Some Error", **more: Any) -> dict[str, Any]:
    return {"status": status, "type": kind, "language": "en", "errors": [{"message": message, **more}]}


def proxied(upstream: Any, tail: str = "") -> dict[str, Any]:
    text = upstream if isinstance(upstream, str) else json.dumps(upstream)
    return common(f"request failed, body: {text}{tail}")


@dataclass(frozen=True)
class Refused:
    id: str
    body: Any
    error: type[ChannelRequestError]
    http_status: int
    service_message: str
    status: int = 200
    code: int | str | None = None
    error_type: str | None = None
    method: str = "getChannel"
    channel_id: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    after: float | None = None
    says: str = ""


def _camel(name: str) -> str:
    first, *rest = name.lower().split("_")
    return first + "".join(word.capitalize() for word in rest)


EPOCH: Any = int(NOW) + 90
LIMIT: dict[str, Any] = {
    "X-Rate-Limit-Limit": 10,
    "X-Rate-Limit-Remaining": 0,
    "X-Rate-Limit-Will-Be-Throttled": True,
}
UP_401 = plain(401, "token is expired by 3m", "unauthorized")
AUTH, PERMISSION, LIMITED = ChannelAuthenticationError, ChannelPermissionError, ChannelRateLimitError
QUOTA, OTHER = ChannelTokenQuotaError, ChannelRequestError

REFUSED = [
    # An envelope with HTTP 200.
    Refused("message only", {"error": {"message": "bad"}}, OTHER, 200, "bad"),
    Refused("type only", {"error": {"type": "common", "message": ""}}, OTHER, 200, "", error_type="common"),
    Refused("code only", {"error": {"code": 2}}, OTHER, 200, "", code=2),
    Refused("words of its own", {"error": {"reason": "no"}}, OTHER, 200, ""),
    Refused("words of its own beside nothing", {"error": {"reason": "no"}, "result": None}, OTHER, 200, ""),
    Refused("number for a type", {"error": {"type": 5}}, OTHER, 200, ""),
    Refused("texts by language", {"error": {"message": {"ko": "no"}}}, OTHER, 200, "no"),
    Refused("text for an error", {"error": "went wrong"}, OTHER, 200, "went wrong"),
    Refused("list for an error", {"error": ["a", "b"]}, OTHER, 200, "a; b"),
    Refused("true for an error", {"error": True}, OTHER, 200, ""),
    Refused("text for a code", {"error": {"code": "E1", "message": "m"}}, OTHER, 200, "m", code="E1"),
    Refused(
        "object for a message",
        {"error": {"message": {"message": "deep"}, "type": "x"}},
        OTHER,
        200,
        "deep",
        error_type="x",
    ),
    Refused("beside a result", {"result": {}, "error": {"message": "bad"}}, OTHER, 200, "bad"),
    Refused("with 201", {"error": {"message": "bad"}}, OTHER, 201, "bad", status=201),
    Refused("unprocessable", common("m", code=1, data={}), OTHER, 200, "m", code=1, error_type="common"),
    Refused("not found", common("m", code=3), OTHER, 200, "m", code=3, error_type="common"),
    Refused(
        "unknown method",
        common("method not found: x"),
        OTHER,
        200,
        "method not found: x",
        error_type="common",
    ),
    Refused(
        "unrouted method",
        common("routeConfig not found"),
        OTHER,
        200,
        "routeConfig not found",
        error_type="common",
    ),
    Refused(
        "code method not found", common("no", code=-32601), OTHER, 200, "no", code=-32601, error_type="common"
    ),
    Refused(
        "30 commands", common("at most 30 commands"), OTHER, 200, "at most 30 commands", error_type="common"
    ),
    # Tokens and permissions.
    Refused(
        "expired",
        common("token is expired by 5m3s"),
        AUTH,
        200,
        "token is expired by 5m3s",
        error_type="common",
    ),
    Refused(
        "signature", common("signature is invalid"), AUTH, 200, "signature is invalid", error_type="common"
    ),
    Refused(
        "segments",
        common("token contains an invalid number of segments"),
        AUTH,
        200,
        "token contains an invalid number of segments",
        error_type="common",
    ),
    Refused(
        "code 401", {"error": {"code": 401, "message": "Unauthorized"}}, AUTH, 200, "Unauthorized", code=401
    ),
    Refused("code 401 as text", {"error": {"code": "401"}}, AUTH, 200, "", code="401"),
    *(
        Refused(
            f"code 4 of type {kind!r}",
            {"error": {"code": 4, "type": kind, "message": "no"}},
            error,
            200,
            "no",
            code=4,
            error_type=kind or None,
        )
        for kind, error in (
            ("unauthorized", AUTH),
            ("Unauthenticated", AUTH),
            ("", OTHER),
            ("common", OTHER),
            ("conflict", OTHER),
            ("mine", OTHER),
        )
    ),
    Refused("common code 401", common("no", code=401), AUTH, 200, "no", code=401, error_type="common"),
    # The newest error body, as a body of its own, behind a text, and in an envelope.
    *(
        Refused(
            f"{word} behind",
            proxied({"commonErrorCode": word, "message": "no"}),
            error,
            status,
            "no",
            error_type=word,
        )
        for spelled, status, error in (
            ("ENTITY_NOT_FOUND", 404, OTHER),
            ("VALIDATION_FAILED", 422, OTHER),
            ("INVALID_CURSOR", 422, OTHER),
            ("INTERNAL_ERROR", 500, OTHER),
            ("UNAUTHORIZED", 401, AUTH),
            ("FORBIDDEN", 403, PERMISSION),
            ("RATE_LIMIT_EXCEEDED", 429, LIMITED),
        )
        for word in (f"COMMON_ERROR_CODE_{spelled}", _camel(spelled))
    ),
    Refused(
        "newest error body",
        {"status": 404, "operationErrorCode": "RESOURCE_NOT_FOUND", "message": "no such thing"},
        OTHER,
        404,
        "no such thing",
        status=404,
        error_type="RESOURCE_NOT_FOUND",
    ),
    Refused(
        "newest error body with HTTP 200",
        {"commonErrorCode": "COMMON_ERROR_CODE_FORBIDDEN", "message": "no"},
        PERMISSION,
        403,
        "no",
        error_type="COMMON_ERROR_CODE_FORBIDDEN",
    ),
    Refused(
        "newest error in an envelope",
        {"error": {"commonErrorCode": "unauthorized", "message": "no"}},
        AUTH,
        401,
        "no",
        error_type="unauthorized",
    ),
    Refused(
        "rate limit by its code",
        proxied({"commonErrorCode": "rateLimitExceeded", "message": "no"}),
        LIMITED,
        429,
        "no",
        error_type="rateLimitExceeded",
        headers={"Retry-After": "30"},
        after=30.0,
    ),
    Refused(
        "unspecified code",
        {"error": {"commonErrorCode": "COMMON_ERROR_CODE_UNSPECIFIED", "message": "no"}},
        OTHER,
        200,
        "no",
    ),
    Refused(
        "details, without their values",
        {
            "status": 422,
            "commonErrorCode": "validationFailed",
            "message": "invalid request",
            "details": [
                {
                    "model": "MessageDto",
                    "field": "buttons",
                    "index": 1,
                    "value": "the customer's words",
                    "message": "is too long",
                    "protoPackagePath": "core.v1",
                    "protoConstraint": "string.maxLen",
                },
                {"field": "botName", "value": "x", "protoConstraint": "string.pattern"},
                {"value": "the customer's words"},
                "no detail",
            ],
        },
        OTHER,
        422,
        "invalid request; MessageDto.buttons[1]: is too long (string.maxLen); botName: (string.pattern)",
        status=422,
        error_type="validationFailed",
    ),
    Refused(
        "details alone",
        {
            "status": 422,
            "commonErrorCode": "validationFailed",
            "details": [{"value": "the customer's words"}],
        },
        OTHER,
        422,
        "validationFailed",
        status=422,
        error_type="validationFailed",
    ),
    Refused("unauthorized", common("Unauthorized"), AUTH, 200, "Unauthorized", error_type="common"),
    Refused("code 403", common("no", code=403), PERMISSION, 200, "no", code=403, error_type="common"),
    Refused(
        "action check",
        common("service, action check fail"),
        PERMISSION,
        200,
        "service, action check fail",
        error_type="common",
    ),
    Refused(
        "scope check",
        common("scope check fail: x"),
        PERMISSION,
        200,
        "scope check fail: x",
        error_type="common",
    ),
    Refused(
        "HTTP 401", plain(401, "no", "Unauthorized"), AUTH, 401, "no", status=401, error_type="Unauthorized"
    ),
    Refused("HTTP 401 without a body", b"", AUTH, 401, "Unauthorized", status=401),
    Refused("HTTP 401 with an envelope", common("no"), AUTH, 401, "no", status=401, error_type="common"),
    Refused(
        "HTTP 403 with HTML", b"<html>blocked</html>", PERMISSION, 403, "<html>blocked</html>", status=403
    ),
    Refused(
        "HTTP 422 call unauthorized",
        plain(422, "function call unauthorized"),
        PERMISSION,
        422,
        "function call unauthorized",
        status=422,
        error_type="Some Error",
    ),
    Refused(
        "HTTP 500 code 401",
        common("no", code=401),
        AUTH,
        500,
        "no",
        status=500,
        code=401,
        error_type="common",
    ),
    # What a proxied function met.
    Refused("proxied 401", proxied(UP_401), AUTH, 401, "token is expired by 3m", error_type="unauthorized"),
    Refused("proxied 403", proxied(plain(403)), PERMISSION, 403, "no", error_type="Some Error"),
    Refused("proxied 404", proxied(plain(404)), OTHER, 404, "no", error_type="Some Error"),
    Refused(
        "proxied 404 about tokens",
        proxied(plain(404, "token is expired")),
        OTHER,
        404,
        "token is expired",
        error_type="Some Error",
    ),
    Refused(
        "proxied 422",
        proxied(plain(422, "VALIDATION_FAILED")),
        OTHER,
        422,
        "VALIDATION_FAILED",
        error_type="Some Error",
    ),
    Refused("proxied 500", proxied(plain(500)), OTHER, 500, "no", error_type="Some Error"),
    Refused(
        "proxied 503 as text",
        proxied({"status": "503", "message": "busy"}),
        OTHER,
        503,
        "busy",
        error_type="common",
    ),
    Refused(
        "proxied with a nested error",
        proxied({"error": {"code": 401, "message": "no", "type": "t"}}),
        AUTH,
        401,
        "no",
        error_type="t",
    ),
    Refused(
        "proxied with trailing text",
        proxied(UP_401, " (trace 1) }"),
        AUTH,
        401,
        "token is expired by 3m",
        error_type="unauthorized",
    ),
    Refused(
        "proxied twice",
        proxied(plain(422, f"request failed, body: {json.dumps(plain(404, 'lost'))}")),
        OTHER,
        404,
        "lost",
        error_type="Some Error",
    ),
    Refused(
        "proxied as a JSON text",
        proxied(json.dumps(json.dumps(UP_401))),
        AUTH,
        401,
        "token is expired by 3m",
        error_type="unauthorized",
    ),
    Refused(
        "proxied behind a prefix",
        common(f"rpc: request failed, body: {json.dumps(UP_401)}"),
        AUTH,
        401,
        "token is expired by 3m",
        error_type="unauthorized",
    ),
    Refused(
        "proxied HTML",
        proxied("<html><title>502 Bad Gateway</title></html>"),
        OTHER,
        502,
        "request failed, body: <html><title>502 Bad Gateway</title></html>",
        error_type="common",
    ),
    Refused(
        "proxied HTML without a status",
        proxied("<html>oops</html>"),
        OTHER,
        502,
        "request failed, body: <html>oops</html>",
        error_type="common",
    ),
    Refused("proxied empty", proxied(""), OTHER, 502, "request failed, body:", error_type="common"),
    Refused(
        "proxied broken JSON",
        proxied('{"status": 401'),
        OTHER,
        502,
        'request failed, body: {"status": 401',
        error_type="common",
    ),
    Refused(
        "proxied nonsense status",
        proxied({"status": True, "message": "m"}),
        OTHER,
        502,
        "m",
        error_type="common",
    ),
    Refused(
        "proxied 429",
        proxied(plain(429, "slow", **{"X-Rate-Limit-Reset": EPOCH})),
        LIMITED,
        429,
        "slow",
        error_type="Some Error",
        after=90,
    ),
    Refused(
        "proxied limit without a status",
        proxied({"type": "RATE_LIMIT_EXCEEDED"}),
        LIMITED,
        200,
        "RATE_LIMIT_EXCEEDED",
        error_type="RATE_LIMIT_EXCEEDED",
    ),
    # The general rate limit.
    Refused(
        "429 epoch in the body",
        plain(429, "Rate limit exceeded", "RateLimitError", **LIMIT, **{"X-Rate-Limit-Reset": EPOCH}),
        LIMITED,
        429,
        "Rate limit exceeded",
        status=429,
        error_type="RateLimitError",
        after=90,
    ),
    Refused(
        "429 flat RFC 3339 and a second document",
        json.dumps({"message": "slow", **LIMIT, "X-Rate-Limit-Reset": "2023-11-14T22:14:50Z"}).encode()
        + b'{"result":{}}',
        LIMITED,
        429,
        "slow",
        status=429,
        after=90,
    ),
    Refused(
        "429 flat RFC 3339 without words",
        json.dumps({**LIMIT, "X-Rate-Limit-Reset": "2023-11-14T22:14:50Z"}).encode() + b"{}",
        LIMITED,
        429,
        "Too Many Requests",
        status=429,
        after=90,
    ),
    Refused(
        "429 header",
        plain(429),
        LIMITED,
        429,
        "no",
        status=429,
        error_type="Some Error",
        headers={"X-Rate-Limit-Reset": str(EPOCH)},
        after=90,
    ),
    Refused(
        "429 Open API header",
        b"",
        LIMITED,
        429,
        "Too Many Requests",
        status=429,
        headers={"x-ratelimit-reset": str(EPOCH)},
        after=90,
    ),
    Refused(
        "429 Retry-After seconds",
        b"<html>slow</html>",
        LIMITED,
        429,
        "<html>slow</html>",
        status=429,
        headers={"Retry-After": "7"},
        after=7,
    ),
    Refused(
        "429 Retry-After date",
        b"",
        LIMITED,
        429,
        "Too Many Requests",
        status=429,
        headers={"retry-after": "Tue, 14 Nov 2023 22:14:50 GMT"},
        after=90,
    ),
    Refused("429 without a time", b"", LIMITED, 429, "Too Many Requests", status=429),
    Refused(
        "envelope code 429", common("slow", code=429), LIMITED, 200, "slow", code=429, error_type="common"
    ),
    Refused(
        "envelope type",
        {"error": {"type": "RateLimitError", "message": "slow"}},
        LIMITED,
        200,
        "slow",
        error_type="RateLimitError",
    ),
    Refused(
        "envelope words",
        common("Rate limit exceeded"),
        LIMITED,
        200,
        "Rate limit exceeded",
        error_type="common",
    ),
    # Other statuses.
    Refused(
        "422 no JSON sent",
        plain(422, "bad body", "Unprocessable Entity"),
        OTHER,
        422,
        "bad body",
        status=422,
        error_type="Unprocessable Entity",
    ),
    Refused("404 wrong path", b"404 page not found", OTHER, 404, "Not Found", status=404),
    Refused("404 prose", b"not here", OTHER, 404, "not here", status=404),
    Refused("400 nested too deeply", b"[" * 100_000, OTHER, 400, "Bad Request", status=400),
    Refused("499 without a phrase", b"\xff\xfe", OTHER, 499, "", status=499),
    Refused(
        "500 with a body",
        plain(500, "boom", "Internal"),
        OTHER,
        500,
        "boom",
        status=500,
        error_type="Internal",
    ),
    Refused("500 with an envelope", common("boom"), OTHER, 500, "boom", status=500, error_type="common"),
    Refused("503 error as text", {"error": "busy"}, OTHER, 503, "busy", status=503),
    Refused("lost status", plain(404, "gone"), OTHER, 404, "gone", error_type="Some Error"),
    # Failure inside a success.
    Refused(
        "success false",
        {
            "result": {
                "success": False,
                "errorMessage": "bad name",
                "validationErrors": [{"message": "too long"}],
            }
        },
        OTHER,
        200,
        "bad name; too long",
        error_type="success=false",
    ),
    Refused("success false bare", {"success": False}, OTHER, 200, "", error_type="success=false"),
    # Token requests.
    Refused(
        "bad secret",
        common("appSecret not found"),
        AUTH,
        200,
        "appSecret not found",
        method="issueToken",
        error_type="common",
        says="Check the App Secret (the password of the connection)",
    ),
    Refused(
        "bad secret with a channel",
        common("record not found"),
        AUTH,
        200,
        "record not found",
        method="issueToken",
        error_type="common",
        channel_id="c1",
        says="App Secret",
    ),
    Refused("bad secret without words", common(""), AUTH, 200, "", method="issueToken", error_type="common"),
    Refused(
        "not installed, no words",
        common(""),
        PERMISSION,
        200,
        "",
        method="issueToken",
        error_type="common",
        channel_id="c1",
        says="Install the app on the channel c1",
    ),
    Refused(
        "not installed, unauthorized",
        common("unauthorized"),
        PERMISSION,
        200,
        "unauthorized",
        method="issueToken",
        error_type="common",
        channel_id="c1",
        says="Install the app",
    ),
    Refused(
        "not installed, SDK model",
        {"error": {"code": 401, "message": "Unauthorized"}},
        PERMISSION,
        200,
        "Unauthorized",
        code=401,
        method="issueToken",
        channel_id="c1",
    ),
    Refused(
        "unauthorized without a channel",
        {"error": {"code": 401, "message": "Unauthorized"}},
        AUTH,
        200,
        "Unauthorized",
        code=401,
        method="issueToken",
    ),
    Refused(
        "issue HTTP 401", b"", AUTH, 401, "Unauthorized", status=401, method="issueToken", channel_id="c1"
    ),
    Refused(
        "issue HTTP 403",
        b"",
        PERMISSION,
        403,
        "Forbidden",
        status=403,
        method="issueToken",
        channel_id="c1",
        says="Install the app",
    ),
    Refused("issue HTTP 404", b"", OTHER, 404, "Not Found", status=404, method="issueToken"),
    Refused(
        "issue unknown method",
        common("method not found: issueToken"),
        OTHER,
        200,
        "method not found: issueToken",
        method="issueToken",
        error_type="common",
    ),
    Refused(
        "issue internal error",
        common("x", code=-32603),
        OTHER,
        502,
        "x",
        code=-32603,
        method="issueToken",
        error_type="common",
    ),
    Refused(
        "issue HTTP 500",
        common("boom"),
        OTHER,
        500,
        "boom",
        status=500,
        method="issueToken",
        error_type="common",
    ),
    Refused(
        "issue HTTP 429",
        plain(429, "slow", "RateLimitError", **{"X-Rate-Limit-Reset": EPOCH}),
        QUOTA,
        429,
        "slow",
        status=429,
        error_type="RateLimitError",
        method="issueToken",
        after=90,
        says="10 tokens in 30 minutes",
    ),
    Refused(
        "issue HTTP 429 Retry-After",
        b"",
        QUOTA,
        429,
        "Too Many Requests",
        status=429,
        method="issueToken",
        headers={"Retry-After": "60"},
        after=60,
    ),
    Refused(
        "issue envelope 429",
        {"error": {"code": 429, "message": "slow"}},
        QUOTA,
        200,
        "slow",
        code=429,
        method="issueToken",
    ),
    Refused(
        "token fetch 429",
        common('token fetch fail, response: {"status":429,"retryAfter":"30","message":"slow"}'),
        QUOTA,
        429,
        "slow",
        method="issueToken",
        error_type="common",
        after=30,
    ),
    Refused(
        "token fetch rate limit",
        common("token fetch fail, response: rate limited"),
        QUOTA,
        200,
        "token fetch fail, response: rate limited",
        method="issueToken",
        error_type="common",
    ),
    Refused(
        "token fetch too many",
        common("token fetch fail, response: too many"),
        QUOTA,
        200,
        "token fetch fail, response: too many",
        method="issueToken",
        error_type="common",
        channel_id="c1",
    ),
    Refused(
        "token fetch unexplained",
        common("token fetch fail, response: "),
        QUOTA,
        200,
        "token fetch fail, response:",
        method="refreshToken",
        error_type="common",
    ),
    Refused(
        "token fetch unexplained JSON",
        common("token fetch fail, response: {}"),
        QUOTA,
        200,
        "token fetch fail, response: {}",
        method="issueToken",
        error_type="common",
    ),
    Refused(
        "token fetch invalid client",
        common('token fetch fail, response: {"error":"invalid_client"}'),
        AUTH,
        200,
        "invalid_client",
        method="issueToken",
        error_type="common",
    ),
    Refused(
        "token fetch 401",
        common('token fetch fail, response: {"status":401,"message":"no"}'),
        AUTH,
        401,
        "no",
        method="issueToken",
        error_type="common",
    ),
    Refused(
        "token fetch 403",
        common('token fetch fail, response: {"status":403,"message":"no"}'),
        PERMISSION,
        403,
        "no",
        method="issueToken",
        error_type="common",
        channel_id="c1",
        says="Install the app",
    ),
    Refused(
        "token fetch 502",
        common("token fetch fail, response: <title>502 Bad Gateway</title>"),
        OTHER,
        502,
        "token fetch fail, response: <title>502 Bad Gateway</title>",
        method="issueToken",
        error_type="common",
    ),
    Refused(
        "token fetch timeout",
        common("token fetch fail, response: context deadline exceeded"),
        OTHER,
        502,
        "token fetch fail, response: context deadline exceeded",
        method="issueToken",
        error_type="common",
    ),
    Refused(
        "refresh refused",
        common("invalid refresh token"),
        AUTH,
        200,
        "invalid refresh token",
        method="refreshToken",
        error_type="common",
        says="a new token has to be issued",
    ),
    Refused(
        "refresh invalid grant",
        common('token fetch fail, response: {"error":"invalid_grant"}'),
        AUTH,
        200,
        "invalid_grant",
        method="refreshToken",
        error_type="common",
    ),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.id)
def test_a_refusal_lands_in_its_class(case: Refused) -> None:
    response = answer(case.body, case.status, case.headers)
    with pytest.raises(ChannelRequestError) as caught:
        read_native(response, method=case.method, now=NOW, channel_id=case.channel_id)
    error = caught.value
    assert (type(error), error.method, error.http_status) == (case.error, case.method, case.http_status)
    assert (error.code, error.error_type) == (case.code, case.error_type)
    assert error.service_message == case.service_message
    assert str(error).startswith(f"{case.method} was refused (HTTP {case.http_status}")
    assert case.says in str(error)
    if isinstance(error, ChannelRateLimitError):
        at = None if case.after is None else datetime.fromtimestamp(NOW + case.after, tz=timezone.utc)
        assert (error.retry_after_seconds, error.retry_at) == (case.after, at)
    else:
        assert case.after is None
