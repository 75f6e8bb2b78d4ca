"""Benlly's users and their tokens: register, log in, refresh. Each refresh token is good for one exchange.

As with the framework that its traces point to, an exchange ends the pair that it replaces, access token included.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_channel_provider.emulator.tokens import fingerprint

if TYPE_CHECKING:
    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject
    from airflow_channel_provider.emulator.request_record import RequestRecord

TOKEN_LIFE_SECONDS = 31_536_000


class BenllyRefusedError(Exception):
    """
    Benlly refuses a request.

    :param status: HTTP status.
    :param message: for people.
    :param more: further fields of the body.
    """

    def __init__(self, status: int, message: str, **more: JSON) -> None:
        super().__init__(message)
        self.status, self.message, self.more = status, message, more


def oauth_error(status: int, error: str, message: str) -> BenllyRefusedError:
    """A refusal in the form of OAuth."""
    return BenllyRefusedError(status, message, error=error, error_description=message)


@dataclass(frozen=True, slots=True)
class _Access:
    """Whose token it is, and when it ends (epoch seconds; None: never)."""

    user: str
    ends_at: float | None


@dataclass(frozen=True, slots=True)
class _Refresh:
    """What a refresh token is good for, and the access token that came with it."""

    client: str
    name: str
    access_token: str
    ends_at: float | None


class UserTokens:
    """Clients, users and tokens of one Benlly."""

    def __init__(self) -> None:
        self._access: dict[str, _Access] = {}
        self._refresh: dict[str, _Refresh] = {}
        self._users: dict[tuple[str, str], str] = {}

    def apply(self, settings: JSONObject) -> None:
        """
        Take clients, users and lives from the settings; present tokens and users stay.

        :param settings: ``access_tokens`` (lasting ones, each of a user of its own), ``clients`` (``id``, ``secret``;
            none: any), ``users`` (``client_id``, ``username``, ``password``), ``token_life_seconds``,
            ``refresh_token_life_seconds`` (none: no end) and ``token_prefix`` (every new token starts with it).
        """
        clients = settings.get("clients")
        self._clients = None if clients is None else {str(c["id"]): str(c["secret"]) for c in clients}
        for user in settings.get("users", []):
            self._users[(str(user["client_id"]), str(user["username"]))] = fingerprint(str(user["password"]))
        for token in settings.get("access_tokens", []):
            self._access[token] = _Access(fingerprint(token), None)
        self._life_seconds = float(settings.get("token_life_seconds", TOKEN_LIFE_SECONDS))
        self._refresh_life_seconds: float | None = settings.get("refresh_token_life_seconds")
        self._prefix = str(settings.get("token_prefix", ""))

    def user_of(self, token: str, now: float) -> str | None:
        """Return the user of a token; None if it is unknown, expired or revoked."""
        known = self._access.get(token)
        alive = known is not None and (known.ends_at is None or now < known.ends_at)
        return known.user if known is not None and alive else None

    def revoke(self, *, refresh_tokens: bool = False) -> int:
        """
        End the access tokens that were given out by the token endpoint.

        :param refresh_tokens: end the refresh tokens too.
        :return: how many access tokens it hit.
        """
        given_out = [token for token, known in self._access.items() if known.ends_at is not None]
        for token in given_out:
            del self._access[token]
        if refresh_tokens:
            self._refresh.clear()
        return len(given_out)

    def answer(self, record: RequestRecord) -> JSONObject:
        """
        Carry out one request to the token endpoint.

        :raises BenllyRefusedError: refused.
        """
        params = {key: str(value) for key, value in record.params.items() if value is not None}
        client, grant = self._client(params), params.get("grant_type")
        if grant == "refresh_token":
            return self._exchange(record, params, client)
        if grant not in ("register", "password"):
            raise oauth_error(400, "unsupported_grant_type", "The authorization grant type is not supported.")
        name, password = params.get("username", ""), params.get("password", "")
        if not name or not password:
            raise oauth_error(400, "invalid_request", "The request is missing username or password.")
        known = self._users.get((client, name))
        if (grant == "register") == (known is not None) or (
            known is not None and known != fingerprint(password)
        ):
            raise oauth_error(401, "invalid_credentials", "The user credentials were incorrect.")
        self._users[(client, name)] = fingerprint(password)
        return self._mint(record, client, name)

    def _client(self, params: dict[str, str]) -> str:
        client, secret = params.get("client_id", ""), params.get("client_secret")
        known = bool(client and secret) if self._clients is None else self._clients.get(client) == secret
        if not known:
            raise oauth_error(401, "invalid_client", "Client authentication failed")
        return client

    def _exchange(self, record: RequestRecord, params: dict[str, str], client: str) -> JSONObject:
        pair = self._refresh.get(params.get("refresh_token", ""))
        ended = pair is not None and pair.ends_at is not None and record.at >= pair.ends_at
        if pair is None or pair.client != client or ended:
            raise oauth_error(401, "invalid_request", "The refresh token is invalid.")
        del self._refresh[params["refresh_token"]]
        self._access.pop(pair.access_token, None)
        return self._mint(record, client, pair.name)

    def _mint(self, record: RequestRecord, client: str, name: str) -> JSONObject:
        access = f"{self._prefix}benlly.{secrets.token_urlsafe(24)}.{secrets.token_urlsafe(32)}"
        refresh = f"{self._prefix}{secrets.token_urlsafe(48)}"
        life, refresh_life = self._life_seconds, self._refresh_life_seconds
        self._access[access] = _Access(f"{client}/{name}", record.at + life)
        ends_at = None if refresh_life is None else record.at + refresh_life
        self._refresh[refresh] = _Refresh(client, name, access, ends_at)
        record.fingerprint = fingerprint(access)
        lasts = {"token_type": "Bearer", "expires_in": int(life) if life.is_integer() else life}
        return {**lasts, "access_token": access, "refresh_token": refresh}
