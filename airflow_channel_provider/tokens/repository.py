"""
The record and the tokens of one app in a store, as typed values instead of bytes. It decides nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from airflow_channel_provider.tokens import validation
from airflow_channel_provider.tokens.budget import Ledger, Quota
from airflow_channel_provider.tokens.clock import steady
from airflow_channel_provider.tokens.record import AppName, AppRecord
from airflow_channel_provider.tokens.seal import Sealer, app_key
from airflow_channel_provider.tokens.stores.base import Anew, CachedToken, HostLock, Snapshot, TokenStore
from airflow_channel_provider.tokens.types import CHANNEL_TALK, ServiceProfile, Token
from airflow_channel_provider.values import Values

if TYPE_CHECKING:
    from airflow_channel_provider.tokens.policy import Decision, Renew, RenewalRequest

T = TypeVar("T")

log = logging.getLogger(__name__)


class _Pair(Protocol):
    @property
    def access_token(self) -> str: ...

    @property
    def refresh_token(self) -> str: ...


def wall_time_in(seconds: float) -> datetime:
    """Convert a delay by the store's clock to a time for people and Airflow (aware UTC)."""
    seconds = min(max(0.0, seconds), validation.LONGEST_LIFE_SECONDS)
    return datetime.now(timezone.utc) + timedelta(seconds=seconds)


class RecordSnapshot(Values):
    """
    The record at one moment.

    :param now: the moment by the store's clock, seconds.
    :param lost: there was another record, and it is gone; this one must be written, or it would start anew each time.
    :param host_now: the same moment or an earlier one by the clock of this host, seconds: it is read first, so that a
        process that is stopped between the two takes ``now`` for too old, not for too young.
    """

    record: AppRecord
    now: float
    lost: bool = False
    host_now: float = 0.0

    def host_time(self, at: float) -> float:
        """Convert a time of the store's clock to the clock of this host, seconds; rather too early than too late."""
        return self.host_now + at - self.now

    def to_write(self, record: AppRecord) -> dict[str, Any]:
        """Return the document that replaces the one of this snapshot."""
        return Anew(record.to_json()) if self.lost else record.to_json()


def read_record(stored: Snapshot, quota: Quota, host_now: float = 0.0) -> RecordSnapshot:
    """Read the document of a store; a record that was lost, or is not plausible, counts as half spent."""
    state, now = stored.state, stored.now
    if state is None and not stored.lost:
        return RecordSnapshot(AppRecord(), now, host_now=host_now)
    record = AppRecord.from_json(state) if state is not None and not stored.lost else None
    if record is not None and record.fits(now, quota):
        return RecordSnapshot(record, now, host_now=host_now)
    noted = _charges_in(state, since=now - quota.hold_seconds)
    record = AppRecord(ledger=Ledger.half_spent(now, quota, noted=noted))
    return RecordSnapshot(record, now, lost=True, host_now=host_now)


def _charges_in(document: object, *, since: float) -> int:
    """Count the charges of a document that is not plausible, except those that are older by their own stamps."""
    ledger = document.get("ledger") if isinstance(document, dict) else None
    charges = ledger.get("charges") if isinstance(ledger, dict) else None
    return sum(_may_hold(charge, since) for charge in charges) if isinstance(charges, list) else 0


def _may_hold(charge: object, since: float) -> bool:
    at = charge.get("at") if isinstance(charge, dict) else None
    return not validation.is_time(at) or at > since


