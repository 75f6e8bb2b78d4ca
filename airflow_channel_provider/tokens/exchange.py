"""
A service's two token requests, as the token manager sees them, and what happens around them.

Who only finds a token needs none of this, so it is imported where a token is requested.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from airflow_channel_provider.values import Values


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
