"""The settings in a connection of the type ``benlly``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from airflow_channel_provider.connection_form import BODY_ENCODINGS, DEVICES
from airflow_channel_provider.connections import Fields, without

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection


class BenllyLogin(NamedTuple):
    """
    What a user's access token is fetched with: a client, and either a refresh token or a user's name and password.

    :param client_id: of the client that the developer registered.
    :param client_secret: not part of the repr, like the other secrets.
    :param refresh_token: None where there are name and password.
    """

    client_id: str
    client_secret: str
    username: str | None = None
    user_password: str | None = None
    refresh_token: str | None = None

    def __repr__(self) -> str:
        return without(self, "client_secret", "user_password", "refresh_token")

    @property
    def secrets(self) -> tuple[str, ...]:
        """Everything that must be masked."""
        return tuple(
            secret for secret in (self.client_secret, self.user_password, self.refresh_token) if secret
        )


class BenllySettings(NamedTuple):
    """
    A connection of the type ``benlly``. Either ``access_token`` or ``login`` is set.

    :param base_url: ``https://host[:port]``.
    :param access_token: the user's access token, where the connection has one; not part of the repr.
    :param device: one of :data:`~airflow_channel_provider.connection_form.DEVICES`.
    :param udid: the device's unique id, stable per device.
    :param body_encoding: ``form`` or ``json``.
    :param timeout_seconds: as for :class:`ChannelTalkSettings`.
    :param login: what access tokens are fetched with.
    """

    conn_id: str
    base_url: str
    access_token: str | None
    device: str
    udid: str
    body_encoding: str = "form"
    timeout_seconds: float | None = None
    login: BenllyLogin | None = None

    def __repr__(self) -> str:
        return without(self, "access_token")

    @classmethod
    def from_connection(cls, conn: Connection) -> BenllySettings:
        """
        Read a connection.

        :raises ChannelConfigurationError: where a required field is missing or one is invalid.
        """
        fields = Fields(conn, "benlly")
        access_token = fields.secret("password", conn.password)
        login = _benlly_login(fields, access_token)
        udid = fields.extra_text("udid")
        if udid is None:
            raise fields.error(
                "extra udid", "is missing", "choose a unique id for the device once and keep it"
            )
        return cls(
            conn_id=fields.conn_id,
            base_url=fields.base_url(default_host=None),
            access_token=access_token,
            device=fields.choice("device", DEVICES, default=None),
            udid=udid,
            body_encoding=fields.choice("body_encoding", BODY_ENCODINGS, default="form"),
            timeout_seconds=fields.timeout_seconds(),
            login=login,
        )


_LOGIN_FIELDS = ("client_id", "client_secret", "username", "user_password", "refresh_token")
_LOGIN_SECRETS = ("client_secret", "user_password", "refresh_token")
_WAYS = "client_id, client_secret and either refresh_token, or username and user_password"


def _extra(fields: Fields, name: str) -> str | None:
    return fields.extra_secret(name) if name in _LOGIN_SECRETS else fields.extra_text(name)


def _benlly_login(fields: Fields, access_token: str | None) -> BenllyLogin | None:
    """Read the one way to an access token; None where the connection has the token itself."""
    given = {name: value for name in _LOGIN_FIELDS if (value := _extra(fields, name)) is not None}
    if access_token is not None and given:
        raise fields.error(
            "password",
            f"holds an access token though the extra has {', '.join(given)}",
            "clear one of the two, since only one is used; to test another host or port, save the connection first",
        )
    if access_token is None and not given:
        raise fields.error(
            "password",
            "has no access token",
            f"save the user's access token here, or fill in {_WAYS} in the extra",
        )
    if not given:
        return None
    _check_login(fields, given)
    return BenllyLogin(**given)


def _check_login(fields: Fields, given: Mapping[str, str]) -> None:
    by_name = "username" in given or "user_password" in given
    if by_name and "refresh_token" in given:
        raise fields.error(
            "extra refresh_token",
            "is given beside username or user_password",
            "clear one of the two; either is enough",
        )
    if not by_name and "refresh_token" not in given:
        raise fields.error(
            "extra refresh_token", "is missing", "fill it in, or username and user_password instead"
        )
    wanted = ("client_id", "client_secret", *(("username", "user_password") if by_name else ()))
    for name in wanted:
        if name not in given:
            raise fields.error(f"extra {name}", "is missing", f"fill it in; a token is fetched with {_WAYS}")
