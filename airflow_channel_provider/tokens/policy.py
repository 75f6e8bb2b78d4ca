"""
The decisions: use the token, renew it, wait for who does, or come back later. Pure functions of (record, now).

What a token's age asks for (:class:`Stage`), and who may act on it (:func:`claim`). Whoever is told to :class:`Renew`
has been charged for it already, in the same step, and owes the record one of the :mod:`.outcomes`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from airflow_channel_provider.tokens.budget import Quota
from airflow_channel_provider.tokens.record import AppRecord, Failure, Lease, TokenFacts

__all__ = [
    "AlreadyRenewed",
    "CachedFailure",
    "Decision",
    "QuotaExhausted",
    "Renew",
    "RenewalInProgress",
    "Request",
    "Stage",
    "claim",
    "concerns",
    "early_seconds",
    "late_seconds",
    "refused_again",
    "stage_of",
]

LEASE_SECONDS = 20.0
"""Longer than a whole token request, so that a living holder is never overtaken."""

EARLY_SHARE = 0.2
EARLY_FLOOR_SHARE = 120 / 1800
LATE_SHARE = 0.1
LATE_SECONDS = 60.0
EARLY_TRIES = 2
FULL_EARLY_SCOPES, FLOOR_EARLY_SCOPES = 6, 9

REFRESH_REFUSALS = 2
"""So many refused refreshes in a row, and a scope is only issued from then on: each costs a request for nothing."""

REPLACEMENTS = 2
REFUSED_AGAIN_SECONDS = 300.0
REFUSED_AGAIN_MAX_SECONDS = 1800.0
"""After so many replacements in a row, a refused token is kept for so long before it is replaced once more."""


class Stage(Enum):
    """What the age of a token asks for."""

    FRESH = "fresh"
    EARLY = "early"
    LATE = "late"
    EXPIRED = "expired"


def early_seconds(life_seconds: float, scopes: int) -> float:
    """
    How long before its end a token may be renewed.

    The last 20 % of its life for up to 6 scopes; less as more of them share the quota, down to 120 s of 1,800 from 9
    scopes on, since a longer lead means more requests a window.
    """
    room = (FLOOR_EARLY_SCOPES - scopes) / (FLOOR_EARLY_SCOPES - FULL_EARLY_SCOPES)
    share = EARLY_FLOOR_SHARE + (EARLY_SHARE - EARLY_FLOOR_SHARE) * min(1.0, max(0.0, room))
    return life_seconds * share


def late_seconds(life_seconds: float) -> float:
    """How long before its end a token must be renewed: 60 s, or a tenth of a short life."""
    return min(LATE_SECONDS, LATE_SHARE * life_seconds)


def stage_of(issued_at: float, expires_at: float, now: float, *, scopes: int = 1) -> Stage:
    """
    Tell what a token's age asks for.

    :param scopes: how many scopes share the quota.
    """
    life, left = expires_at - issued_at, expires_at - now
    if left <= 0 or left > life + LEASE_SECONDS:  # the second: a token from the future; its clock is not ours
        return Stage.EXPIRED
    if left <= late_seconds(life):
        return Stage.LATE
    return Stage.EARLY if left <= early_seconds(life, scopes) else Stage.FRESH


@dataclass(frozen=True, slots=True)
class Request:
    """
    Somebody wants a scope's token renewed.

    :param owner: unique to this attempt; also the id of its charge.
    :param host: where it runs, as the store names hosts.
    :param stage: why: early and late have a living token to fall back on.
    :param held: fingerprint of the stored token that it could read; None where there is none or it is unreadable.
    :param outliving: the stored pair has a refresh token that is worth showing though its access token is of no use.
    :param refused: fingerprint of the token that the service has just refused.
    :param missing: fingerprint of a token that the record names but whose blob is gone or unreadable.
    :param secret_mark: fingerprint of the App Secret.
    :param alone_on_host: no other process of this host is renewing this scope, so a lease of this host is a dead one's.
    :param ask_again: try in spite of a remembered refusal (a person pressed a button).
    :param why: what is wrong with the token that is there; for people.
    :param asked_by: the task or the person that needs a token; for people.
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


@dataclass(frozen=True, slots=True)
class Renew:
    """Send one token request: it is charged and yours."""

    refresh: bool
    requested_at: float


@dataclass(frozen=True, slots=True)
class AlreadyRenewed:
    """A newer token is stored already."""

    fingerprint: str


@dataclass(frozen=True, slots=True)
class RenewalInProgress:
    """Somebody is renewing; look again soon, at the latest then."""

    until: float


@dataclass(frozen=True, slots=True)
class QuotaExhausted:
    """The quota is spent (or kept for those in need): come back then."""

    at: float
    blocked: bool


@dataclass(frozen=True, slots=True)
class CachedFailure:
    """A request like this failed lately and would fail again."""

    failure: Failure


Decision = Renew | AlreadyRenewed | RenewalInProgress | QuotaExhausted | CachedFailure


