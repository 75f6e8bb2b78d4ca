"""What the service behind refused, and a rate limit, land in their class of error, however wrapped they come."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.refused import (
    AUTH,
    LIMITED,
    NOW,
    OTHER,
    PERMISSION,
    Refused,
    assert_lands_in_its_class,
    common,
    plain,
    proxied,
)

EPOCH: Any = int(NOW) + 90
LIMIT: dict[str, Any] = {
    "X-Rate-Limit-Limit": 10,
    "X-Rate-Limit-Remaining": 0,
    "X-Rate-Limit-Will-Be-Throttled": True,
}
UP_401 = plain(401, "token is expired by 3m", "unauthorized")

REFUSED = [
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
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.id)
def test_a_refusal_of_the_service_behind_lands_in_its_class(case: Refused) -> None:
    assert_lands_in_its_class(case)
