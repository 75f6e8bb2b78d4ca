"""
One app's record and tokens in a store, as typed values instead of bytes. Adds no decision of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any, Protocol

from airflow_channel_provider.tokens import history, plausible, policy
from airflow_channel_provider.tokens.budget import Ledger, Quota
from airflow_channel_provider.tokens.clock import steady
from airflow_channel_provider.tokens.policy import Decision, Renew, Request
from airflow_channel_provider.tokens.record import AppName, AppRecord, noted_charges
from airflow_channel_provider.tokens.seal import Sealer
from airflow_channel_provider.tokens.stores.base import Anew, Snapshot, TokenStore
from airflow_channel_provider.tokens.token import Token

__all__ = ["Moment", "SharedApp", "moment_of", "wall_time_in"]

log = logging.getLogger(__name__)


class _Pair(Protocol):
    @property
    def access_token(self) -> str: ...

    @property
    def refresh_token(self) -> str: ...


def wall_time_in(seconds: float) -> datetime:
    """Turn a delay of the store's clock into a time that people and Airflow understand (aware UTC)."""
    seconds = min(max(0.0, seconds), plausible.LONGEST_LIFE_SECONDS)
    return datetime.now(timezone.utc) + timedelta(seconds=seconds)


@dataclass(frozen=True, slots=True)
class Moment:
    """
    The record as it was at one moment of the store's clock.

    :param host_at: the same moment by the clock of this host, where that matters.
    :param lost: there was another one, and it is gone; this one has to be written, or it would begin anew each time.
    """

    record: AppRecord
    now: float
    lost: bool = False
    host_at: float = 0.0

    def written(self, record: AppRecord) -> dict[str, Any]:
        """Return what is to be written in the place of this moment's document."""
        return Anew(record.to_json()) if self.lost else record.to_json()


def moment_of(snapshot: Snapshot, quota: Quota) -> Moment:
    """Read what a store has found; a record that was lost, or can't be believed, counts as half spent."""
    state, now = snapshot.state, snapshot.now
    if state is None and not snapshot.lost:
        return Moment(AppRecord(), now)
    record = AppRecord.from_json(state) if state is not None and not snapshot.lost else None
    if record is not None and record.fits(now, quota):
        return Moment(record, now)
    noted = noted_charges(state, now, quota)
    return Moment(AppRecord(ledger=Ledger.half_spent(now, quota, noted=noted)), now, lost=True)


class SharedApp:
    """
    What all tasks of one app share.

    :param app: see :func:`.seal.app_key`.
    :param on_secret: is told every token the moment it exists in this process.
    :param name: whose record it is; for people.
    :param kept_lives: how many lives of its access token a pair is kept.
    """

    def __init__(
        self,
        store: TokenStore,
        app: str,
        sealer: Sealer,
        quota: Quota,
        on_secret: Callable[[str], None],
        name: AppName | None = None,
        kept_lives: int = 1,
    ) -> None:
        self.store = store
        self.app = app
        self.name = name or AppName()
        self.quota = quota
        self.secret_mark = sealer.secret_mark
        self._sealer = sealer
        self._kept_lives = kept_lives
        self._on_secret = on_secret

    def look(self) -> Moment:
        """Read the record without waiting for anyone."""
        return moment_of(self.store.load(self.app), self.quota)

    def claim(self, request: Request, clock: Callable[[], float] = steady) -> tuple[Decision, Moment]:
        """
        Ask for a renewal; where the decision is to renew, the charge is durable on return.

        :param clock: seconds of this host.
        """

        def apply(snapshot: Snapshot) -> tuple[dict[str, Any] | None, tuple[Decision, Moment]]:
            before = moment_of(snapshot, self.quota)
            after, decision = policy.claim(before.record, before.now, request, self.quota)
            if after is not None and isinstance(decision, Renew):
                after = self._with_request(after, request, decision)
            moment = replace(before, record=after or before.record, host_at=clock())
            written = after or (before.record if before.lost else None)
            return before.written(written) if written else None, (decision, moment)

        decision, moment = self.store.update(self.app, apply)
        self._tell_of_loss(moment)
        return decision, moment

    def change(self, change: Callable[[AppRecord, float], AppRecord]) -> Moment:
        """Change the record."""

        def apply(snapshot: Snapshot) -> tuple[dict[str, Any], Moment]:
            before = moment_of(snapshot, self.quota)
            after = change(before.record, before.now)
            return before.written(after), replace(before, record=after)

        moment = self.store.update(self.app, apply)
        self._tell_of_loss(moment)
        return moment

    def _tell_of_loss(self, moment: Moment) -> None:
        if moment.lost:
            log.warning(
                "The token store %s holds no record of app %s that can be believed, though there was one or may have "
                "been. It begins anew: at least half of the token requests count as spent for now. What stood there is "
                "set aside.",
                self.store.address,
                self.name.app_id or self.app,
            )

    def _with_request(self, record: AppRecord, request: Request, go: Renew) -> AppRecord:
        """Write down for people what is about to be sent, and for whom."""
        sent = history.TokenRequest(
            request.owner,
            go.requested_at,
            request.scope,
            "refresh" if go.refresh else "issue",
            request.why,
            request.asked_by,
        )
        rows = history.began(record.history, sent)
        return replace(record, name=record.name.used_by(self.name), history=rows)

    def cache_key(self, scope: str) -> str:
        """Name what this process remembers of a scope, and the sealed token of it in the store."""
        return self._sealer.blob_name(scope)

    def read_token(self, scope: str) -> Token | None:
        """Return the stored token of a scope, alive or not; None where there is none that this secret opens."""
        token = self._sealer.open(self.store.read_blob(self.app, self._sealer.blob_name(scope)), scope)
        if token is not None:
            self.mask(token)
        return token

    def usable_token(self, moment: Moment, scope: str) -> Token | None:
        """Return the stored token of a scope, alive or not, unless a person has dropped it."""
        return self.usable(moment, self.read_token(scope))

    def usable(self, moment: Moment, token: Token | None) -> Token | None:
        """Return a stored token, alive or not, unless a person has dropped it."""
        dropped = token is not None and moment.record.is_dropped(token.scope, token.fingerprint)
        return None if dropped else token

    def write_token(self, token: Token) -> None:
        """Store both halves of a pair in one write."""
        name, keep_seconds = self._sealer.blob_name(token.scope), token.life_seconds * self._kept_lives
        self.store.write_blob(self.app, name, self._sealer.seal(token), keep_seconds)

    def mask(self, pair: _Pair) -> None:
        """Report a pair to the masker before anything can log it."""
        for secret in (pair.access_token, pair.refresh_token):
            if secret:
                self._on_secret(secret)
