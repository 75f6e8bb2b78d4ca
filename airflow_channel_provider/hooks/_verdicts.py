"""
What a connection test says of an error: one sentence of what was found and what to do next.

Airflow tests a connection under a random id that its user has never seen, so no id is ever named here; and the sentence
is all that the user sees, so it quotes the service, and never a secret. Times are those of Airflow's own time zone.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone, tzinfo

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

__all__ = ["clock_time", "one_sentence", "verdict", "without_id"]

_NEXT_SENTENCE = re.compile(r"\.+ (?=[A-Z'])(\w*)")
_NOTHING_SENT = re.compile(r"((?:nothing|no token request) was sent)\.$")
# First words that keep their capital inside a sentence.
_NAMES = frozenset({"Airflow", "Benlly", "Channel", "Redis"})
_LOOK_AGAIN = "check host, port and schema of the connection, and what stands between (a proxy, a login page)"


def verdict(error: ChannelError, conn_id: str) -> str:
    """
    Say what a connection test has met.

    :param error: what it raised.
    :param conn_id: the id that it ran under.
    """
    if isinstance(error, ChannelTokenQuotaError):
        return _quota(error)
    if error.method == "issueToken" and isinstance(error, ChannelAuthenticationError):
        return (
            f"Channel Talk refused the App Secret ({_said(error)}); save the one that the app's settings page shows "
            "now, since a reissued secret ends the one before."
        )
    if error.method == "issueToken" and isinstance(error, ChannelPermissionError):
        return (
            "Channel Talk answered, but the app is not installed on the connection's default channel "
            f"({_said(error)}); install it there or correct the channel, and where no channel works, the App Secret."
        )
    found = _cause(error)
    text = without_id(one_sentence(found.message.removesuffix(" Its effect may have happened.")), conn_id)
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
    Let a message speak of this connection instead of naming it.

    :param conn_id: the id that it ran under.
    """
    text = text.replace(f"onnection {conn_id!r}", "onnection").replace("Connection:", "This connection:")
    return text.replace("This connection: The ", "This connection: the ")


def _quota(error: ChannelTokenQuotaError) -> str:
    when = f"until {clock_time(error.retry_at)}" if error.retry_at else "for now"
    return (
        f"The quota of token requests, which all tasks of the app share, is exhausted {when}, so nothing could be "
        "checked; tasks go on with the tokens that live, and this test can be repeated then."
    )


def _said(error: ChannelAuthenticationError | ChannelPermissionError) -> str:
    words = f": {error.service_message.removesuffix('.')}" if error.service_message else ""
    return f"HTTP {error.http_status}{words}"


def _cause(error: ChannelError) -> ChannelError:
    """Return what really happened, where the error only says that there is no token."""
    cause = error.__cause__
    return (
        _cause(cause) if isinstance(error, ChannelNotSentError) and isinstance(cause, ChannelError) else error
    )


def _remedy(error: ChannelError) -> str:
    """What to do, where the message does not say so."""
    if isinstance(error, ChannelRequestError):
        return "the service is in trouble, so test again later" if (error.http_status or 0) >= 500 else ""
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