class TokenRepository:
    """
    Reads and writes the record and the tokens of one app.

    :param base_url: address of the service; part of the app's identity.
    :param app_id: App ID, or None if the connection has none.
    :param secret: App Secret; encrypts the tokens and is never stored.
    :param service: the service that gives the tokens.
    :param on_secret: is called with every token before this process uses it.
    :param connection: id of the connection, for people.
    :param clock: seconds of this host.
    """

    def __init__(
        self,
        store: TokenStore,
        *,
        base_url: str,
        app_id: str | None,
        secret: str,
        quota: Quota,
        service: ServiceProfile = CHANNEL_TALK,
        on_secret: Callable[[str], None] = lambda value: None,
        connection: str | None = None,
        clock: Callable[[], float] = steady,
    ) -> None:
        self.store = store
        self.app = app_key(base_url, app_id, secret)
        connections = (connection,) if connection else ()
        self.name = AppName(base_url, app_id or "", connections, service.service, quota.is_unlimited)
        self.quota = quota.held_longer(store.margin_seconds)
        self._sealer = Sealer(self.app, secret)
        self.secret_mark = self._sealer.secret_mark
        self._blob_names: dict[str, str] = {}
        self._refresh_outlives = service.refresh_outlives
        self._on_secret = on_secret
        self._clock = clock

    # ------------------------------------------------------------------------------------------------ the record

    def snapshot(self) -> RecordSnapshot:
        """Read the record without waiting for other processes."""
        host_now = self._clock()
        return read_record(self.store.load(self.app), self.quota, host_now)

    def claim(self, request: RenewalRequest) -> tuple[Decision, RecordSnapshot]:
        """Let the policy decide about a renewal; if it decides to renew, the charge is durable on return."""
        from airflow_channel_provider.tokens import policy

        def decide(record: AppRecord, now: float) -> tuple[AppRecord | None, Decision]:
            after, decision = policy.claim(record, now, request, self.quota)
            if after is not None and isinstance(decision, policy.Renew):
                after = self._with_request(after, request, decision)
            return after, decision

        return self._change(decide)

    def update(self, change: Callable[[AppRecord, float], AppRecord]) -> RecordSnapshot:
        """
        Change the record atomically and durably.

        :param change: a pure function of the record and the store's clock.
        """
        return self._change(lambda record, now: (change(record, now), None))[1]

    def _change(
        self, change: Callable[[AppRecord, float], tuple[AppRecord | None, T]]
    ) -> tuple[T, RecordSnapshot]:
        host_now = self._clock()

        def apply(stored: Snapshot) -> tuple[dict[str, Any] | None, tuple[T, RecordSnapshot]]:
            nonlocal host_now
            before = read_record(stored, self.quota, host_now)
            after, result = change(before.record, before.now)
            written = after or (before.record if before.lost else None)
            snapshot = before._replace(record=after or before.record)
            # If another process was faster, the store reads again, and calls this again.
            host_now = self._clock()
            return before.to_write(written) if written else None, (result, snapshot)

        result, snapshot = self.store.update(self.app, apply)
        self._warn_if_lost(snapshot)
        return result, snapshot

    def host_lock(self, scope: str) -> AbstractContextManager[HostLock]:
        """Show the other processes of this host that this one renews a scope, for as long as it lives."""
        return self.store.host_lock(self.app, scope)

    def _warn_if_lost(self, snapshot: RecordSnapshot) -> None:
        if snapshot.lost:
            log.warning(
                "The token store %s holds no readable record of app %s: the store is new or was restarted a short time "
                "ago, or the record was lost or spoiled.%s A spoiled record is set aside.",
                self.store.address,
                self.name.app_id or self.app,
                ""
                if self.quota.is_unlimited
                else " Tasks may have sent token requests before, so at least half of the quota counts as spent for up "
                "to 30 minutes.",
            )

    def _with_request(self, record: AppRecord, request: RenewalRequest, decision: Renew) -> AppRecord:
        """Add the request that is about to be sent to the history."""
        from airflow_channel_provider.tokens import history

        sent = history.TokenRequest(
            request.owner,
            decision.requested_at,
            request.scope,
            "refresh" if decision.refresh else "issue",
            request.why,
            request.asked_by,
        )
        rows = history.add_request(record.history, sent)
        return record._replace(name=record.name.used_by(self.name), history=rows)

    # ------------------------------------------------------------------------------------------------ the tokens

    def blob_name(self, scope: str) -> str:
        """Return the name of the sealed token of a scope in the store, and of its cached token in this process."""
        name = self._blob_names.get(scope)
        if name is None:
            name = self._blob_names[scope] = self._sealer.blob_name(scope)
        return name

    def cached_token(self, scope: str) -> CachedToken | None:
        """Return the token of a scope that this process remembers, alive or not."""
        return self.store.local_cache.get(self.blob_name(scope))

    def cache_token(self, cached: CachedToken) -> None:
        """Let this process use a token without reading the store."""
        self.store.local_cache[self.blob_name(cached.token.scope)] = cached

    def read_token(self, scope: str) -> Token | None:
        """
        Return the stored token of a scope, alive or not; None if there is none that this secret decrypts.

        Its access token is masked. Few tasks use the refresh token, and each new secret makes the masker compile all of
        them again, so who uses it masks it.
        """
        token = self._sealer.open(self.store.read_blob(self.app, self.blob_name(scope)), scope)
        if token is not None:
            self._on_secret(token.access_token)
        return token

    def write_token(self, token: Token) -> None:
        """Store both tokens of a pair in one write."""
        keep_seconds = token.life_seconds * (2 if self._refresh_outlives else 1)
        self.store.write_blob(self.app, self.blob_name(token.scope), self._sealer.seal(token), keep_seconds)

    def mask(self, pair: _Pair) -> None:
        """Mask both tokens of a pair before anything can log them."""
        for secret in (pair.access_token, pair.refresh_token):
            if secret:
                self._on_secret(secret)
