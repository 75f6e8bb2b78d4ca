"""
One look at the store: which token it holds, what its age asks for, and how long a process goes on without looking.
"""

from __future__ import annotations

from airflow_channel_provider.tokens.context import TokenContext
from airflow_channel_provider.tokens.repository import RecordSnapshot
from airflow_channel_provider.tokens.stages import Stage, early_seconds, stage_of
from airflow_channel_provider.tokens.stores.base import CachedToken
from airflow_channel_provider.tokens.types import Token
from airflow_channel_provider.values import Values

CACHE_SECONDS = 1800.0
"""The longest time without a look at the store, however long a token lives: a person may have dropped it."""

OLD_TOKEN_SECONDS = 5.0
"""How long a process uses an old token, which another one has to renew, before it looks again."""


class View(Values):
    """
    The result of one read of the store.

    :param token: the stored token, alive or not; None if there is none that may be used.
    :param refreshable: a pair whose refresh token may be sent though its access token can't be used.
    :param fresh_seconds: how long the token need not be renewed.
    """

    snapshot: RecordSnapshot
    token: Token | None
    stage: Stage
    refreshable: Token | None
    fresh_seconds: float = 0.0

    @property
    def living_token(self) -> Token | None:
        """The token, if it still lives."""
        return None if self.stage is Stage.EXPIRED else self.token


def look(context: TokenContext, scope: str, rejected: str | None) -> View:
    """
    Look at the store.

    :param rejected: fingerprint of the token that the service has just refused.
    """
    repository = context.repository
    snapshot = repository.snapshot()
    pair = repository.read_token(scope)
    record, refreshable = snapshot.record, pair if context.service.refresh_outlives else None
    if pair is None or pair.fingerprint == rejected or record.is_dropped(scope, pair.fingerprint):
        return View(snapshot, None, Stage.EXPIRED, refreshable)
    scopes = record.scopes_in_use(snapshot.now, repository.quota)
    stage = stage_of(pair.issued_at, pair.expires_at, snapshot.now, scopes=scopes)
    fresh_seconds = pair.expires_at - snapshot.now - early_seconds(pair.life_seconds, scopes)
    return View(snapshot, pair, stage, refreshable, fresh_seconds)


def use(context: TokenContext, token: Token, seconds: float, snapshot: RecordSnapshot) -> Token:
    """Let this process use a token for a while without reading the store."""
    use_until = context.clock() + min(seconds, CACHE_SECONDS)
    cached = CachedToken(token, use_until, ends_at=snapshot.host_time(token.expires_at))
    context.repository.cache_token(cached)
    return token
