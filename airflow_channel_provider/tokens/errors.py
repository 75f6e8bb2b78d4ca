"""
The errors that a caller sees: what keeps it from a token now, or a refusal that another process met.

100 tasks of a channel with a wrong App Secret cost one token request: the first stores the refusal in the shared
record, the others raise the same error from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_channel_provider import exceptions
from airflow_channel_provider.exceptions import (
    ChannelAuthenticationError,
    ChannelError,
    ChannelNotSentError,
    ChannelPermissionError,
    ChannelRequestError,
    ChannelTokenQuotaError,
)
from airflow_channel_provider.tokens import validation
from airflow_channel_provider.tokens.context import TokenContext
from airflow_channel_provider.tokens.policy import CachedFailure, Decision, QuotaExhausted, RenewalInProgress
from airflow_channel_provider.tokens.record import ERROR_FIELDS, Failure, TokenFacts
from airflow_channel_provider.tokens.repository import RecordSnapshot, wall_time_in

_CLASSES = {
    cls.__name__: cls for cls in (ChannelRequestError, ChannelAuthenticationError, ChannelPermissionError)
}
_TEXTS = ("method", "error_type", "service_message")


class HeldUpError(ChannelNotSentError):
    """The process was stopped for so long after the charge that it gave the charge back and sent nothing."""


class NoRoomError(ChannelTokenQuotaError):
    """By our own ledger, not by an answer of the service, the quota is spent."""


class RefreshRefusedError(ChannelAuthenticationError):
    """The refresh token was refused; the next request sends the credentials."""


def class_name(error: ChannelError) -> str:
    """Return the name of the documented class of an error."""
    public = (cls for cls in type(error).__mro__ if cls.__module__ == exceptions.__name__)
    return next(public, ChannelError).__name__


def is_lasting(error: ChannelRequestError) -> bool:
    """
    Return whether the same token request would be refused again.

    A wrong secret, a missing installation or an invalid request lasts until somebody acts. Trouble of the service
    itself, with a status of 5xx or an envelope of no other class, passes.
    """
    return type(error) is not ChannelRequestError or 400 <= (error.http_status or 200) < 500


def as_json(error: ChannelRequestError) -> dict[str, Any]:
    """Return a refusal as plain values for the record: long texts are cut, control characters left out."""
    values = {"class": type(error).__name__, **{name: getattr(error, name) for name in ERROR_FIELDS[1:]}}
    return {name: validation.plain(value) for name, value in values.items()}


def as_error(document: Mapping[str, Any], note: str) -> ChannelRequestError:
    """
    Make the error of a refusal that is stored in the record.

    :param note: a sentence to add, such as until when it is remembered.
    """
    cls = _CLASSES.get(str(document.get("class")), ChannelRequestError)
    status, texts = document.get("http_status"), {name: document.get(name) for name in _TEXTS}
    return cls(
        f"{document.get('message') or 'The service refused a token.'} {note}".strip(),
        http_status=status if isinstance(status, int) else None,
        code=document.get("code"),
        **{name: text if isinstance(text, str) else None for name, text in texts.items()},
    )


def cached_error(
    failure: Failure, now: float, context: TokenContext, scope: str, cause: ChannelError | None = None
) -> ChannelError:
    """
    Make the error that every task raises while a failed token request is remembered.

    :param now: store clock, seconds.
    :param cause: the failure itself, in the process that met it.
    """
    until = wall_time_in(failure.until - now)
    if failure.error is not None:
        return as_error(
            failure.error,
            f"The refusal is remembered for all tasks until {until:%H:%M:%S} UTC, so that not each of them sends a "
            f"request that fails; another {context.service.credentials} is tried at once.",
        )
    reason = f": {cause.message.removesuffix('.')}" if cause is not None else ""
    return ChannelNotSentError(
        f"{context.label}: no token for scope {scope} is available now{reason}. After {failure.in_a_row} failed token "
        f"request{'s' if failure.in_a_row > 1 else ''} in a row the next may be sent at {until:%H:%M:%S} UTC.",
        method=cause.method if cause is not None else None,
        http_status=cause.http_status if cause is not None else None,
        retry_at=until,
    )


def blocked_error(
    decision: Decision, snapshot: RecordSnapshot, context: TokenContext, scope: str
) -> ChannelError:
    """Make the error of a task that gets no token because of a decision of the policy."""
    if isinstance(decision, CachedFailure):
        return cached_error(decision.failure, snapshot.now, context, scope)
    if isinstance(decision, QuotaExhausted):
        return _quota_error(decision, snapshot, context, scope)
    until = decision.until if isinstance(decision, RenewalInProgress) else snapshot.now
    return ChannelNotSentError(
        f"{context.label}: another task has been renewing the token of scope {scope} for longer than this one may "
        "wait; nothing was sent.",
        retry_at=wall_time_in(until - snapshot.now),
    )


def _quota_error(
    decision: QuotaExhausted, snapshot: RecordSnapshot, context: TokenContext, scope: str
) -> ChannelTokenQuotaError:
    quota, retry_after = context.repository.quota, decision.at - snapshot.now
    retry_at = wall_time_in(retry_after)
    why = (
        "the service has refused token requests for its quota"
        if decision.blocked
        else f"all {quota.limit} token requests of {quota.window_seconds / 60:.0f} minutes are spent"
    )
    return ChannelTokenQuotaError(
        f"{context.label}: {why}; the next one for scope {scope} may be sent at {retry_at:%H:%M:%S} UTC. "
        "Nothing was sent.",
        retry_at=retry_at,
        retry_after_seconds=retry_after,
    )


def replaced_too_often(
    facts: TokenFacts, now: float, context: TokenContext, scope: str
) -> ChannelAuthenticationError:
    """
    Make the error for a token that was refused though it had replaced refused ones.

    :param now: store clock, seconds.
    """
    return ChannelAuthenticationError(
        f"{context.label}: the service refused a token of scope {scope} that is {now - facts.issued_at:.0f} s old and "
        f"number {facts.replacements} in a row that had replaced a refused one. It is not renewed again for now, since "
        f"that would hardly help; {context.service.advice}."
    )
