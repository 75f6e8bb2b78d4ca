"""
The decisions about a token: use it, renew it, wait for the process that does, or fail. Pure functions of (record, now).

A token's age gives its :class:`Stage`, and :func:`claim` decides who renews it. A process that gets :class:`Renew` has
been charged for the request in the same step, and must end it with one of the :mod:`.transitions`.
"""

from __future__ import annotations

from typing import NamedTuple

from airflow_channel_provider.tokens.budget import Quota
from airflow_channel_provider.tokens.record import AppRecord, Failure, Lease, TokenFacts
from airflow_channel_provider.tokens.stages import Stage, stage_of

LEASE_SECONDS = 20.0
"""Longer than a whole token request, so that no process takes over from one that still works."""

EARLY_TRIES = 2

REFRESH_REFUSALS = 2
"""After this number of refused refreshes in a row, only issueToken is used for the scope: each refused refresh wastes a
request."""

REPLACEMENTS = 2
REFUSED_AGAIN_SECONDS = 300.0
REFUSED_AGAIN_MAX_SECONDS = 1800.0
"""After this number of replacements in a row, a refused token is kept for this time before it is replaced again."""


class RenewalRequest(NamedTuple):
    """
    One process asks to renew the token of a scope.

    :param owner: unique to this attempt; also the id of its charge.
    :param host: this host, as the store names hosts.
    :param stage: of the token; if it is early or late, a living token remains in use when the renewal fails.
    :param held: fingerprint of the stored token that this process could read; None if there is none. If the record
        names another, a process was faster: say, 40 tasks read an old token, and one of them has renewed it.
    :param outliving: the stored pair has a valid refresh token though its access token can't be used: say, a login to
        Benlly whose access token ended in the night.
    :param refused: fingerprint of the token that the service has just refused.
    :param missing: fingerprint of a token that the record names but whose blob is gone or unreadable: say, Redis has
        evicted it.
    :param secret_mark: fingerprint of the App Secret.
    :param alone_on_host: no other process of this host renews this scope, so a lease of this host is a dead one's.
    :param ask_again: try although a refusal is remembered (a person pressed a button).
    :param why: what is wrong with the present token, for people.
    :param asked_by: the task or the person that needs a token, for people.
    """

    scope: str
    owner: str
    host: str
    stage: Stage
    held: str | None = None
    outliving: bool = False
    refused: str | None = None
    missing: str | None = None
    secret_mark: str = ""
    alone_on_host: bool = False
    ask_again: bool = False
    why: str = ""
    asked_by: str = ""


class Renew(NamedTuple):
    """Send one token request; it is charged."""

    refresh: bool
    requested_at: float


class AlreadyRenewed(NamedTuple):
    """A newer token is stored."""

    fingerprint: str


class RenewalInProgress(NamedTuple):
    """Another process is renewing; look again soon, at the latest at ``until`` (store clock, seconds)."""

    until: float


class QuotaExhausted(NamedTuple):
    """
    The quota is spent, or the rest is reserved for urgent renewals.

    :param at: when a request may be sent (store clock, seconds).
    :param blocked: the service said so, not only our own count.
    """

    at: float
    blocked: bool


class CachedFailure(NamedTuple):
    """A request like this failed lately and would fail again."""

    failure: Failure


Decision = Renew | AlreadyRenewed | RenewalInProgress | QuotaExhausted | CachedFailure


def claim(
    record: AppRecord, now: float, request: RenewalRequest, quota: Quota
) -> tuple[AppRecord | None, Decision]:
    """
    Decide whether this process renews, and charge the request if so.

    :return: the new record (None: unchanged) and the decision.
    """
    failure = record.failure_of(request.scope, request.secret_mark)
    refresh = _is_refresh(record, request, failure)
    decision = (
        _already_renewed(record, now, request, quota)
        or _renewal_in_progress(record, now, request)
        or _cached_failure(record, now, request, quota, failure, refresh=refresh)
        or _quota_exhausted(record, now, request, quota)
    )
    if decision is not None:
        return None, decision
    ledger = record.ledger.charge(
        request.owner, scope=request.scope, kind="refresh" if refresh else "issue", now=now, quota=quota
    )
    lease = Lease(request.owner, request.host, now + LEASE_SECONDS)
    record = record._replace(ledger=ledger).forgetting(now).with_lease(request.scope, lease)
    return record, Renew(refresh, now)


