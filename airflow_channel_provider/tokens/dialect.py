"""
What differs from service to service about its tokens, declared once. Everything else is the same for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from airflow_channel_provider.tokens.token import APP_SCOPE

__all__ = ["BENLLY", "CHANNEL_TALK", "Dialect"]


@dataclass(frozen=True, slots=True)
class Dialect:
    """
    How one service speaks of its tokens.

    :param service: its name; for people.
    :param own_scope: scope of the token that belongs to no channel.
    :param issue: what it calls the request that shows the credentials.
    :param refresh: what it calls the request that shows a refresh token.
    :param refresh_outlives: whether a refresh token is worth showing when its access token has ended or is refused.
    :param credentials: what another one of is tried at once after a refusal.
    :param advice: what to check where it refuses each token that it gave.
    """

    service: str
    own_scope: str
    issue: str
    refresh: str
    refresh_outlives: bool
    credentials: str
    advice: str

    @property
    def kept_lives(self) -> int:
        """How many lives of its access token a pair is kept."""
        return 2 if self.refresh_outlives else 1


CHANNEL_TALK = Dialect(
    service="Channel Talk",
    own_scope=APP_SCOPE,
    issue="issueToken",
    refresh="refreshToken",
    refresh_outlives=False,
    credentials="App Secret",
    advice="check that the app is installed and that its App Secret was not reissued",
)

BENLLY = Dialect(
    service="Benlly",
    own_scope="user",
    issue="login",
    refresh="refresh_token",
    refresh_outlives=True,
    credentials="login",
    advice="check that the user may still use the service, and that host and client of the connection belong together",
)
