"""
The values that the parts of the package exchange: a token, a service's properties, its two requests, and events.
"""

from __future__ import annotations

import hashlib
from enum import Enum
from typing import Protocol

from airflow_channel_provider.values import Values

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


class Token(Values):
    """
    One access token and the refresh token that came with it.

    Threads and tasks pass whole tokens to each other, never one field of them.

    :param access_token: the value of the header ``x-access-token``.
    :param refresh_token: is exchanged for the next pair, and rotates, so the two are only ever stored together.
    :param issued_at: store clock, seconds; taken *before* the request was sent, so that the life is not overestimated.
    :param expires_at: store clock, seconds.
    :param scope: ``app`` or ``channel:<id>``.
    """

    access_token: str
    refresh_token: str
    issued_at: float
    expires_at: float
    scope: str

    def __repr__(self) -> str:
        return f"Token(issued_at={self.issued_at}, expires_at={self.expires_at}, scope={self.scope!r})"

    @property
    def fingerprint(self) -> str:
        """A name for this token that is safe to log and to compare."""
        return fingerprint_of(self.access_token)

    @property
    def life_seconds(self) -> float:
        """The whole life of the token, by the answer of the service (1,800 s as documented)."""
        return self.expires_at - self.issued_at


class ServiceProfile(Values):
    """
    The differences between the services in their tokens. Everything else is the same for all of them.

    :param service: its name, for messages.
    :param own_scope: scope of the token that belongs to no channel.
    :param issue: its name for the request that sends the credentials.
    :param refresh: its name for the request that sends a refresh token.
    :param refresh_outlives: whether a refresh token stays valid when its access token has expired or is refused.
    :param credentials: its name for the credentials; others are tried at once after a refusal.
    :param advice: what to check if it refuses every token that it issued.
    """

    service: str
    own_scope: str
    issue: str
    refresh: str
    refresh_outlives: bool
    credentials: str
    advice: str


CHANNEL_TALK = ServiceProfile(
    service="Channel Talk",
    own_scope=APP_SCOPE,
    issue="issueToken",
    refresh="refreshToken",
    refresh_outlives=False,
    credentials="App Secret",
    advice="check that the app is installed and that its App Secret was not reissued",
)

BENLLY = ServiceProfile(
    service="Benlly",
    own_scope="user",
    issue="login",
    refresh="refresh_token",
    refresh_outlives=True,
    credentials="login",
    advice="check that the user may still use the service, and that host and client of the connection belong together",
)


class TokenAnswer(Protocol):
    """A validated answer: a refresh token, a finite positive life, an access token unless the service left it out."""

    @property
    def access_token(self) -> str:
        """The access token, or an empty string."""

    @property
    def refresh_token(self) -> str:
        """The refresh token."""

    @property
    def expires_in_seconds(self) -> float:
        """Life from now on; more than a year counts as a year."""


class TokenExchange(Protocol):
    """The two token requests. Each takes at most :attr:`.Quota.request_max_seconds`, and is sent at most once."""

    def issue(self, channel_id: str | None) -> TokenAnswer:
        """``issueToken``: exchange the App Secret for a pair of tokens."""

    def refresh(self, refresh_token: str) -> TokenAnswer:
        """``refreshToken``: exchange a refresh token for the next pair."""


class TokenEventKind(Enum):
    """The kind of an event."""

    ISSUED = "issued"
    REFRESHED = "refreshed"
    REFUSED = "refused"
    WAITED = "waited"


class TokenEvent(Values):
    """
    One thing that happened while a token was obtained, for metrics. Holds no token and nothing derived from one.

    :param scope: ``app`` or ``channel:<id>``.
    :param reason: of a refusal: the class of its error.
    :param seconds: how long this task waited for another one to renew the token.
    """

    kind: TokenEventKind
    scope: str
    reason: str = ""
    seconds: float = 0.0
