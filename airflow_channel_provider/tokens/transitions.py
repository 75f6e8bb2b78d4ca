"""
The result of a token request as a change of the record that all tasks share. Pure functions of (record, now).

Each settles the charges of the renewal, since the answer, or the certainty that none comes, shows when the service
counted the request at the latest; and each gives the lease back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from airflow_channel_provider.tokens import policy
from airflow_channel_provider.tokens.budget import Charge, Quota
from airflow_channel_provider.tokens.policy import RenewalRequest
from airflow_channel_provider.tokens.record import AppRecord, Failure, Lease, TokenFacts
from airflow_channel_provider.tokens.stages import Stage, early_seconds
from airflow_channel_provider.tokens.types import APP_SCOPE
from airflow_channel_provider.tokens.validation import increment

TRANSIENT_PAUSES_SECONDS = (2.0, 10.0, 60.0, 300.0)
"""Between token requests during an outage; each costs one of ten."""

UNSENT_PAUSE_MAX_SECONDS = 30.0
"""The same if the request was not sent, and cost nothing."""

SECRET_REFUSAL = "ChannelAuthenticationError"  # noqa: S105 - the name of an error class
"""The class in the record of a refusal that may mean the App Secret."""

EARLY_PAUSE_MAX_SECONDS = 3600.0
"""Between early attempts, however long a token lives: a third of the early part of a year would be 24 days."""

REFUSAL_PAUSE_SECONDS = 300.0
REFUSAL_PAUSE_MAX_SECONDS = 1800.0

Charges = tuple[Charge, ...]
"""The charges of one renewal, the last of them for its last request."""


def exchange_charge(
    record: AppRecord, now: float, request: RenewalRequest, charges: Charges, charge_id: str, quota: Quota
) -> AppRecord | None:
    """
    Charge the second request of a renewal whose answer had a refresh token but no access token.

    :return: the new record, or None if the quota is spent.
    """
    if record.ledger.available_at(now, quota) > now:
        return None
    ledger = record.ledger
    for charge in charges:
        ledger = ledger.settle(charge, now)
    ledger = ledger.charge(charge_id, scope=request.scope, kind="refresh", now=now, quota=quota)
    lease = Lease(request.owner, request.host, now + policy.LEASE_SECONDS)
    return record._replace(ledger=ledger).with_lease(request.scope, lease)


def succeeded(
    record: AppRecord,
    now: float,
    request: RenewalRequest,
    facts: TokenFacts,
    charges: Charges,
    *,
    refresh: bool = False,
) -> AppRecord:
    """
    Record that the answer came and its token is stored.

    :param refresh: it was a refresh, so refreshes work; otherwise a refused one before it is counted.
    """
    failure, last = record.failure_of(request.scope, request.secret_mark), record.tokens.get(request.scope)
    refusals = last.refresh_refusals if last is not None else 0
    refusals = increment(refusals) if failure is not None and failure.refresh_refused else refusals
    replacements = increment(last.replacements) if last is not None and request.refused is not None else 0
    facts = facts._replace(refresh_refusals=0 if refresh else refusals, replacements=replacements)
    record = _settled(record, now, request, charges, answered=True)
    record = record._replace(ledger=record.ledger.accepted())
    return record.with_token(request.scope, facts, request.secret_mark)


def failed(
    record: AppRecord,
    now: float,
    request: RenewalRequest,
    charges: Charges,
    *,
    sent: bool,
    answered: bool,
    refresh: bool,
    life_seconds: float,
    error: Mapping[str, Any] | None,
) -> AppRecord:
    """
    Record that the request failed.

    :param sent: False if it was provably not sent, so that its charge is given back.
    :param answered: whether an answer came; without one the service may still count the request.
    :param refresh: it was a refresh; a refused one makes the next renewal an issue.
    :param life_seconds: life of the token that was to be renewed; early attempts are a third of its early part apart.
    :param error: the refusal, if a repetition would meet it again; None for a failure that passes.
    """
    record = _settled(record, now, request, charges, answered=answered)
    if not sent and charges:
        record = record._replace(ledger=record.ledger.refund(charges[-1].id))
    earlier = record.failure_of(request.scope, request.secret_mark)
    count = increment(earlier.in_a_row) if earlier is not None else 1
    pause = (
        _refusal_pause(count, refresh=refresh) if error is not None else _transient_pause(count, sent=sent)
    )
    if request.stage is Stage.EARLY:
        pause = max(pause, min(EARLY_PAUSE_MAX_SECONDS, early_seconds(life_seconds, 1) / 3))
    failure = Failure(
        count,
        now + pause,
        error=None if refresh else error,
        secret_mark=request.secret_mark,
        refresh_refused=(refresh and error is not None) or (earlier is not None and earlier.refresh_refused),
        at=now,
    )
    outage = record.outage if error is not None else _longer_outage(record.outage, now, sent=sent)
    record = record.with_failure(request.scope, failure, outage=outage)
    return record._replace(secret_refused=failure) if _is_the_secret(record, request, failure) else record


def _is_the_secret(record: AppRecord, request: RenewalRequest, failure: Failure) -> bool:
    """
    Return whether a refused issue means the App Secret, and not just this channel: the service words both alike.

    It is the secret if the app token was refused, or a second scope and no token was issued since the first.
    """

    def refused(candidate: Failure) -> bool:
        document = candidate.error or {}
        return document.get("class") == SECRET_REFUSAL and candidate.secret_mark == request.secret_mark

    if not refused(failure):
        return False
    issued_at = max((facts.issued_at for facts in record.tokens.values()), default=-math.inf)
    own = (request.scope, f"{request.scope}|{request.secret_mark}")
    others = (other for key, other in record.failures.items() if key not in own)
    return request.scope == APP_SCOPE or any(refused(other) and other.at > issued_at for other in others)


def refused_for_quota(
    record: AppRecord,
    now: float,
    request: RenewalRequest,
    charges: Charges,
    quota: Quota,
    retry_after_seconds: float | None,
) -> AppRecord:
    """Record that the service refused because of its quota: one block for all scopes of the app."""
    record = _settled(record, now, request, charges, answered=True)
    return record._replace(ledger=record.ledger.refused(now, quota, retry_after_seconds))


def abandoned(record: AppRecord, now: float, request: RenewalRequest, charges: Charges) -> AppRecord:
    """Record that the process was interrupted: the charges stay, the lease ends."""
    return _settled(record, now, request, charges, answered=False)


def withdrawn(record: AppRecord, request: RenewalRequest, charge: Charge) -> AppRecord:
    """Remove the charge and the lease of a request that was not sent."""
    return record._replace(ledger=record.ledger.refund(charge.id)).without_lease(request.scope, request.owner)


def _settled(
    record: AppRecord, now: float, request: RenewalRequest, charges: Charges, *, answered: bool
) -> AppRecord:
    ledger = record.ledger
    for charge in charges:
        # Whatever happened to the last request: the ones before it were answered.
        ledger = ledger.settle(charge, now, answered=answered or charge is not charges[-1])
    return record._replace(ledger=ledger).without_lease(request.scope, request.owner)


def _transient_pause(count: int, *, sent: bool) -> float:
    pause = TRANSIENT_PAUSES_SECONDS[min(count, len(TRANSIENT_PAUSES_SECONDS)) - 1]
    return pause if sent else min(pause, UNSENT_PAUSE_MAX_SECONDS)


def _refusal_pause(count: int, *, refresh: bool) -> float:
    # After a refused refresh an issue may be tried at once.
    return 0.0 if refresh else min(REFUSAL_PAUSE_SECONDS * 2 ** min(count - 1, 10), REFUSAL_PAUSE_MAX_SECONDS)


def _longer_outage(outage: Failure | None, now: float, *, sent: bool) -> Failure:
    count = increment(outage.in_a_row) if outage is not None else 1
    return Failure(count, now + _transient_pause(count, sent=sent), at=now)