def _already_renewed(
    record: AppRecord, now: float, request: RenewalRequest, quota: Quota
) -> AlreadyRenewed | None:
    facts = record.tokens.get(request.scope)
    if (
        facts is None
        or facts.dropped
        or facts.fingerprint in (request.held, request.refused, request.missing)
    ):
        return None
    stage = stage_of(facts.issued_at, facts.expires_at, now, scopes=record.scopes_in_use(now, quota))
    return AlreadyRenewed(facts.fingerprint) if stage in (Stage.FRESH, Stage.EARLY) else None


def _renewal_in_progress(record: AppRecord, now: float, request: RenewalRequest) -> RenewalInProgress | None:
    lease = record.leases.get(request.scope)
    if lease is None or lease.until <= now or (request.alone_on_host and lease.host == request.host):
        return None
    return RenewalInProgress(lease.until)


def _cached_failure(
    record: AppRecord,
    now: float,
    request: RenewalRequest,
    quota: Quota,
    failure: Failure | None,
    *,
    refresh: bool,
) -> CachedFailure | None:
    if request.ask_again:
        return None
    if failure is not None and _concerns(failure, request) and _early_tries_used(failure, request, quota):
        return CachedFailure(failure)
    # A refresh does not send the App Secret, so it may go on where the secret is refused.
    secret_refused = None if refresh else record.refused_secrets().get(request.secret_mark)
    for met in (failure, secret_refused, record.outage):
        if met is not None and _concerns(met, request) and met.until > now:
            return CachedFailure(met)
    return None


def _is_refresh(record: AppRecord, request: RenewalRequest, failure: Failure | None) -> bool:
    """Return whether a renewal is a refresh: its refresh token is valid, and the token lives unless it is outlived."""
    facts = record.tokens.get(request.scope)
    if failure is not None and failure.refresh_refused:
        return False
    if facts is not None and facts.refresh_refusals >= REFRESH_REFUSALS:
        return False
    lives = (
        request.held is not None and request.stage in (Stage.EARLY, Stage.LATE) and request.refused is None
    )
    return lives or request.outliving


def _concerns(failure: Failure, request: RenewalRequest) -> bool:
    """Return whether a failure applies to a request: a refusal does so for its own App Secret only."""
    return failure.error is None or failure.secret_mark == request.secret_mark


def _early_tries_used(failure: Failure, request: RenewalRequest, quota: Quota) -> bool:
    return request.stage is Stage.EARLY and failure.in_a_row >= EARLY_TRIES and not quota.is_unlimited


def _quota_exhausted(
    record: AppRecord, now: float, request: RenewalRequest, quota: Quota
) -> QuotaExhausted | None:
    keep_free = quota.early_reserve if request.stage is Stage.EARLY else 0
    if record.outage is not None:  # requests during an outage must leave enough for its end
        keep_free = max(keep_free, min(record.scopes_in_use(now, quota), quota.limit // 2))
    at = record.ledger.available_at(now, quota, keep_free=keep_free)
    return QuotaExhausted(at, blocked=record.ledger.blocked_until >= at) if at > now else None


def refused_again(record: AppRecord, now: float, scope: str, refused: str | None) -> TokenFacts | None:
    """
    Return the facts of a refused token that replaced too many refused ones to be replaced itself; None if it may be.

    Two in a row are replaced at once, since a token can be revoked twice. Renewing on would spend the quota on a
    refusal that has another cause; from then on it is tried after 5 minutes, 10, 20, and every 30.
    """
    facts = record.tokens.get(scope)
    if refused is None or facts is None or facts.fingerprint != refused or facts.replacements < REPLACEMENTS:
        return None
    pause = REFUSED_AGAIN_SECONDS * 2 ** min(facts.replacements - REPLACEMENTS, 10)
    return facts if now - facts.issued_at < min(pause, REFUSED_AGAIN_MAX_SECONDS) else None
