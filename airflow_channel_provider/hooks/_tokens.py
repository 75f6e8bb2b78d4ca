"""Connects the API client and the token manager, which do not know each other.

A refused token that is only seconds old may not have spread through the service yet, and a renewal would spend one of
ten requests for nothing: so the call is first repeated after short pauses. Then the token is renewed once, and the call
repeated once more. A refused call has done nothing, so these repetitions are safe for every call; they do not count as
``call_attempts``. No pause is longer than ``max_wait_seconds``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from airflow_channel_provider.exceptions import ChannelAuthenticationError, ChannelError
from airflow_channel_provider.masking import mask_credential

if TYPE_CHECKING:
    from airflow_channel_provider.api.client import ChannelTalkClient
    from airflow_channel_provider.api.token_answer import TokenAnswer
    from airflow_channel_provider.tokens.manager import TokenManager
    from airflow_channel_provider.tokens.types import Token

T = TypeVar("T")

YOUNG_TOKEN_SECONDS = 10.0
REFUSAL_PAUSES_SECONDS = (1.0, 2.0, 3.0)
ADVICE = (
    "check that the function is among the permissions of the app and that the app is installed on the channel"
)


class ClientExchange:
    """Sends the token requests of the manager through the client."""

    def __init__(self, client: ChannelTalkClient, secret: str) -> None:
        self._client = client
        self._secret = secret

    def issue(self, channel_id: str | None) -> TokenAnswer:
        """Exchange the App Secret for a token. From here on its Base64 is masked as well."""
        mask_credential(self._secret)
        return self._client.issue_token(self._secret, channel_id)

    def refresh(self, refresh_token: str) -> TokenAnswer:
        """Exchange a refresh token for the next pair."""
        return self._client.refresh_token(refresh_token)


class TokenUser:
    """
    Sends calls with the shared token of a scope.

    :param manager: hands out tokens.
    :param wait_seconds: longest wait for a token, and longest pause after a refusal.
    :param sleep: takes seconds.
    :param on_repeat: is called with the method and the error of each call that is sent again.
    :param advice: what to check if a renewed token is refused as well.
    """

    def __init__(
        self,
        manager: TokenManager,
        *,
        wait_seconds: float,
        sleep: Callable[[float], None] = time.sleep,
        on_repeat: Callable[[str, BaseException | None], None] = lambda method, error: None,
        advice: str = ADVICE,
    ) -> None:
        self._manager = manager
        self._wait_seconds = wait_seconds
        self._sleep = sleep
        self._on_repeat = on_repeat
        self._advice = advice

    def send(self, channel_id: str | None, send: Callable[[str], T]) -> T:
        """
        Send one call, and once more with a renewed token if the first one is refused.

        :param channel_id: the channel whose token it takes; None: the app token.
        :param send: sends the call with an access token.
        :raises ChannelAuthenticationError: the renewed token was refused as well, or the App Secret is refused.
        :raises ChannelError: the error of the call, or why there is no token, with the refusal if there was one.
        """
        token = self._manager.get(channel_id, wait_seconds=self._wait_seconds)
        attempts = 1
        try:
            return send(token.access_token)
        except ChannelAuthenticationError as error:
            refusal, pauses = error, self._pauses(token)
        for pause in pauses:
            self._sleep(pause)
            attempts += 1
            self._repeat(refusal)
            try:
                return send(token.access_token)
            except ChannelAuthenticationError as error:
                refusal = error
        try:
            renewed = self._manager.get(
                channel_id, rejected=token.fingerprint, wait_seconds=self._wait_seconds
            )
        except ChannelError as error:
            raise _quoting(error, refusal) from refusal
        self._repeat(refusal)
        try:
            return send(renewed.access_token)
        except ChannelAuthenticationError as error:
            raise self._refused(error, renewed, attempts + 1) from error

    def _repeat(self, refusal: ChannelAuthenticationError) -> None:
        self._on_repeat(refusal.method or "unknown", refusal)

    def _pauses(self, token: Token) -> tuple[float, ...]:
        if self._manager.age_seconds(token) >= YOUNG_TOKEN_SECONDS:
            return ()
        return tuple(pause for pause in REFUSAL_PAUSES_SECONDS if pause <= self._wait_seconds)

    def _refused(
        self, error: ChannelAuthenticationError, token: Token, attempts: int
    ) -> ChannelAuthenticationError:
        return ChannelAuthenticationError(
            f"{error.method or 'The call'} was refused {attempts} times, the last time with a new token of the scope "
            f"{token.scope}, {self._manager.age_seconds(token):.0f} s old; {self._advice}. {error.message}",
            method=error.method,
            http_status=error.http_status,
            code=error.code,
            error_type=error.error_type,
            service_message=error.service_message,
        )


def _quoting(error: ChannelError, refusal: ChannelAuthenticationError) -> ChannelError:
    """Add the refusal of the last token to the reason why there is no new one."""
    said = refusal.service_message or "no reason given"
    return error.add_context(
        after=f"A new token was needed because {refusal.method or 'the call'} was refused "
        f"(HTTP {refusal.http_status}): {said.removesuffix('.')}."
    )
