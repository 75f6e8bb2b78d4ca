"""
What the Test button does for Channel Talk: show that a token is to be had, and that it is taken.

A live token that is shared is used, so a test costs a token request only where a task would have to send one as well.
Where there is a default channel, the token is tried by reading that channel, which costs nothing of the quota.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_channel_provider.exceptions import ChannelAuthenticationError, ChannelPermissionError

if TYPE_CHECKING:
    from airflow_channel_provider.api.channel_talk import ChannelTalkClient
    from airflow_channel_provider.connections import ChannelTalkSettings
    from airflow_channel_provider.hooks._tokens import TokenUser
    from airflow_channel_provider.tokens.manager import TokenManager
    from airflow_channel_provider.tokens.token import Token

__all__ = ["Examination"]

_SHARED = "Channel Talk accepts the token that is already shared"
_LIVE = "A live token is already shared"
_ISSUED = "Channel Talk accepted the App Secret"
_RENEWED = "Channel Talk refused the token that was shared and gave a new one"
_NAME_LIMIT = 100
_UNREADABLE = (
    " (not readable: getChannel is not among the app's permissions, or the app is not installed there "
    "any more)"
)


@dataclass(frozen=True)
class Examination:
    """
    One test of a connection.

    :param token_user: sends the read again where a token is refused, with a new one in the end.
    :param wait_seconds: longest wait for another process that is fetching a token.
    """

    settings: ChannelTalkSettings
    manager: TokenManager
    client: ChannelTalkClient
    token_user: TokenUser
    wait_seconds: float

    def run(self) -> str:
        """
        Return what was found, in one sentence.

        :raises ChannelError: what is wrong.
        """
        channel = self.settings.channel_id
        found = self.manager.peek(channel)
        # Whoever tests has probably corrected something since the refusal that all tasks remember.
        token = found or self.manager.get(channel, wait_seconds=self.wait_seconds, ask_again=True)
        how = _LIVE if found else _ISSUED
        if channel is None:
            untried = " to try it on" if found else ""
            return self._sentence(how, f"without a default channel{untried}", token)
        try:
            name = self._read_channel(token.access_token)
            how = _SHARED if found and name != _UNREADABLE else how
        except ChannelAuthenticationError:
            name = self.token_user.send(channel, self._read_channel)
            token = self.manager.get(channel, wait_seconds=self.wait_seconds)
            how = _RENEWED if found else how
        return self._sentence(how, f"on channel {channel}{name}", token)

    def _read_channel(self, access_token: str) -> str:
        """Return the channel's name, or that it may not be read, in parentheses."""
        from airflow_channel_provider.api.redaction import quote

        params = {"channelId": self.settings.channel_id}
        try:
            result: Any = self.client.call_native("getChannel", params, access_token=access_token)
        except ChannelPermissionError:
            return _UNREADABLE
        channel = result.get("channel") if isinstance(result, dict) else None
        name = channel.get("name") if isinstance(channel, dict) else None
        # Whatever the service calls it, no name is a place for a token.
        return (
            f" ({quote(name, (access_token,), limit=_NAME_LIMIT)})" if isinstance(name, str) and name else ""
        )

    def _sentence(self, how: str, where: str, token: Token) -> str:
        manager = self.manager
        minutes = manager.shared.quota.window_seconds / 60
        return (
            f"{how}: app {self.settings.app_id or '(no App ID given)'} {where} at {self.settings.base_url}, token "
            f"{manager.age_seconds(token):.0f} s old, valid for another {manager.remaining_seconds(token):.0f} s, "
            f"{manager.status().charges_left} token requests left in the present {minutes:g} minutes."
        )
