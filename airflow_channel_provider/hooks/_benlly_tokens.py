"""Between Benlly's token endpoint and the token manager: what a user's tokens are bought with, and under which name.

One user of one client is what an app is for Channel Talk: all tasks that log in as the same user share a pair, and two
users never do. The name is derived from the client secret, so that it tells nobody who the user is; the key of the pair
is derived from all that the connection knows, so that another password or refresh token is tried at once.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_channel_provider.api.benlly_oauth import BenllyOAuthClient
    from airflow_channel_provider.api.token_answer import TokenAnswer
    from airflow_channel_provider.connections import BenllyLogin

__all__ = ["LoginExchange", "name_of", "secret_of"]

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
    mark = hmac.new(login.client_secret.encode(), user.encode(), hashlib.sha256).hexdigest()
    return f"{login.client_id}/{mark[:16]}"


def secret_of(login: BenllyLogin) -> str:
    """Put together all that is secret about a login; what the pair is sealed with is derived from it."""
    return json.dumps([login.client_secret, login.user_password, login.refresh_token])
