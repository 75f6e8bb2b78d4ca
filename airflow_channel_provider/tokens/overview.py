"""
One app's record as people read it: which tokens live, what is left of the quota, who asked, and what is wrong.

Pure: a function of a record and two clocks, the store's and the wall's. It holds no secret, so everybody who may read
connections may see it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, NamedTuple

from airflow_channel_provider.tokens.budget import Charge, Quota
from airflow_channel_provider.tokens.history import parse_requests
from airflow_channel_provider.tokens.record import AppRecord, Failure, TokenFacts
from airflow_channel_provider.tokens.repository import wall_time_in
from airflow_channel_provider.tokens.stages import early_seconds, late_seconds, stage_of
from airflow_channel_provider.tokens.types import service_named

SAFE_SCOPES = 8
"""The most scopes, used all day, that never wait for the quota; measured, see the page on the quota."""

TOO_MANY_SCOPES = 11


@dataclass(frozen=True, slots=True)
class ScopeOverview:
    """
    The token of one scope.

    :param scope: ``app`` or ``channel:<id>``.
    :param state: ``fresh``, ``early``, ``late``, ``expired``, ``dropped``, or ``missing`` if there never was one.
    :param life_seconds: from its issue to its end.
    :param renewal_at: when the first process that needs it renews it.
    :param late_at: from then on all processes that need it wait until it is renewed.
    :param renewing: a process is renewing it now.
    :param problem: why the last token request of the scope failed; empty if it did not.
    """

    scope: str
    state: str
    issued_at: datetime | None
    expires_at: datetime | None
    life_seconds: float
    renewal_at: datetime | None
    late_at: datetime | None
    renewing: bool
    problem: str


@dataclass(frozen=True, slots=True)
class SlotOverview:
    """
    One request of the quota.

    :param state: ``free``, ``spent``, ``open`` until its answer comes, or ``assumed`` if the count was lost.
    :param free_at: when it is free again.
    """

    state: str
    scope: str = ""
    kind: str = ""
    free_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One token request of the last day, with the fields of :class:`.history.TokenRequest`."""

    at: datetime
    scope: str
    kind: str
    why: str
    asked_by: str
    outcome: str
    detail: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class AppOverview:
    """
    One app.

    :param key: names the record in the store.
    :param service: name of the service that gives the tokens.
    :param limit: token requests in a window; 0 if the service limits none, and then there are no slots either.
    :param left: token requests that may be sent now.
    :param blocked_until: the service refused; no request is sent before then.
    :param next_free_at: when the next request may be sent; None: now.
    :param next_renewal: scope and time of the renewal that is due first.
    :param warnings: whole sentences, the most serious first.
    """

    key: str
    service: str
    app_id: str
    base_url: str
    connections: tuple[str, ...]
    now: datetime
    limit: int
    window_seconds: float
    left: int
    blocked_until: datetime | None
    next_free_at: datetime | None
    next_renewal: tuple[str, datetime] | None
    scopes: tuple[ScopeOverview, ...]
    slots: tuple[SlotOverview, ...]
    timeline: tuple[TimelineEntry, ...]
    warnings: tuple[str, ...]

    @property
    def title(self) -> str:
        """
        The App ID; or the connections, if the service has users in place of apps, whose ids mean nothing to people.
        """
        if self.limit or not self.app_id:
            return self.app_id or self.key
        return ", ".join(self.connections) or f"A user of client {self.app_id.partition('/')[0]}"

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values; times as ISO 8601 in UTC."""
        plain: dict[str, Any] = _plain(self)
        return plain


def overview_of(key: str, record: AppRecord, now: float, quota: Quota, wall_now: datetime) -> AppOverview:
    """
    Describe an app.

    :param key: names its record in the store.
    :param now: the store's clock, seconds.
    :param quota: as configured, for the apps whose service has one.
    :param wall_now: the same moment by the wall clock (aware UTC).
    """
    quota = Quota.unlimited() if record.name.unlimited else quota
    return _Describer(key, record, now, quota, wall_now).app()


@dataclass(frozen=True, slots=True)
class _Describer:
    key: str
    record: AppRecord
    now: float
    quota: Quota
    wall_now: datetime

    def app(self) -> AppOverview:
        record, ledger = self.record, self.record.ledger
        scopes = tuple(self._scope(scope) for scope in self._scopes())
        available_at = ledger.available_at(self.now, self.quota)
        return AppOverview(
            key=self.key,
            service=record.name.service,
            app_id=record.name.app_id,
            base_url=record.name.base_url,
            connections=record.name.connections,
            now=self.wall_now,
            limit=self.quota.limit,
            window_seconds=self.quota.window_seconds,
            left=ledger.left(self.now, self.quota),
            blocked_until=self._wall(ledger.blocked_until) if ledger.blocked_until > self.now else None,
            next_free_at=self._wall(available_at) if available_at > self.now else None,
            next_renewal=_first_renewal(scopes),
            scopes=scopes,
            slots=tuple(self._slots()),
            timeline=tuple(self._timeline()),
            warnings=tuple(self._warnings(scopes)),
        )

    def _wall(self, at: float) -> datetime:
        # Rounded first, so that a whole second does not become the one before.
        return datetime.fromtimestamp(int(round(self.wall_now.timestamp() + at - self.now, 3)), timezone.utc)

    # ------------------------------------------------------------------------------------------------ scopes

    def _scopes(self) -> list[str]:
        failed = {key.partition("|")[0] for key in self.record.failures}
        return sorted({*self.record.tokens, *self.record.leases, *failed})

    def _scope(self, scope: str) -> ScopeOverview:
        facts, lease = self.record.tokens.get(scope), self.record.leases.get(scope)
        failure = self._failure_of(scope)
        lives = facts is not None and not facts.dropped and facts.expires_at > self.now
        return ScopeOverview(
            scope=scope,
            state=self._state(facts),
            issued_at=self._wall(facts.issued_at) if facts else None,
            expires_at=self._wall(facts.expires_at) if facts else None,
            life_seconds=facts.expires_at - facts.issued_at if facts else 0.0,
            renewal_at=self._wall(self._renewal_at(facts)) if facts and lives else None,
            late_at=self._wall(_late_at(facts)) if facts and lives else None,
            renewing=lease is not None and lease.until > self.now,
            problem=self._problem(failure) if failure is not None else "",
        )

    def _failure_of(self, scope: str) -> Failure | None:
        """Return the last failure; one of another App Secret outlives the token that was issued after it."""
        facts = self.record.tokens.get(scope)
        mine = [
            failure
            for key, failure in self.record.failures.items()
            if key.partition("|")[0] == scope and not (facts and "|" in key and failure.at < facts.issued_at)
        ]
        return max(mine, key=lambda failure: failure.at, default=None)

    def _state(self, facts: TokenFacts | None) -> str:
        if facts is None:
            return "missing"
        if facts.dropped:
            return "dropped"
        scopes = self.record.scopes_in_use(self.now, self.quota)
        return stage_of(facts.issued_at, facts.expires_at, self.now, scopes=scopes).value

    def _renewal_at(self, facts: TokenFacts) -> float:
        scopes = self.record.scopes_in_use(self.now, self.quota)
        return facts.expires_at - early_seconds(facts.expires_at - facts.issued_at, scopes)

    def _problem(self, failure: Failure) -> str:
        times = "once" if failure.in_a_row == 1 else f"{failure.in_a_row} times in a row"
        again = (
            f"; the next attempt is possible at {self._clock(failure.until)}"
            if failure.until > self.now
            else ""
        )
        if failure.error is not None:
            service = service_named(self.record.name.service)
            meanings = {
                "ChannelAuthenticationError": service.refused,
                "ChannelPermissionError": service.forbidden,
            }
            refused = meanings.get(str(failure.error.get("class")), "the service refused a token")
            return f"{refused} ({times}){again}"
        return (
            f"the refresh token was refused{again}" if failure.refresh_refused else f"failed {times}{again}"
        )

    def _clock(self, at: float) -> str:
        return f"{self._wall(at):%H:%M:%S} UTC"

    # ------------------------------------------------------------------------------------------------ quota

    def _slots(self) -> Iterator[SlotOverview]:
        taken = sorted(self.record.ledger.live(self.now, self.quota), key=lambda charge: charge.at)
        for charge in taken[: self.quota.limit]:
            free_at = self._wall(charge.at + self.quota.hold_seconds)
            yield SlotOverview(self._slot_state(charge), charge.scope, charge.kind, free_at)
        for _ in range(self.quota.limit - len(taken)):
            yield SlotOverview("free")

    def _slot_state(self, charge: Charge) -> str:
        if not charge.scope:
            return "assumed"
        return "open" if charge.at > self.now else "spent"

    def _timeline(self) -> Iterator[TimelineEntry]:
        for sent in parse_requests(self.record.history):
            yield TimelineEntry(
                self._wall(sent.at),
                sent.scope,
                sent.kind,
                sent.why,
                sent.asked_by,
                sent.outcome,
                sent.detail,
                sent.seconds,
            )

    # ------------------------------------------------------------------------------------------------ warnings

    def _secret_refusal(self) -> Failure | None:
        """Return the last refusal of an App Secret that still applies, or that no token has followed."""
        last = max(self.record.refused_secrets().values(), key=lambda failure: failure.at, default=None)
        if last is None or last.until > self.now:
            return last
        return None if any(facts.issued_at > last.at for facts in self.record.tokens.values()) else last

    def _warnings(self, scopes: tuple[ScopeOverview, ...]) -> Iterator[str]:
        record, ledger, quota = self.record, self.record.ledger, self.quota
        live = ledger.live(self.now, quota)
        if (refusal := self._secret_refusal()) is not None:
            given = service_named(record.name.service).credentials
            yield (
                f"The {given} of a connection was refused at {self._clock(refusal.at)}. Correct it there, if it is "
                f"still the same; another {given} is tried at once."
            )
        if ledger.blocked_until > self.now:
            why = "for now" if quota.is_unlimited else "for its quota"
            yield f"The service refuses token requests {why}; the next is sent at {self._clock(ledger.blocked_until)}."
            if len(live) < quota.limit and not quota.is_unlimited:
                yield (
                    f"By our own count {quota.limit - len(live)} requests were left when it refused: something else "
                    "uses the same app. Lower the option [channel_talk] token_quota by what that needs."
                )
        elif len(live) >= quota.limit and not quota.is_unlimited:
            yield (
                f"All {quota.limit} token requests are spent; the next is free at "
                f"{self._clock(ledger.available_at(self.now, quota))}. Tasks that hold a living token go on."
            )
        if record.outage is not None:
            until = record.outage.until
            sent = f"at {self._clock(until)}" if until > self.now else "when a task needs a token"
            yield (
                f"The service does not answer token requests ({record.outage.in_a_row} in a row); the next is sent "
                f"{sent}."
            )
        if any(not charge.scope for charge in live) and not quota.is_unlimited:
            yield (
                "The store is new, was restarted or lost its count of token requests: half of the quota counts as "
                "spent for at most one window."
            )
        in_use = record.scopes_in_use(self.now, quota)
        if in_use > SAFE_SCOPES:
            yield _crowd(in_use)
        yield from (
            f"{scope.scope}: {scope.problem}." for scope in scopes if scope.problem and scope.state != "fresh"
        )


def _late_at(facts: TokenFacts) -> float:
    return facts.expires_at - late_seconds(facts.expires_at - facts.issued_at)


def _crowd(in_use: int) -> str:
    more = "tasks will wait for tokens" if in_use >= TOO_MANY_SCOPES else "tasks may wait for tokens"
    return f"{in_use} scopes share this quota; {SAFE_SCOPES} is the safe number: {more}."


def _first_renewal(scopes: tuple[ScopeOverview, ...]) -> tuple[str, datetime] | None:
    due = [(scope.renewal_at, scope.scope) for scope in scopes if scope.renewal_at is not None]
    return (min(due)[1], min(due)[0]) if due else None


_PLAIN = frozenset({str, int, float, bool, type(None)})


def _plain(value: Any) -> Any:
    if type(value) in _PLAIN:
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    # Not asdict(), which copies every value: a busy store has 10,000 requests.
    found = {name: getattr(value, name) for name in value.__slots__}
    return {name: item if type(item) in _PLAIN else _plain(item) for name, item in found.items()}


class ScopeStatus(NamedTuple):
    """The token of one scope."""

    scope: str
    age_seconds: float
    remaining_seconds: float


class AppStatus(NamedTuple):
    """
    The quota of one app.

    :param blocked_until: the service refused; no request is sent before then (aware UTC).
    """

    charges_used: int
    charges_left: int
    limit: int
    blocked_until: datetime | None
    scopes: tuple[ScopeStatus, ...]


def status_of(record: AppRecord, now: float, quota: Quota) -> AppStatus:
    """Return the state of the quota and of the tokens in few numbers."""
    ledger = record.ledger
    return AppStatus(
        charges_used=len(ledger.live(now, quota)),
        charges_left=ledger.left(now, quota),
        limit=quota.limit,
        blocked_until=wall_time_in(ledger.blocked_until - now) if ledger.blocked_until > now else None,
        scopes=tuple(
            ScopeStatus(scope, now - facts.issued_at, facts.expires_at - now)
            for scope, facts in sorted(record.tokens.items())
            if facts.expires_at > now
        ),
    )
