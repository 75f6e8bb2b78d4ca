"""Access tokens with a life, refresh tokens that rotate: each refresh token is good for one exchange.

A token looks like a JWT but is looked up, never decoded. Revoked, expired and unknown ones are distinguished, since the
service answers them with different texts.
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_channel_provider.emulator.jsontypes import dump

if TYPE_CHECKING:
    from airflow_channel_provider.emulator.jsontypes import JSONObject

_TOKENS_KEPT = 50_000


class TokenRefusedError(Exception):
    """
    The access token is not accepted.

    :param reason: the text that the service gives for it.
    :param token: what is known of the token, if anything.
    """

    def __init__(self, reason: str, token: AccessToken | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.token = token


@dataclass(slots=True)
class AccessToken:
    """What an access token stands for."""

    app_id: str
    channel_id: str | None
    expires_at: float
    fingerprint: str
    scope: str
    revoked: bool = False


@dataclass(slots=True)
class RefreshToken:
    """What a refresh token stands for; ``spent`` once it was exchanged."""

    app_id: str
    channel_id: str | None
    expires_at: float
    spent: bool = False


def fingerprint(token: str) -> str:
    """
    Short name of a token; says nothing about it.

    :param token: the token.
    :return: 12 hex digits.
    """
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()[:12]


def scope_of(channel_id: str | None) -> str:
    """``app`` or ``channel:<id>``."""
    return f"channel:{channel_id}" if channel_id else "app"


def new_secret() -> str:
    """An App Secret in the form of the service: URL-safe base64 of 16 random bytes, 24 characters."""
    return urlsafe_b64encode(secrets.token_bytes(16)).decode()


def _base64(value: JSONObject) -> str:
    return urlsafe_b64encode(dump(value)).rstrip(b"=").decode()


_HEADER = _base64({"alg": "HS256", "typ": "JWT"})


@dataclass(slots=True)
class TokenBook:
    """
    Every token that was minted and is remembered.

    :param life_seconds: life of an access token.
    :param refresh_life_seconds: life of a refresh token.
    :param prefix: every token starts with it.
    """

    life_seconds: float = 1800
    refresh_life_seconds: float = 7 * 86400
    prefix: str = ""
    _access: OrderedDict[str, AccessToken] = field(default_factory=OrderedDict)
    _refresh: OrderedDict[str, RefreshToken] = field(default_factory=OrderedDict)

    def mint(self, app_id: str, channel_id: str | None, now: float) -> JSONObject:
        """
        Make a pair of tokens.

        :param app_id: whose.
        :param channel_id: the channel it may act in; None for an app token.
        :param now: epoch seconds.
        :return: the service's answer: accessToken, refreshToken, expiresIn.
        """
        access, refresh = self._write(app_id, channel_id, now), f"{self.prefix}{secrets.token_urlsafe(48)}"
        self._access[access] = AccessToken(
            app_id, channel_id, now + self.life_seconds, fingerprint(access), scope_of(channel_id)
        )
        self._refresh[refresh] = RefreshToken(app_id, channel_id, now + self.refresh_life_seconds)
        for book in (self._access, self._refresh):
            if len(book) > _TOKENS_KEPT:
                book.popitem(last=False)
        life = self.life_seconds
        return {
            "accessToken": access,
            "refreshToken": refresh,
            "expiresIn": int(life) if float(life).is_integer() else life,
        }

    def _write(self, app_id: str, channel_id: str | None, now: float) -> str:
        scope = f"channel-{channel_id}" if channel_id else f"app-{app_id}"
        claims = {"scope": [scope], "identity": app_id, "iat": int(now), "exp": int(now + self.life_seconds)}
        claims["jti"] = secrets.token_hex(8)
        return f"{self.prefix}{_HEADER}.{_base64(claims)}.{secrets.token_urlsafe(32)}"

    def check(self, token: str, now: float) -> AccessToken:
        """
        Look a token up.

        :param token: what the caller sent.
        :param now: epoch seconds.
        :raises TokenRefusedError: unknown, revoked or expired.
        """
        known = self._access.get(token)
        if known is None:
            broken = token.count(".") != 2
            raise TokenRefusedError(
                "token contains an invalid number of segments" if broken else "signature is invalid"
            )
        if known.revoked:
            raise TokenRefusedError("signature is invalid", known)
        if now >= known.expires_at:
            raise TokenRefusedError(f"token is expired by {_go_duration(now - known.expires_at)}", known)
        return known

    def find_refresh(self, token: str) -> RefreshToken | None:
        """What a refresh token stands for, be it spent or not; None if it was never minted."""
        return self._refresh.get(token)

    def revoke(self, scope: str | None = None, *, refresh_tokens: bool = False) -> int:
        """
        Make the service refuse tokens that are still alive.

        :param scope: ``app`` or ``channel:<id>``; None for all.
        :param refresh_tokens: take the refresh tokens too.
        :return: how many access tokens it hit.
        """
        hit = 0
        for access in self._access.values():
            if scope in (None, access.scope) and not access.revoked:
                access.revoked = True
                hit += 1
        if refresh_tokens:
            for refresh in self._refresh.values():
                if scope in (None, scope_of(refresh.channel_id)):
                    refresh.spent = True
        return hit


def _go_duration(seconds: float) -> str:
    """As the service's language writes a duration: ``1h2m3s``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{rest}s"
