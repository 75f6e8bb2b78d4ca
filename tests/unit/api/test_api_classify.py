"""A refusal of a native function lands in its class of error, whichever of the published shapes it has."""

from __future__ import annotations

import pytest
from support.refused import (
    AUTH,
    LIMITED,
    OTHER,
    PERMISSION,
    Refused,
    assert_lands_in_its_class,
    common,
    plain,
    proxied,
)


def _camel(name: str) -> str:
    first, *rest = name.lower().split("_")
    return first + "".join(word.capitalize() for word in rest)


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
    Refused("HTTP 403 without a body", b"", PERMISSION, 403, "Forbidden", status=403),
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
    Refused("404 with a status", {"status": 404}, OTHER, 404, "", status=404),
    Refused("499 without a phrase", common(""), OTHER, 499, "", status=499, error_type="common"),
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
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.id)
def test_a_refusal_lands_in_its_class(case: Refused) -> None:
    assert_lands_in_its_class(case)
