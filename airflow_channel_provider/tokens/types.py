"""
The values that the parts of the package exchange: a token, and a service's properties.
"""

from __future__ import annotations

import hashlib

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
    :param refused: what it means when it refuses the credentials, and what to do.
    :param forbidden: what it means when it knows the credentials and gives no token.
    """

    service: str
    own_scope: str
    issue: str
    refresh: str
    refresh_outlives: bool
    credentials: str
    advice: str
    refused: str
    forbidden: str


CHANNEL_TALK = ServiceProfile(
    service="Channel Talk",
    own_scope=APP_SCOPE,
    issue="issueToken",
    refresh="refreshToken",
    refresh_outlives=False,
    credentials="App Secret",
    advice="check that the app is installed and that its App Secret was not reissued",
    refused="the App Secret was refused, or the app is not installed on the channel: check both",
    forbidden="the app is not installed on the channel, or may not act there: install it",
)

BENLLY = ServiceProfile(
    service="Benlly",
    own_scope="user",
    issue="login",
    refresh="refresh_token",
    refresh_outlives=True,
    credentials="login",
    advice="check that the user may still use the service, and that host and client of the connection belong together",
    refused="the login was refused: check login, password and client of the connection",
    forbidden="the user may get no token with this client: check that both may use the service",
)


def service_named(name: str) -> ServiceProfile:
    """Return the service of a name, as records keep it."""
    return BENLLY if name == BENLLY.service else CHANNEL_TALK
