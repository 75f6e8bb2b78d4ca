"""
The result of a token request as a change of the record that all tasks share. Pure functions of (record, now).

Each settles the charges of the renewal, since the answer, or the certainty that none comes, shows when the service
counted the request at the latest; and each gives the lease back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_channel_provider.tokens import policy
from airflow_channel_provider.tokens.budget import Charge, Quota
from airflow_channel_provider.tokens.policy import RenewalRequest
from airflow_channel_provider.tokens.record import (
    SECRET_REFUSAL,
    AppRecord,
    Failure,
    Lease,
    TokenFacts,
)
from airflow_channel_provider.tokens.stages import Stage, early_seconds
from airflow_channel_provider.tokens.validation import increment

TRANSIENT_PAUSES_SECONDS = (2.0, 10.0, 60.0, 300.0)
"""Between token requests during an outage; each costs one of ten."""

UNSENT_PAUSE_MAX_SECONDS = 30.0
"""The same if the request was not sent, and cost nothing."""

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
    record = record.with_token(request.scope, facts, request.secret_mark)
    # A refresh does not show the App Secret, so it proves nothing of it.
    return record if refresh else record.with_accepted_secret(request.secret_mark)


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
    count = increment(_in_a_row(record, request, earlier, None if refresh else error))
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
    return record.with_failure(request.scope, failure, outage=outage)


def _in_a_row(
    record: AppRecord, request: RenewalRequest, earlier: Failure | None, refusal: Mapping[str, Any] | None
) -> int:
    """
    Count the failures before this one: those of the scope, or more of them of the App Secret if that is refused again.

    :param refusal: of an issue.
    """
    met = [earlier]
    if refusal is not None and refusal.get("class") == SECRET_REFUSAL:
        met.append(record.refused_secrets().get(request.secret_mark))
    return max((failure.in_a_row for failure in met if failure is not None), default=0)


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
