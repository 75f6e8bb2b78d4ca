"""
The tokens of one app, for whoever needs one: what this process remembers first, then what all share.

The way to a token that is not at hand is :mod:`.search`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError, ChannelNotSentError
from airflow_channel_provider.tokens import policy
from airflow_channel_provider.tokens.budget import Quota
from airflow_channel_provider.tokens.clock import steady
from airflow_channel_provider.tokens.dialect import CHANNEL_TALK, Dialect
from airflow_channel_provider.tokens.events import TokenEvent, TokenEventKind
from airflow_channel_provider.tokens.exchange import TokenExchange
from airflow_channel_provider.tokens.plausible import is_name
from airflow_channel_provider.tokens.policy import Stage
from airflow_channel_provider.tokens.record import AppName
from airflow_channel_provider.tokens.seal import Sealer, app_key
from airflow_channel_provider.tokens.search import OLD_TOKEN_SECONDS, Search
from airflow_channel_provider.tokens.shared import SharedApp, wall_time_in
from airflow_channel_provider.tokens.stores.base import CachedToken, TokenStore
from airflow_channel_provider.tokens.token import Token, scope_of

__all__ = ["AppStatus", "ScopeStatus", "TokenManager"]

log = logging.getLogger(__name__)

SCOPE_LENGTH = 500
"""Of the name of a scope: it stands in the record many times."""


@dataclass(frozen=True, slots=True)
class ScopeStatus:
    """What is known of the token of one scope."""

    scope: str
    age_seconds: float
    remaining_seconds: float


@dataclass(frozen=True, slots=True)
class AppStatus:
    """
    What the quota of one app looks like.

    :param blocked_until: the service refused; nobody asks before then (aware UTC).
    """

    charges_used: int
    charges_left: int
    limit: int
    blocked_until: datetime | None
    scopes: tuple[ScopeStatus, ...]


class TokenManager:
    """
    Gives out the tokens of one app, or of whatever else a service gives tokens to.

    :param base_url: where the service is; part of what names the app.
    :param app_id: App ID, or None where the connection has none.
    :param secret: App Secret; seals the tokens and is never stored.
    :param store: where tokens and ledger are shared.
    :param exchange: sends the token requests.
    :param on_secret: is told every token the moment it exists, before anything else happens to it.
    :param quota: what the service allows.
    :param dialect: what else is special about the tokens of the service.
    :param label: names the connection in messages.
    :param sleep: waits between two looks at a token that another process renews, seconds.
    :param clock: seconds of this host; bounds the waits and what the process remembers.
    :param on_event: is told what is worth counting; must not raise.
    :param connection: id of the connection; for people.
    :param asked_by: names the task or the person that needs a token; for people.
    """

    def __init__(
        self,
        *,
        base_url: str,
        app_id: str | None,
        secret: str,
        store: TokenStore,
        exchange: TokenExchange,
        on_secret: Callable[[str], None] = lambda value: None,
        quota: Quota | None = None,
        dialect: Dialect = CHANNEL_TALK,
        label: str = "Channel Talk",
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = steady,
        on_event: Callable[[TokenEvent], None] = lambda event: None,
        connection: str | None = None,
        asked_by: Callable[[], str] = lambda: "",
    ) -> None:
        app = app_key(base_url, app_id, secret)
        quota = quota or Quota()
        connections = (connection,) if connection else ()
        name = AppName(base_url, app_id or "", connections, dialect.service, quota.is_unlimited)
        self.shared = SharedApp(store, app, Sealer(app, secret), quota, on_secret, name, dialect.kept_lives)
        self.exchange = exchange
        self.dialect = dialect
        self.label = label
        self.sleep = sleep
        self.clock = clock
        self.on_event = on_event
        self.asked_by = asked_by

    def get(
        self,
        channel_id: str | None = None,
        *,
        rejected: str | None = None,
        wait_seconds: float = 60.0,
        ask_again: bool = False,
    ) -> Token:
        """
        Return a token that lives; renew it if that is due and nobody else does.

        :param channel_id: the channel, or None for the app token.
        :param rejected: fingerprint of a token that the service has just refused; it is replaced once for all tasks.
        :param wait_seconds: the longest wait for another process that is renewing.
        :param ask_again: ask the service in spite of a remembered refusal.
        :raises ChannelTokenQuotaError: the quota is spent; ``retry_at`` tells when it is not.
        :raises ChannelAuthenticationError: the App Secret, or each token that it buys, is refused.
        :raises ChannelPermissionError: the app is not installed on the channel.
        :raises ChannelRequestError: the token request was refused for another reason.
        :raises ChannelNotSentError: no token could be had for now, so the call it was for was not sent.
        :raises ChannelConfigurationError: the store can't work as configured.
        """
        scope = self._scope(channel_id)
        cached = self.shared.store.local_cache.get(self.shared.cache_key(scope))
        if (
            cached is not None
            and cached.until > self.clock()
            and (rejected is None or cached.token.fingerprint != rejected)
        ):
            return cached.token
        self._named(scope)
        try:
            search = Search(
                self, scope, channel_id, rejected, ask_again, give_up_at=self.clock() + wait_seconds
            )
            return self._found(search)
        except ChannelNotSentError as error:
            if cached is None or cached.ends_at <= self.clock() or cached.token.fingerprint == rejected:
                raise
            return self._go_on(cached, error)
        finally:
            self.shared.store.rest()

    def _scope(self, channel_id: str | None) -> str:
        return self.dialect.own_scope if channel_id is None else scope_of(channel_id)

    def _named(self, scope: str) -> str:
        """See that a scope is one that a record can name."""
        if not is_name(scope, SCOPE_LENGTH):
            raise ChannelConfigurationError(
                f"{self.label}: channel_id is no ID of a channel: it is longer than {SCOPE_LENGTH} characters, or "
                "not all of them can be printed. No token request was sent."
            )
        return scope

    def _go_on(self, cached: CachedToken, error: ChannelError) -> Token:
        """Use what this process remembers: the store is down, and the token in hand still lives."""
        scope, now = cached.token.scope, self.clock()
        log.warning("Went on with the token of scope %s that this process holds: %s", scope, error)
        until = now + min(OLD_TOKEN_SECONDS, cached.ends_at - now)
        self.shared.store.local_cache[self.shared.cache_key(scope)] = replace(cached, until=until)
        return cached.token

    def _found(self, search: Search) -> Token:
        try:
            return search.run()
        finally:
            if search.waited_seconds > 0:
                waited = TokenEvent(TokenEventKind.WAITED, search.scope, seconds=search.waited_seconds)
                self.on_event(waited)

    def peek(self, channel_id: str | None = None) -> Token | None:
        """Return the stored token if it lives; never sends a request."""
        moment = self.shared.look()
        token = self.shared.usable_token(moment, self._named(self._scope(channel_id)))
        alive = (
            token is not None
            and policy.stage_of(token.issued_at, token.expires_at, moment.now) is not Stage.EXPIRED
        )
        return token if alive else None

    def age_seconds(self, token: Token) -> float:
        """How old a token is."""
        return self.shared.look().now - token.issued_at

    def remaining_seconds(self, token: Token) -> float:
        """How long a token still lives."""
        return token.expires_at - self.shared.look().now

    def status(self) -> AppStatus:
        """Tell what the quota and the tokens of this app look like; never sends a request."""
        moment, quota = self.shared.look(), self.shared.quota
        ledger, now = moment.record.ledger, moment.now
        return AppStatus(
            charges_used=len(ledger.live(now, quota)),
            charges_left=ledger.left(now, quota),
            limit=quota.limit,
            blocked_until=wall_time_in(ledger.blocked_until - now) if ledger.blocked_until > now else None,
            scopes=tuple(
                ScopeStatus(scope, now - facts.issued_at, facts.expires_at - now)
                for scope, facts in sorted(moment.record.tokens.items())
                if facts.expires_at > now
            ),
        )
