"""
The Test button of a connection: what it does for Channel Talk, and one sentence of what to do next after an error.

A live token that is shared is used, so that a test costs a token request only where a task would have to send one as
well. Where there is a default channel, the token is tried by reading that channel, which costs nothing of the quota.

Airflow tests a connection under a random id that its user has never seen, so no id is ever named. The sentence is all
that the user sees, so it quotes the service, and never a secret. Times are those of Airflow's own time zone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, Any

from airflow_channel_provider.exceptions import (
    ChannelAmbiguousResultError,
    ChannelAuthenticationError,
    ChannelError,
    ChannelNotSentError,
    ChannelPermissionError,
    ChannelRequestError,
    ChannelResponseError,
    ChannelTokenQuotaError,
)

if TYPE_CHECKING:
    from airflow_channel_provider.api.client import ChannelTalkClient
    from airflow_channel_provider.connections import ChannelTalkSettings
    from airflow_channel_provider.hooks._tokens import TokenUser
    from airflow_channel_provider.tokens.manager import TokenManager
    from airflow_channel_provider.tokens.types import Token

_SHARED = "Channel Talk accepts the token that is already shared"
_LIVE = "A live token is already shared"
_ISSUED = "Channel Talk accepted the App Secret"
_RENEWED = "Channel Talk refused the token that was shared and gave a new one"
_NAME_LIMIT = 100
_UNREADABLE = (
    " (not readable: getChannel is not among the app's permissions, or the app is not installed there "
    "any more)"
)

_NEXT_SENTENCE = re.compile(r"\.+ (?=[A-Z'])(\w*)")
_NOTHING_SENT = re.compile(r"((?:nothing|no token request) was sent)\.$")
# First words that keep their capital inside a sentence.
_NAMES = frozenset({"Airflow", "Benlly", "Channel", "Redis"})
_LOOK_AGAIN = "check host, port and schema of the connection, and any proxy or login page in between"


@dataclass(frozen=True)
class ConnectionTest:
    """
    One test of a connection of the type ``channel_talk``.

    :param token_user: repeats the read where the token is refused, in the end with a new token.
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
        # A refusal that all tasks remember is asked again: the person has probably corrected something since.
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
        # Whatever name the service returns, it must not show a token.
        return (
            f" ({quote(name, (access_token,), limit=_NAME_LIMIT)})" if isinstance(name, str) and name else ""
        )

    def _sentence(self, how: str, where: str, token: Token) -> str:
        manager = self.manager
        minutes = manager.repository.quota.window_seconds / 60
        return (
            f"{how}: app {self.settings.app_id or '(no App ID given)'} {where} at {self.settings.base_url}, token "
            f"{manager.age_seconds(token):.0f} s old, valid for another {manager.remaining_seconds(token):.0f} s, "
            f"{manager.status().charges_left} token requests left in the present {minutes:g} minutes."
        )


# ---- what an error means


def explain(error: ChannelError, conn_id: str) -> str:
    """
    Return what went wrong in a connection test and what to do about it, as one sentence.

    :param error: what the test raised.
    :param conn_id: the random id that the test ran under.
    """
    if isinstance(error, ChannelTokenQuotaError):
        return _quota(error)
    if error.method == "issueToken" and isinstance(error, ChannelAuthenticationError):
        return (
            f"Channel Talk refused the App Secret ({_said(error)}); copy the one that the app's settings page shows "
            "now, since reissuing a secret invalidates the old one."
        )
    if error.method == "issueToken" and isinstance(error, ChannelPermissionError):
        return (
            "Channel Talk answered, but the app is not installed on the connection's default channel "
            f"({_said(error)}); install it there or correct the channel, and where no channel works, the App Secret."
        )
    found = _cause(error)
    text = without_id(one_sentence(found.message.removesuffix(" It may have taken effect.")), conn_id)
    text = re.sub(r"^issueToken\b", "The token request", text)
    text = _NOTHING_SENT.sub(r"\1, so nothing was checked.", text)
    return f"{text.removesuffix('.')}; {remedy}." if (remedy := _remedy(found)) else text


def clock_time(at: datetime) -> str:
    """
    Write a time as people read it off a clock, rounded up to the minute: ``14:35 UTC``.

    :param at: aware.
    """
    return f"{(at + timedelta(seconds=59, microseconds=999_999)).astimezone(_zone()):%H:%M %Z}"


def one_sentence(message: str) -> str:
    """
    Join the sentences of a message.

    :param message: of an error.
    """

    def joined(found: re.Match[str]) -> str:
        word = found[1]
        is_name = word in _NAMES or not word[1:2].islower()
        return f"; {word if is_name else word[:1].lower() + word[1:]}"

    return _NEXT_SENTENCE.sub(joined, message)


def without_id(text: str, conn_id: str) -> str:
    """
    Return a message that says "this connection" instead of its id.

    :param conn_id: the random id that the test ran under.
    """
    text = text.replace(f"onnection {conn_id!r}", "onnection").replace("Connection:", "This connection:")
    return text.replace("This connection: The ", "This connection: the ")


def _quota(error: ChannelTokenQuotaError) -> str:
    when = f"until {clock_time(error.retry_at)}" if error.retry_at else "for now"
    return (
        f"The quota of token requests, which all tasks of the app share, is exhausted {when}, so nothing could be "
        "checked; tasks go on with the tokens that are valid, and this test can be repeated then."
    )


def _said(error: ChannelAuthenticationError | ChannelPermissionError) -> str:
    words = f": {error.service_message.removesuffix('.')}" if error.service_message else ""
    return f"HTTP {error.http_status}{words}"


def _cause(error: ChannelError) -> ChannelError:
    """Return why there is no token, where the error says only that there is none."""
    cause = error.__cause__
    return (
        _cause(cause) if isinstance(error, ChannelNotSentError) and isinstance(cause, ChannelError) else error
    )


def _remedy(error: ChannelError) -> str:
    """Return what to do, where the message does not say it."""
    if isinstance(error, ChannelRequestError):
        return "the service has a problem, so test again later" if (error.http_status or 0) >= 500 else ""
    if isinstance(error, ChannelResponseError):
        return "" if error.from_intermediary else _LOOK_AGAIN
    return _LOOK_AGAIN if isinstance(error, ChannelAmbiguousResultError) else ""


def _zone() -> tzinfo | None:
    """Return the time zone of this Airflow; None: the one of the host."""
    from zoneinfo import ZoneInfo

    from airflow.providers.common.compat.sdk import conf

    name = conf.get("core", "default_timezone", fallback="utc") or "utc"
    if name == "system":
        return None
    return timezone.utc if name.lower() == "utc" else ZoneInfo(name)
