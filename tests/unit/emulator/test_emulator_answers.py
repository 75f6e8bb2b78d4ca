from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_channel_provider.emulator.answers import (
    NO_RESULT,
    RefusalError,
    core_refusal,
    quota_answer,
    rate_limit_answer,
    refusal_answer,
    success_answer,
    unauthorized_answer,
)

BODY_429 = {
    "status": 429,
    "type": "RateLimitError",
    "language": "en",
    "errors": [{"message": "Rate limit exceeded"}],
}


@pytest.mark.parametrize(
    ("shape", "token", "function", "nothing"),
    [
        ("seed", {"t": 1}, {"result": {"t": 1}}, {}),
        ("live", {"result": {"t": 1}}, {"result": {"t": 1}}, {}),
        (
            "live_empty_error",
            {"error": {}, "result": {"t": 1}},
            {"error": {}, "result": {"t": 1}},
            {"error": {}},
        ),
        (
            "live_blank_error",
            {"error": {"type": "", "message": ""}, "result": {"t": 1}},
            {"error": {"type": "", "message": ""}, "result": {"t": 1}},
            {"error": {"type": "", "message": ""}},
        ),
    ],
)
def test_successes_have_the_shape_that_is_set(shape: str, token: Any, function: Any, nothing: Any) -> None:
    assert json.loads(success_answer({"t": 1}, shape, token=True).body) == token
    assert json.loads(success_answer({"t": 1}, shape).body) == function
    assert json.loads(success_answer(NO_RESULT, shape).body) == nothing


@pytest.mark.parametrize(
    ("refusal", "proxied_errors", "status", "body"),
    [
        (RefusalError("no"), True, 200, {"error": {"type": "common", "message": "no"}}),
        (
            core_refusal(404, "user not found"),
            True,
            200,
            {
                "error": {
                    "type": "common",
                    "message": 'request failed, body: {"status":404,"type":"Not Found","language":"en",'
                    '"errors":[{"message":"user not found"}]}',
                }
            },
        ),
        (
            core_refusal(404, "user not found"),
            False,
            200,
            {"error": {"type": "common", "message": "user not found", "code": 404}},
        ),
        (
            RefusalError("body is not JSON", via="http"),
            True,
            422,
            {
                "status": 422,
                "type": "Unprocessable Entity",
                "language": "en",
                "errors": [{"message": "body is not JSON"}],
            },
        ),
    ],
)
def test_refusals_have_the_shape_of_who_refused(
    refusal: RefusalError, proxied_errors: bool, status: int, body: Any
) -> None:
    answer = refusal_answer(refusal, proxied_errors=proxied_errors)
    assert (answer.status, json.loads(answer.body)) == (status, body)


@pytest.mark.parametrize(
    ("refusal", "protobuf", "plain"),
    [
        (core_refusal(404, "m"), "COMMON_ERROR_CODE_ENTITY_NOT_FOUND", "entityNotFound"),
        (core_refusal(422, "m"), "COMMON_ERROR_CODE_VALIDATION_FAILED", "validationFailed"),
        (core_refusal(401, "m"), "COMMON_ERROR_CODE_UNAUTHORIZED", "unauthorized"),
        (core_refusal(403, "m"), "COMMON_ERROR_CODE_FORBIDDEN", "forbidden"),
        (
            RefusalError("m", via="core", common_code="INVALID_CURSOR"),
            "COMMON_ERROR_CODE_INVALID_CURSOR",
            "invalidCursor",
        ),
    ],
)
def test_the_newest_refusal_of_the_core_has_a_code_of_its_own(
    refusal: RefusalError, protobuf: str, plain: str
) -> None:
    for dialect, code in (("protobuf", protobuf), ("plain", plain)):
        answer = refusal_answer(refusal, proxied_errors=True, error_shape="common_code", dialect=dialect)
        message = json.loads(answer.body)["error"]["message"]
        assert json.loads(message.removeprefix("request failed, body: ")) == {
            "status": refusal.status,
            "commonErrorCode": code,
            "message": "m",
        }


def test_the_newer_429_has_its_reset_in_the_body_alone() -> None:
    answer = rate_limit_answer("body_epoch", limit=7, reset_at=1000.2, now=940)
    details = {"X-Rate-Limit-Limit": 7, "X-Rate-Limit-Remaining": 0, "X-Rate-Limit-Reset": 1001}
    details["X-Rate-Limit-Will-Be-Throttled"] = True
    expected = {**BODY_429, "errors": [{"message": "Rate limit exceeded", **details}]}
    assert (answer.status, json.loads(answer.body), answer.headers) == (429, expected, {})


def test_the_older_429_is_flat_and_tells_its_reset_as_text() -> None:
    answer = rate_limit_answer("flat_rfc3339", limit=7, reset_at=1_700_000_000.5, now=1_700_000_000)
    assert json.loads(answer.body) == {
        "X-Rate-Limit-Limit": 7,
        "X-Rate-Limit-Remaining": 0,
        "X-Rate-Limit-Reset": "2023-11-14T22:13:21Z",
        "X-Rate-Limit-Will-Be-Throttled": True,
    }
    doubled = rate_limit_answer("flat_rfc3339", limit=7, reset_at=0, now=0, second_document=True)
    assert doubled.body.endswith(b'}{"error":{}}')


@pytest.mark.parametrize(
    ("shape", "headers"),
    [
        ("header", {"X-Rate-Limit-Limit": "7", "X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Reset": "1001"}),
        ("retry_after", {"Retry-After": "61"}),
    ],
)
def test_a_429_may_tell_its_reset_in_a_header(shape: str, headers: dict[str, str]) -> None:
    answer = rate_limit_answer(shape, limit=7, reset_at=1000.2, now=940)
    assert (answer.status, json.loads(answer.body), answer.headers) == (429, BODY_429, headers)


@pytest.mark.parametrize(
    ("shape", "status", "body", "headers"),
    [
        (
            "token_fetch_fail",
            200,
            {
                "error": {
                    "type": "common",
                    "message": "token fetch fail, response: " + json.dumps(BODY_429, separators=(",", ":")),
                }
            },
            {},
        ),
        ("http_429", 429, BODY_429, {}),
        ("http_429_retry_after", 429, BODY_429, {"Retry-After": "100"}),
        (
            "envelope_429",
            200,
            {"error": {"type": "common", "message": "Rate limit exceeded", "code": 429}},
            {},
        ),
    ],
)
def test_the_quota_is_refused_in_four_shapes(shape: str, status: int, body: Any, headers: Any) -> None:
    answer = quota_answer(shape, 99.1)
    assert (answer.status, json.loads(answer.body), answer.headers) == (status, body, headers)


@pytest.mark.parametrize(
    ("shape", "status", "text"),
    [
        ("http", 401, '{"status":401,"type":"Unauthorized"'),
        ("envelope", 200, '{"error":{"type":"common","message":"Unauthorized","code":401}}'),
        ("proxied", 200, 'request failed, body: {\\"status\\":401'),
    ],
)
def test_a_live_token_is_refused_in_three_shapes(shape: str, status: int, text: str) -> None:
    answer = unauthorized_answer(shape)
    assert answer.status == status
    assert text in answer.body.decode()
