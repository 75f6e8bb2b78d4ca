"""
The token requests of the last day, for people to look at. No decision reads it.

It is part of the record, so it has each request from the moment of its charge: one without a result shows that its
process died. A request is a row of plain values, which is parsed only to be shown, since the record is read far more
often than its history.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple

from airflow_channel_provider.tokens import validation
from airflow_channel_provider.tokens.record import KEPT_ROWS, History, Row

KEPT_SECONDS = 86_400.0
TEXT_LENGTH = 160
"""Of each text in a row, so that the record stays small however long the name of a task is."""


class Outcome(Enum):
    """The result of a token request."""

    PENDING = "pending"
    GRANTED = "granted"
    REFUSED = "refused"
    QUOTA = "quota"
    UNCLEAR = "unclear"
    NOT_SENT = "not_sent"
    INTERRUPTED = "interrupted"


_OUTCOMES = tuple(outcome.value for outcome in Outcome)


class TokenRequest(NamedTuple):
    """
    One token request.

    :param id: of its charge.
    :param at: when it was charged (store clock, seconds).
    :param kind: ``issue`` or ``refresh``.
    :param why: what was wrong with the last token.
    :param asked_by: the task or the person that needed a token.
    :param outcome: value of an :class:`Outcome`.
    :param detail: of a request that failed: the class of its error.
    :param seconds: how long it took.
    """

    id: str
    at: float
    scope: str
    kind: str
    why: str = ""
    asked_by: str = ""
    outcome: str = Outcome.PENDING.value
    detail: str = ""
    seconds: float | None = None


def add_request(history: History, request: TokenRequest) -> History:
    """Add a request that is about to be sent, and drop those that are older than a day."""
    row = [text[:TEXT_LENGTH] if isinstance(text, str) else text for text in request]
    kept = [earlier for earlier in history if _at(earlier) + KEPT_SECONDS > request.at]
    return (*kept[max(0, len(kept) + 1 - KEPT_ROWS) :], row)


def set_outcome(history: History, request_id: str, now: float, outcome: Outcome, detail: str = "") -> History:
    """Set the result of a request; a request that is not in the history is not added."""
    return tuple(
        [*row[:6], outcome.value, detail[:TEXT_LENGTH], max(0.0, round(now - _at(row), 3))]
        if row and row[0] == request_id
        else row
        for row in history
    )


def parse_requests(history: History) -> list[TokenRequest]:
    """Parse the rows, oldest first; a row that is not one of ours is left out."""
    return [request for row in history if (request := _request(row)) is not None]


def _request(row: Row) -> TokenRequest | None:
    try:
        request = TokenRequest(*row)
        texts = request.id, request.scope, request.kind, request.why, request.asked_by, request.detail
        printable = "".join(texts).isprintable()
    except TypeError:  # of another length, or one of them is no text
        return None
    took, at = request.seconds, _at(row)
    if at <= 0 or request.outcome not in _OUTCOMES or not (took is None or validation.is_time(took)):
        return None
    return request if printable else TokenRequest(*map(_put_right, row))


def _put_right(value: Any) -> Any:
    return validation.repaired(value, TEXT_LENGTH) if isinstance(value, str) else value


def _at(row: Row) -> float:
    """Return when a row was written (store clock, seconds); 0 for a row that is not one of ours."""
    at = row[1] if len(row) > 1 else None
    return float(at) if validation.is_time(at) else 0.0
