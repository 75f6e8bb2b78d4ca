"""What a fault does to a request: before the call (instead of it) or after it (instead of its answer)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_channel_provider.emulator.answers import (
    Answer,
    http_body,
    quota_answer,
    rate_limit_answer,
    unauthorized_answer,
)
from airflow_channel_provider.emulator.jsontypes import dump
from airflow_channel_provider.emulator.visit import Exchange

if TYPE_CHECKING:
    from airflow_channel_provider.emulator.faults import Fault
    from airflow_channel_provider.emulator.visit import Visit

__all__ = ["strike_after", "strike_before"]

_TEXTS = {
    "close_before": "connection dropped",
    "http_500": "internal server error",
    "html": "gateway error as HTML",
    "rate_limit": "rate limit exceeded",
    "unauthorized": "token refused though alive",
    "token_quota": "token quota used up",
}
_HTML = (
    "<html>\r\n<head><title>{status} Bad Gateway</title></head>\r\n<body>\r\n"
    "<center><h1>{status} Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)


def _server_error() -> Answer:
    return Answer(500, dump(http_body(500, "Internal Server Error", "Internal Server Error")))


def strike_before(fault: Fault, visit: Visit, quota_left_seconds: float, rate_limit: int) -> Exchange:
    """
    Answer, or drop the connection, without acting.

    :param fault: one that does not act.
    :param visit: the request; gets its error.
    :param quota_left_seconds: until the token window ends.
    :param rate_limit: the number that a 429 names.
    """
    options = fault.options
    visit.error = _TEXTS[fault.name]
    if fault.name == "close_before":
        return Exchange(None)
    if fault.name == "html":
        status = int(options["status"])
        return Exchange(Answer(status, _HTML.format(status=status).encode(), content_type="text/html"))
    if fault.name == "rate_limit":
        reset_at = visit.at + options["reset_after_seconds"]
        second = options["second_document"]
        return Exchange(
            rate_limit_answer(
                options["shape"], limit=rate_limit, reset_at=reset_at, now=visit.at, second_document=second
            )
        )
    if fault.name == "unauthorized":
        return Exchange(unauthorized_answer(options["shape"]))
    if fault.name == "token_quota":
        if visit.token_request is not None:
            visit.token_request["refused_by_quota"] = True
        wait = options["retry_after_seconds"]
        return Exchange(quota_answer(options["shape"], quota_left_seconds if wait is None else wait))
    return Exchange(_server_error())


def strike_after(fault: Fault, answer: Answer) -> Exchange:
    """
    Spoil the answer of a call that was carried out.

    :param fault: one that acts.
    :param answer: what would have been answered.
    """
    if fault.name == "close_after":
        return Exchange(None)
    if fault.name == "http_500_after":
        return Exchange(_server_error())
    if fault.name == "first_page":
        return Exchange(answer)
    if fault.name == "slow":
        return Exchange(answer, delay_seconds=fault.options["seconds"])
    if fault.name == "truncated":
        if not fault.options["cut"]:
            answer.body = answer.body[: len(answer.body) // 2]
        return Exchange(answer, cut=fault.options["cut"])
    if fault.name == "empty":
        return Exchange(Answer(200, b"", answer.headers))
    # Blanks, so that it says what it would have said: a refusal stays one.
    answer.body = answer.body[:-1] + b" " * int(fault.options["megabytes"] * 1_000_000) + answer.body[-1:]
    return Exchange(answer)
