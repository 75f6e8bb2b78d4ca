"""
The tokens of one app: from the memory of this process, else as :mod:`.acquire` obtains them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError, ChannelNotSentError
from airflow_channel_provider.tokens.budget import Quota
from airflow_channel_provider.tokens.clock import steady
from airflow_channel_provider.tokens.context import TokenContext
from airflow_channel_provider.tokens.look import OLD_TOKEN_SECONDS, look, use
from airflow_channel_provider.tokens.repository import TokenRepository
from airflow_channel_provider.tokens.stages import Stage, stage_of
from airflow_channel_provider.tokens.stores.base import CachedToken, TokenStore
from airflow_channel_provider.tokens.types import (
    CHANNEL_TALK,
    ServiceProfile,
    Token,
    scope_of,
)

if TYPE_CHECKING:
    from airflow_channel_provider.tokens.exchange import TokenEvent, TokenExchange
    from airflow_channel_provider.tokens.overview import AppStatus

log = logging.getLogger(__name__)

SCOPE_LENGTH = 500
"""Of the name of a scope: it stands in the record many times."""


class TokenManager:
    """
    Gives out the tokens of one app, or of a user where a service gives tokens to users.

    :param base_url: address of the service; part of the app's identity.
    :param app_id: App ID, or None if the connection has none.
    :param secret: App Secret; encrypts the tokens and is never stored.
    :param store: where tokens and ledger are shared.
    :param exchange: sends the token requests.
    :param on_secret: is called with every token before this process uses it.
    :param quota: what the service allows.
    :param service: what else is special about the service.
    :param label: names the connection in messages.
    :param sleep: waits between two looks at a token that another process renews, seconds.
    :param clock: seconds of this host; bounds the waits and what the process remembers.
    :param on_event: counts what happened; must not raise.
    :param connection: id of the connection, for people.
    :param asked_by: names the task or the person that needs a token, for people.
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
        service: ServiceProfile = CHANNEL_TALK,
        label: str = "Channel Talk",
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = steady,
        on_event: Callable[[TokenEvent], None] = lambda event: None,
        connection: str | None = None,
        asked_by: Callable[[], str] = lambda: "",
    ) -> None:
        self.repository = TokenRepository(
            store,
            base_url=base_url,
            app_id=app_id,
            secret=secret,
            quota=quota or Quota(),
            service=service,
            on_secret=on_secret,
            connection=connection,
            clock=clock,
        )
        self.context = TokenContext(
            self.repository, exchange, service, label, clock, sleep, on_event, asked_by
        )

    def get(
        self,
        channel_id: str | None = None,
        *,
        rejected: str | None = None,
        wait_seconds: float = 60.0,
        ask_again: bool = False,
    ) -> Token:
        """
        Return a token that lives; renew it if that is due and no other process does so.

        :param channel_id: the channel, or None for the app token.
        :param rejected: fingerprint of a token that the service has just refused; it is replaced once for all tasks.
        :param wait_seconds: the longest wait for another process that is renewing.
        :param ask_again: send a request although a refusal is remembered.
        :raises ChannelTokenQuotaError: the quota is spent until ``retry_at``.
        :raises ChannelAuthenticationError: the App Secret, or each token that was issued for it, is refused.
        :raises ChannelPermissionError: the app is not installed on the channel.
        :raises ChannelRequestError: the token request was refused for another reason.
        :raises ChannelNotSentError: no token is available now, so the call that needed it was not sent.
        :raises ChannelConfigurationError: the store can't work as configured.
        """
        repository, clock = self.repository, self.context.clock
        scope = self._scope(channel_id)
        cached = repository.cached_token(scope)
        if (
            cached is not None
            and cached.use_until > clock()
            and (rejected is None or cached.token.fingerprint != rejected)
        ):
            return cached.token
        self._check_scope(scope)
        try:
            give_up_at = clock() + wait_seconds
            view = look(self.context, scope, rejected)
            if view.token is not None and view.stage is Stage.FRESH:
                return use(self.context, view.token, view.fresh_seconds, view.snapshot)
            # Most tasks find a fresh token; the way to another one is imported by the others alone.
            from airflow_channel_provider.tokens.acquire import TokenAcquisition

            acquisition = TokenAcquisition(self.context, scope, channel_id, rejected, ask_again, give_up_at)
            return acquisition.run(view)
        except ChannelNotSentError as error:
            if cached is None or cached.ends_at <= clock() or cached.token.fingerprint == rejected:
                raise
            return self._use_cached(cached, error)
        finally:
            repository.store.rest()

    def _scope(self, channel_id: str | None) -> str:
        return self.context.service.own_scope if channel_id is None else scope_of(channel_id)

    def _check_scope(self, scope: str) -> None:
        if len(scope) > SCOPE_LENGTH or not scope.isprintable():
            raise ChannelConfigurationError(
                f"{self.context.label}: channel_id is not the ID of a channel: it is longer than {SCOPE_LENGTH} "
                "characters, or not all of them can be printed. No token request was sent."
            )

    def _use_cached(self, cached: CachedToken, error: ChannelError) -> Token:
        """Use the token of this process: the store fails, and the token still lives."""
        now = self.context.clock()
        log.warning(
            "Went on with the token of scope %s that this process holds: %s", cached.token.scope, error
        )
        use_until = now + min(OLD_TOKEN_SECONDS, cached.ends_at - now)
        self.repository.cache_token(cached._replace(use_until=use_until))
        return cached.token

    def peek(self, channel_id: str | None = None) -> Token | None:
        """Return the stored token if it lives; never sends a request."""
        scope = self._scope(channel_id)
        self._check_scope(scope)
        snapshot, token = self.repository.snapshot(), self.repository.read_token(scope)
        if token is None or snapshot.record.is_dropped(scope, token.fingerprint):
            return None
        stage = stage_of(token.issued_at, token.expires_at, snapshot.now)
        return None if stage is Stage.EXPIRED else token

    def age_seconds(self, token: Token) -> float:
        """Return the age of a token."""
        return self.repository.snapshot().now - token.issued_at

    def remaining_seconds(self, token: Token) -> float:
        """Return how long a token still lives."""
        return token.expires_at - self.repository.snapshot().now

    def status(self) -> AppStatus:
        """Return the state of the quota and of the tokens; never sends a request."""
        from airflow_channel_provider.tokens.overview import status_of

        snapshot = self.repository.snapshot()
        return status_of(snapshot.record, snapshot.now, self.repository.quota)
