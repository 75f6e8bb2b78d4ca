"""Answers and refusals in the shapes of the service. Pure: bytes, a status and headers.

Success is ``{"result": …}`` with an empty error beside it, or, for a token request, a body without an envelope. A
refusal of a native function is HTTP 200 with an ``error`` object; the answer of the core API behind it is text in that
message. A request that reached no function is answered with its HTTP status and ``{status, type, language, errors}``.
The core API refuses in the same way, or with a code of its own: ``{status, commonErrorCode, message}``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http import HTTPStatus
from typing import TYPE_CHECKING

from airflow_channel_provider.emulator.dialect import plain_word
from airflow_channel_provider.emulator.jsontypes import dump

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject


class _NoResult:
    """The result of a function without one: its envelope has no ``result`` key."""


NO_RESULT = _NoResult()
# The fields of a success besides its result, by shape.
EMPTY_ERRORS: dict[str, JSONObject] = {
    "seed": {},
    "live": {},
    "live_empty_error": {"error": {}},
    "live_blank_error": {"error": {"type": "", "message": ""}},
}
# How the core API refuses: with the type that goes with the status, or with its common error code.
ERROR_SHAPES = ("legacy", "common_code")
_COMMON_CODE = "COMMON_ERROR_CODE_"
_COMMON_CODES = {
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "ENTITY_NOT_FOUND",
    422: "VALIDATION_FAILED",
}


@dataclass(slots=True)
class Answer:
    """One HTTP answer."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class PendingAnswer:
    """
    An answer that depends on something outside of the emulator.

    :param find_out: finds it out, in any thread; it does not touch the emulator.
    :param conclude: makes the answer from it, in the emulator's thread.
    """

    find_out: Callable[[], JSON]
    conclude: Callable[[JSON], JSON]


@dataclass(slots=True)
class Delivery:
    """
    How an answer is sent.

    :param answer: None: the connection is dropped.
    :param delay_seconds: how long it is held back.
    :param cut: the connection is dropped in the middle of it.
    :param pending: it can't be answered yet.
    """

    answer: Answer | None
    delay_seconds: float = 0
    cut: bool = False
    pending: PendingAnswer | None = None


