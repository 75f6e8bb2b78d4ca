"""Connects Benlly's token endpoint and the token manager: the credentials of a user, and the name of the user's record.

A user of a client has the role of an app of Channel Talk: all tasks that log in as the same user share a pair, and two
users never do. The name is derived with the client secret, so it does not reveal the user; the key of the pair
is derived from all credentials of the connection, so that another password or refresh token is tried at once.

Passwords can be guessed: with the store and the client secret somebody could try likely ones against the derived
values. Therefore every value from a password is derived through a slow function, once per process.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_channel_provider.api.benlly_oauth import BenllyOAuthClient
    from airflow_channel_provider.api.token_answer import TokenAnswer
    from airflow_channel_provider.benlly_connection import BenllyLogin

SCRYPT = {"n": 2**14, "r": 8, "p": 1, "maxmem": 2**25}
"""Cost of one guess at a password: 16 MiB, and 50 to 100 ms of one core. A change loses the stored tokens."""

_STALE = (
    "The refresh token of the connection is of no use: it has ended, or it was exchanged for one that the token store "
    "does not have. Let the user log in once more and save the new one in the field extra refresh_token; with username "
    "and user_password instead, the provider logs in by itself."
)
_NEXT = "The credentials of the connection are tried next."


class LoginExchange:
    """Sends the token requests of a user: with the credentials of the connection first, then with refresh tokens."""

    def __init__(self, client: BenllyOAuthClient, login: BenllyLogin) -> None:
        self._client = client
        self._login = login

    def issue(self, channel_id: str | None) -> TokenAnswer:
        """Send the credentials of the connection. A user's tokens belong to no channel."""
        login = self._login
        if login.refresh_token is not None:
            return self._client.refresh(login.refresh_token, remedy=_STALE)
        return self._client.log_in(login.username or "", login.user_password or "")

    def refresh(self, refresh_token: str) -> TokenAnswer:
        """Send the refresh token of the stored pair; the credentials if the service gave none."""
        return self._client.refresh(refresh_token, remedy=_NEXT) if refresh_token else self.issue(None)


def name_of(login: BenllyLogin) -> str:
    """Name the user of a client without revealing who it is."""
    user = login.username or login.refresh_token or ""
    mark = hmac.new(_bytes(login.client_secret), _bytes(user), hashlib.sha256).hexdigest()
    return f"{login.client_id}/{mark[:16]}"


def secret_of(login: BenllyLogin) -> str:
    """
    Join all secrets of a login: the key of its pair, the name of its blob and the mark of its refusals are derived from
    them. Takes :data:`SCRYPT` of work at the first login with a password, and none without one.
    """
    password = login.user_password
    slow = (
        None if password is None else _slowed(login.client_id, login.client_secret, login.username, password)
    )
    return json.dumps([login.client_secret, slow, login.refresh_token])


@lru_cache(maxsize=32)
def _slowed(client_id: str, client_secret: str, username: str | None, password: str) -> str:
    """Return what replaces a password; salted with the user, so that one guess does not serve for two of them."""
    whose = json.dumps(["airflow-channel-provider/login/1", client_id, client_secret, username])
    salt = hashlib.sha256(whose.encode()).digest()
    return hashlib.scrypt(_bytes(password), salt=salt, dklen=32, **SCRYPT).hex()


def _bytes(text: str) -> bytes:
    """Encode any text, also half of a surrogate pair, which the JSON of a connection can have."""
    return text.encode(errors="surrogatepass")
