"""An immutable token. What travels between threads and tasks is always a whole one, never a field at a time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

__all__ = ["APP_SCOPE", "Token", "fingerprint_of", "scope_of"]

APP_SCOPE = "app"


def scope_of(channel_id: str | None) -> str:
    """
    Name the scope of a token: the app's own, or that of one channel.

    Source: seed "Authentication": without ``channelId`` an app token is issued, with it a channel token.

    :param channel_id: the channel, or None for the app token.
    """
    return APP_SCOPE if channel_id is None else f"channel:{channel_id}"


def fingerprint_of(access_token: str) -> str:
    """
    Name a token without revealing it: 16 hex digits of a hash over its 100 and more random bits.

    :param access_token: the token.
    """
    return hashlib.sha256(b"channel-token-fingerprint|" + access_token.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Token:
    """
    One access token and the refresh token that came with it.

    :param access_token: what travels in ``x-access-token``.
    :param refresh_token: buys the next pair; rotates, so the two are only ever stored together.
    :param issued_at: store clock, seconds; taken *before* the request was sent, so that life is never overrated.
    :param expires_at: store clock, seconds.
    :param scope: ``app`` or ``channel:<id>``.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    issued_at: float
    expires_at: float
    scope: str

    @property
    def fingerprint(self) -> str:
        """A name for this token that is safe to log and to compare."""
        return fingerprint_of(self.access_token)

    @property
    def life_seconds(self) -> float:
        """How long the service said that it lives (1,800 s as documented)."""
        return self.expires_at - self.issued_at