class RefusalError(Exception):
    """
    The service refuses a request.

    :param message: its text.
    :param via: ``store`` (the App Store itself), ``core`` (proxied from the core API) or ``http`` (no envelope).
    :param status: HTTP status; for ``core`` the one that the core API gave.
    :param error_type: ``type`` of a core or http body.
    :param common_code: of the core API, where it is not the one that goes with the status.
    :param code: of the envelope, where the App Store itself refuses and says more than that.
    """

    def __init__(
        self,
        message: str,
        *,
        via: str = "store",
        status: int = 422,
        error_type: str = "",
        common_code: str = "",
        code: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.via = via
        self.status = status
        self.code = code
        self.common_code = common_code or _COMMON_CODES.get(status, "INTERNAL_ERROR")
        # Python 3.13 renamed the phrase of 422.
        self.error_type = error_type or (
            "Unprocessable Entity" if status == 422 else HTTPStatus(status).phrase
        )


def core_refusal(status: int, message: str) -> RefusalError:
    """A refusal by the core API, of the kind that goes with its status."""
    return RefusalError(message, via="core", status=status)


def unprocessable(message: str) -> RefusalError:
    """A refusal of what breaks the contract, in the newest shape of the envelope."""
    return RefusalError(message, error_type="unprocessable", code=1)


def http_body(status: int, error_type: str, message: str, **more: JSON) -> JSONObject:
    """The body of everything that is not HTTP 200."""
    errors = [{"message": message, **more}]
    return {"status": status, "type": error_type, "language": "en", "errors": errors}


def envelope_error(message: str, **more: JSON) -> Answer:
    """HTTP 200 with an error; ``type`` is ``common`` where nothing else is said."""
    return Answer(200, dump({"error": {"type": "common", "message": message, **more}}))


def success_answer(result: JSON, shape: str, *, token: bool = False) -> Answer:
    """
    A success.

    :param result: what the function returned, or :data:`NO_RESULT`.
    :param shape: a key of :data:`EMPTY_ERRORS`.
    :param token: whether it is the answer to a token request: those are bare in the seed's shape.
    """
    body: JSON = dict(EMPTY_ERRORS[shape])
    if token and shape == "seed":
        body = result
    elif result is not NO_RESULT:
        body["result"] = result
    return Answer(200, dump(body))


def refusal_answer(
    refusal: RefusalError, *, proxied_errors: bool, error_shape: str = "legacy", dialect: str = "protobuf"
) -> Answer:
    """
    A refusal.

    :param refusal: what was refused and why.
    :param proxied_errors: whether the core API's body travels as text in the message; else its status is the ``code``.
    :param error_shape: of :data:`ERROR_SHAPES`, for the core API's body.
    :param dialect: how a common error code is spelled.
    """
    if refusal.code is not None:
        return envelope_error(refusal.message, code=refusal.code, type=refusal.error_type)
    if refusal.via == "store":
        return envelope_error(refusal.message)
    body = http_body(refusal.status, refusal.error_type, refusal.message)
    if refusal.via == "http":
        return Answer(refusal.status, dump(body))
    if not proxied_errors:
        return envelope_error(refusal.message, code=refusal.status)
    if error_shape == "common_code":
        body = _common_body(refusal, dialect)
    return envelope_error(f"request failed, body: {dump(body).decode()}")


def _common_body(refusal: RefusalError, dialect: str) -> JSONObject:
    """The core API's newest body; its list of details is left out where there are none, as all that is empty."""
    code = _COMMON_CODE + refusal.common_code
    code = plain_word(code, _COMMON_CODE) if dialect == "plain" else code
    return {"status": refusal.status, "commonErrorCode": code, "message": refusal.message}


def unauthorized_answer(shape: str) -> Answer:
    """
    The refusal of a token that is alive.

    :param shape: ``http``, ``envelope`` or ``proxied``.
    """
    body = http_body(401, "Unauthorized", "Unauthorized")
    if shape == "http":
        return Answer(401, dump(body))
    if shape == "envelope":
        return envelope_error("Unauthorized", code=401)
    return envelope_error(f"request failed, body: {dump(body).decode()}")


def rate_limit_headers(limit: int, remaining: int, reset_at: float) -> dict[str, str]:
    """The three headers of a normal answer; the reset is in epoch seconds, rounded up."""
    return {
        "X-Rate-Limit-Limit": str(limit),
        "X-Rate-Limit-Remaining": str(remaining),
        "X-Rate-Limit-Reset": str(math.ceil(reset_at)),
    }


def rate_limit_answer(
    shape: str, *, limit: int, reset_at: float, now: float, second_document: bool = False
) -> Answer:
    """
    HTTP 429 of the general rate limit.

    :param shape: ``body_epoch`` (newer), ``flat_rfc3339`` (older), ``header`` or ``retry_after``.
    :param limit: calls in a window.
    :param reset_at: epoch seconds at which the window ends.
    :param now: epoch seconds.
    :param second_document: a second JSON document follows the first, as the older version did.
    """
    details: JSONObject = {"X-Rate-Limit-Limit": limit, "X-Rate-Limit-Remaining": 0}
    throttled = {"X-Rate-Limit-Will-Be-Throttled": True}
    headers: dict[str, str] = {}
    body = http_body(429, "RateLimitError", "Rate limit exceeded")
    if shape == "body_epoch":
        reset = {"X-Rate-Limit-Reset": math.ceil(reset_at)}
        body = http_body(429, "RateLimitError", "Rate limit exceeded", **details, **reset, **throttled)
    elif shape == "flat_rfc3339":
        reset_text = datetime.fromtimestamp(math.ceil(reset_at), tz=timezone.utc).strftime(
            "%Y-%m-%dT%H:%M:%SZ"
        )
        body = {**details, "X-Rate-Limit-Reset": reset_text, **throttled}
    elif shape == "header":
        headers = rate_limit_headers(limit, 0, reset_at)
    else:
        headers = {"Retry-After": str(max(0, math.ceil(reset_at - now)))}
    data = dump(body)
    return Answer(429, data + dump({"error": {}}) if second_document else data, headers)


def quota_answer(shape: str, retry_after_seconds: float) -> Answer:
    """
    The refusal of a token request because the quota is used up. No public source shows it: hence four shapes.

    :param shape: ``token_fetch_fail``, ``http_429``, ``http_429_retry_after`` or ``envelope_429``.
    :param retry_after_seconds: until the window ends; only one shape says it.
    """
    body = http_body(429, "RateLimitError", "Rate limit exceeded")
    if shape == "token_fetch_fail":
        return envelope_error(f"token fetch fail, response: {dump(body).decode()}")
    if shape == "envelope_429":
        return envelope_error("Rate limit exceeded", code=429)
    headers = {"Retry-After": str(math.ceil(retry_after_seconds))} if shape == "http_429_retry_after" else {}
    return Answer(429, dump(body), headers)
