"""What the tokens need of a service: two requests, and what their answers hold. Who sends them is no matter here."""

from __future__ import annotations

from typing import Protocol

__all__ = ["TokenAnswer", "TokenExchange"]


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
        """Life from now on; more than a year of it is not believed."""


class TokenExchange(Protocol):
    """The two token requests. Each takes at most :attr:`.Quota.request_max_seconds`, and is sent at most once."""

    def issue(self, channel_id: str | None) -> TokenAnswer:
        """``issueToken``: the App Secret for a pair of tokens."""

    def refresh(self, refresh_token: str) -> TokenAnswer:
        """``refreshToken``: a refresh token for the next pair."""
