"""Between Benlly's token endpoint and the token manager: what a user's tokens are bought with, and under which name.

One user of one client is what an app is for Channel Talk: all tasks that log in as the same user share a pair, and two
users never do. The name is derived from the client secret, so that it tells nobody who the user is; the key of the pair
is derived from all that the connection knows, so that another password or refresh token is tried at once.

People choose passwords, so whoever reads the store and knows the client secret could try likely ones against whatever
is derived from it. Therefore nothing is derived from a password but through a slow function, once per process.
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
    from airflow_channel_provider.connections import BenllyLogin

__all__ = ["LoginExchange", "name_of", "secret_of"]

SCRYPT = {"n": 2**14, "r": 8, "p": 1, "maxmem": 2**25}
"""Work of one guess at a password: 16 MiB, and 50 to 100 ms of one core. Another one would lose the stored tokens."""

_STALE = (
    "The refresh token of the connection is of no use: it has ended, or it was exchanged before, for one that the "
    "token store does not have. Let the user log in once more and save the new one in the field extra refresh_token; "
    "with username and user_password instead, no one has to."
)
_NEXT = "The credentials of the connection are tried next."


class LoginExchange:
    """Lets the token manager buy a user's tokens: with what the connection has, and later with what came of that."""

    def __init__(self, client: BenllyOAuthClient, login: BenllyLogin) -> None:
        self._client = client
        self._login = login

    def issue(self, channel_id: str | None) -> TokenAnswer:
        """Show the credentials of the connection. A user's tokens belong to no channel."""
        login = self._login
        if login.refresh_token is not None:
            return self._client.refresh(login.refresh_token, remedy=_STALE)
        return self._client.log_in(login.username or "", login.user_password or "")

    def refresh(self, refresh_token: str) -> TokenAnswer:
        """Show the refresh token of the stored pair; the credentials where the service gave none."""
        return self._client.refresh(refresh_token, remedy=_NEXT) if refresh_token else self.issue(None)


def name_of(login: BenllyLogin) -> str:
    """Name the user of a client, without telling who it is."""
    user = login.username or login.refresh_token or ""
    mark = hmac.new(_bytes(login.client_secret), _bytes(user), hashlib.sha256).hexdigest()
    return f"{login.client_id}/{mark[:16]}"


def secret_of(login: BenllyLogin) -> str:
    """
    Put together all that is secret about a login: the key of its pair, the name of its blob and the mark of its
    refusals are derived from it. Takes :data:`SCRYPT` of work at the first login with a password, and none without one.
    """
    password = login.user_password
    slow = (
        None if password is None else _slowed(login.client_id, login.client_secret, login.username, password)
    )
    return json.dumps([login.client_secret, slow, login.refresh_token])


@lru_cache(maxsize=32)
def _slowed(client_id: str, client_secret: str, username: str | None, password: str) -> str:
    """Return what stands for a password from here on; salted with the user, so that no guess serves for two of them."""
    whose = json.dumps(["airflow-channel-provider/login/1", client_id, client_secret, username])
    salt = hashlib.sha256(whose.encode()).digest()
    return hashlib.scrypt(_bytes(password), salt=salt, dklen=32, **SCRYPT).hex()


def _bytes(text: str) -> bytes:
    """Encode any text; half of a surrogate pair too, which JSON lets into a connection."""
    return text.encode(errors="surrogatepass")