def claim(record: AppRecord, now: float, request: Request, quota: Quota) -> tuple[AppRecord | None, Decision]:
    """
    Decide whether this process renews, and charge it if so.

    :return: the new record (None: unchanged) and the decision.
    """
    decision = (
        _newer_token(record, now, request, quota)
        or _someone_renews(record, now, request)
        or blocking_reason(record, now, request, quota)
    )
    if decision is not None:
        return None, decision
    refresh = _refreshes(record, request)
    ledger = record.ledger.charge(
        request.owner, scope=request.scope, kind="refresh" if refresh else "issue", now=now, quota=quota
    )
    lease = Lease(request.owner, request.host, now + LEASE_SECONDS)
    record = replace(record, ledger=ledger).forgetting(now).with_lease(request.scope, lease)
    return record, Renew(refresh, now)


def blocking_reason(
    record: AppRecord, now: float, request: Request, quota: Quota
) -> CachedFailure | QuotaExhausted | None:
    """Tell what keeps anybody from renewing: a failure that is remembered, or the quota; None where nothing does."""
    return _known_to_fail(record, now, request, quota) or _over_budget(record, now, request, quota)


def _newer_token(record: AppRecord, now: float, request: Request, quota: Quota) -> Decision | None:
    facts = record.tokens.get(request.scope)
    if (
        facts is None
        or facts.dropped
        or facts.fingerprint in (request.held, request.refused, request.missing)
    ):
        return None
    stage = stage_of(facts.issued_at, facts.expires_at, now, scopes=record.scopes_in_use(now, quota))
    return AlreadyRenewed(facts.fingerprint) if stage in (Stage.FRESH, Stage.EARLY) else None


def _someone_renews(record: AppRecord, now: float, request: Request) -> Decision | None:
    lease = record.leases.get(request.scope)
    if lease is None or lease.until <= now or (request.alone_on_host and lease.host == request.host):
        return None
    return RenewalInProgress(lease.until)


def _known_to_fail(record: AppRecord, now: float, request: Request, quota: Quota) -> CachedFailure | None:
    if request.ask_again:
        return None
    failure = record.failure_of(request.scope, request.secret_mark)
    if failure is not None and concerns(failure, request) and _early_tries_used(failure, request, quota):
        return CachedFailure(failure)
    # A refresh does not show the App Secret, so it may go on where the secret is refused.
    secret_refused = None if _refreshes(record, request) else record.secret_refused
    for met in (failure, secret_refused, record.outage):
        if met is not None and concerns(met, request) and met.until > now:
            return CachedFailure(met)
    return None


def _refreshes(record: AppRecord, request: Request) -> bool:
    """Tell whether a renewal is a refresh: its refresh token is good, and the token lives unless it is outlived."""
    failure, facts = record.failure_of(request.scope, request.secret_mark), record.tokens.get(request.scope)
    if failure is not None and failure.refresh_refused:
        return False
    if facts is not None and facts.refresh_refusals >= REFRESH_REFUSALS:
        return False
    lives = (
        request.held is not None and request.stage in (Stage.EARLY, Stage.LATE) and request.refused is None
    )
    return lives or request.outliving


def concerns(failure: Failure, request: Request) -> bool:
    """Tell whether a failure says something about this request: a refusal does so for its own App Secret only."""
    return failure.error is None or failure.secret_mark == request.secret_mark


def _early_tries_used(failure: Failure, request: Request, quota: Quota) -> bool:
    return request.stage is Stage.EARLY and failure.count >= EARLY_TRIES and not quota.is_unlimited


def _over_budget(record: AppRecord, now: float, request: Request, quota: Quota) -> QuotaExhausted | None:
    keep_free = quota.early_reserve if request.stage is Stage.EARLY else 0
    if record.outage is not None:  # probing a service in trouble must leave enough for when it is back
        keep_free = max(keep_free, min(record.scopes_in_use(now, quota), quota.limit // 2))
    at = record.ledger.available_at(now, quota, keep_free=keep_free)
    return QuotaExhausted(at, blocked=record.ledger.blocked_until >= at) if at > now else None


def refused_again(record: AppRecord, now: float, scope: str, refused: str | None) -> TokenFacts | None:
    """
    Tell whether a refused token is one too many of those that were bought to replace refused ones.

    Two in a row are replaced at once, since a token can be revoked twice. Renewing on would spend the quota on a
    refusal that has another cause; from then on it is tried after 5 minutes, 10, 20, and every 30.
    """
    facts = record.tokens.get(scope)
    if refused is None or facts is None or facts.fingerprint != refused or facts.replacements < REPLACEMENTS:
        return None
    pause = REFUSED_AGAIN_SECONDS * 2 ** min(facts.replacements - REPLACEMENTS, 10)
    return facts if now - facts.issued_at < min(pause, REFUSED_AGAIN_MAX_SECONDS) else None
