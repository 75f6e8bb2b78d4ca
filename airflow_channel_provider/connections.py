"""The settings in a connection, validated once and frozen.

A field counts as unset if it holds what the connection form leaves in an empty field: nothing, null, an empty string, 0
or the mask ``***``. Every error names the connection, the field and the remedy, and never a value that could be secret.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_channel_provider.connection_form import BODY_ENCODINGS, DEVICES, TIMEOUT_MAX_SECONDS
from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.masking import SHORTEST

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection

DEFAULT_HOST = "app-store-api.channel.io"
DEFAULT_OPEN_API_HOST = "api.channel.io"
_MASK = "***"
# Nothing that a browser reads in another way: no user before the host, no backslash, space or control.
_PAGE = r"https?://[^\s/?#@\\\x00-\x20]+(?:[/?#][^\s\\\x00-\x20]*)?"


def is_whole(text: str) -> bool:
    """Return whether a text can be encoded: half of a surrogate pair, which JSON accepts, is no character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _without(values: Any, *secrets: str) -> str:
    """Return the repr of a named tuple without these fields of it."""
    shown = (f"{name}={value!r}" for name, value in values._asdict().items() if name not in secrets)
    return f"{type(values).__name__}({', '.join(shown)})"


class ChannelTalkSettings(NamedTuple):
    """
    A connection of the type ``channel_talk``.

    :param base_url: ``https://host[:port]``.
    :param app_id: App ID, where the connection has one.
    :param secret: App Secret; not part of the repr.
    :param channel_id: the default channel, where there is one.
    :param timeout_seconds: how long to wait for an answer, a tenth of what a call as a whole may take; None: the option
        of the section ``[channel_talk]``.
    :param desk_url: the channel in Channel Desk, where it is given; without a slash at its end.
    """

    conn_id: str
    base_url: str
    app_id: str | None
    secret: str
    channel_id: str | None = None
    timeout_seconds: float | None = None
    desk_url: str | None = None

    def __repr__(self) -> str:
        return _without(self, "secret")

    @classmethod
    def from_connection(cls, conn: Connection) -> ChannelTalkSettings:
        """
        Read a connection.

        :raises ChannelConfigurationError: where the secret is missing or a field is invalid.
        """
        fields = _Fields(conn)
        secret = fields.secret("password", conn.password)
        if secret is None:
            raise fields.error(
                "password", "has no App Secret", "issue one on the app's settings page and save it here"
            )
        return cls(
            conn_id=fields.conn_id,
            base_url=fields.base_url(default_host=DEFAULT_HOST),
            app_id=fields.text("login", conn.login),
            secret=secret,
            channel_id=fields.extra_text("channel_id"),
            timeout_seconds=fields.timeout_seconds(),
            desk_url=fields.desk_url(),
        )


class OpenApiSettings(NamedTuple):
    """
    A connection of the type ``channel_talk_open_api``: one channel.

    :param base_url: ``https://host[:port]``.
    :param access_key: not part of the repr, like the secret.
    :param access_secret: of the same pair.
    :param timeout_seconds: as for :class:`ChannelTalkSettings`.
    """

    conn_id: str
    base_url: str
    access_key: str
    access_secret: str
    timeout_seconds: float | None = None

    def __repr__(self) -> str:
        return _without(self, "access_key", "access_secret")

    @classmethod
    def from_connection(cls, conn: Connection) -> OpenApiSettings:
        """
        Read a connection.

        :raises ChannelConfigurationError: where a key is missing or a field is invalid.
        """
        fields = _Fields(conn)
        keys = {}
        for name, what in (("login", "access key"), ("password", "access secret")):
            keys[name] = fields.secret(name, getattr(conn, name))
            if keys[name] is None:
                raise fields.error(
                    name,
                    f"has no {what}",
                    "issue a pair of keys in the settings of Channel Desk and save it here",
                )
        return cls(
            conn_id=fields.conn_id,
            base_url=fields.base_url(default_host=DEFAULT_OPEN_API_HOST),
            access_key=keys["login"] or "",
            access_secret=keys["password"] or "",
            timeout_seconds=fields.timeout_seconds(),
        )


class WebhookSettings(NamedTuple):
    """
    What a connection to Channel Talk says of the webhooks that Airflow takes.

    :param token: which they carry; not part of the repr. None: none is taken.
    :param channel_id: the only channel whose webhooks are taken; None: whichever they name.
    """

    conn_id: str
    token: str | None
    channel_id: str | None = None

    def __repr__(self) -> str:
        return _without(self, "token")

    @classmethod
    def from_connection(cls, conn: Connection) -> WebhookSettings:
        """
        Read a connection of the type ``channel_talk`` or ``channel_talk_open_api``.

        :raises ChannelConfigurationError: it is of another type, or the token is too short.
        """
        fields = _Fields(conn)
        if conn.conn_type not in ("channel_talk", "channel_talk_open_api"):
            raise ChannelConfigurationError(
                f"Connection {fields.conn_id!r} has the type {conn.conn_type!r}; webhooks belong to Channel Talk."
            )
        return cls(fields.conn_id, fields.extra_secret("webhook_token"), fields.extra_text("channel_id"))


class EndpointSettings(NamedTuple):
    """
    What a connection to an app says of the calls that Channel Talk sends to it.

    :param signing_key: decoded; not part of the repr. None: no call is taken.
    :param app_id: App ID, where the connection has one.
    :param channel_id: the only channel whose calls are taken; None: whichever has the app.
    :param webhook_token: which the app's webhooks carry, where it has one; not part of the repr.
    """

    conn_id: str
    signing_key: bytes | None
    app_id: str | None = None
    channel_id: str | None = None
    webhook_token: str | None = None

    def __repr__(self) -> str:
        return _without(self, "signing_key", "webhook_token")

    @classmethod
    def from_connection(cls, conn: Connection) -> EndpointSettings:
        """
        Read a connection of the type ``channel_talk``.

        :raises ChannelConfigurationError: it is of another type, or its signing key is none.
        """
        fields = _Fields(conn)
        if conn.conn_type != "channel_talk":
            raise ChannelConfigurationError(
                f"Connection {fields.conn_id!r} has the type {conn.conn_type!r}; an app has the type channel_talk."
            )
        return cls(
            fields.conn_id,
            fields.signing_key(),
            fields.text("login", conn.login),
            fields.extra_text("channel_id"),
            fields.extra_secret("webhook_token"),
        )


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
        return _without(self, "client_secret", "user_password", "refresh_token")

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
        return _without(self, "access_token")

    @classmethod
    def from_connection(cls, conn: Connection) -> BenllySettings:
        """
        Read a connection.

        :raises ChannelConfigurationError: where a required field is missing or one is invalid.
        """
        fields = _Fields(conn)
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


def _benlly_login(fields: _Fields, access_token: str | None) -> BenllyLogin | None:
    """Read the one way to an access token; None where the connection has the token itself."""
    given = {name: value for name in _LOGIN_FIELDS if (value := fields.extra_login(name)) is not None}
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


def _check_login(fields: _Fields, given: Mapping[str, str]) -> None:
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


class _Fields:
    """The fields of a connection, None where unset, and errors that name the connection."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self.conn_id = conn.conn_id
        self._extra = self._read_extra()

    def _read_extra(self) -> Mapping[str, object]:
        # Airflow itself makes an empty extra of one that is no JSON, and every field of it would be silently unset.
        text = (self._conn.extra or "").strip()
        if text in ("", _MASK):
            return {}
        try:
            json.loads(text)
            extra = self._conn.extra_dejson
        except (ValueError, RecursionError):
            extra = None
        if not isinstance(extra, Mapping):
            raise self.error("extra", "is not a JSON object", 'write it as {"name": value, ...}')
        return extra

    def error(self, name: str, fault: str, remedy: str) -> ChannelConfigurationError:
        return ChannelConfigurationError(f"Connection {self.conn_id!r}: the field {name} {fault}; {remedy}.")

    def text(self, name: str, value: object) -> str | None:
        if value is None or value == 0:
            return None
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise self.error(name, "is not a text", "write it as a plain value")
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # an id that went through a number field
        text = str(value).strip()
        if not is_whole(text):
            raise self.error(
                name, "holds half of a surrogate pair, which is not a character", "type it again"
            )
        return None if text in ("", "0", _MASK) else text

    def secret(self, name: str, value: object) -> str | None:
        text = self.text(name, value)
        if text is not None and len(text) < SHORTEST:
            raise self.error(
                name,
                f"is shorter than {SHORTEST} characters, which Airflow would not mask in logs",
                "save the complete one, or choose a longer one",
            )
        return text

    def extra_text(self, name: str) -> str | None:
        return self.text(f"extra {name}", self._extra.get(name))

    def extra_secret(self, name: str) -> str | None:
        return self.secret(f"extra {name}", self._extra.get(name))

    def signing_key(self) -> bytes | None:
        from airflow_channel_provider.contract.signing import signing_key_of

        if self.extra_text("signing_key") is not None:
            raise self.error(
                "extra signing_key",
                "has a name by which Airflow would show it to readers",
                "save the signing key as signing_secret",
            )
        text = self.extra_text("signing_secret")
        try:
            return None if text is None else signing_key_of(text)
        except ValueError as error:
            raise self.error(
                "extra signing_secret", str(error), "copy the signing key from the app's settings page"
            ) from None

    def extra_login(self, name: str) -> str | None:
        return self.extra_secret(name) if name in _LOGIN_SECRETS else self.extra_text(name)

    def choice(self, name: str, choices: tuple[str, ...], *, default: str | None) -> str:
        value = self.extra_text(name)
        value = default if value is None else value.lower()
        if value is None or value not in choices:
            fault = "is missing" if value is None else "has an unknown value"
            raise self.error(f"extra {name}", fault, f"choose one of {', '.join(choices)}")
        return value

    def timeout_seconds(self) -> float | None:
        text = self.extra_text("timeout")
        if text is None:
            return None
        try:
            seconds = float(text)
        except ValueError:
            seconds = math.nan
        if not 0 < seconds <= TIMEOUT_MAX_SECONDS:
            raise self.error(
                "extra timeout",
                f"is not a number of seconds above 0 and up to {TIMEOUT_MAX_SECONDS}",
                "write 30, or leave it empty",
            )
        return seconds

    def desk_url(self) -> str | None:
        text = self.extra_text("desk_url")
        if text is None:
            return None
        # It is shown to whoever may see the task: no password may be in it, and nothing but a page behind it.
        if not re.fullmatch(_PAGE, text, re.IGNORECASE):
            raise self.error(
                "extra desk_url",
                "is not a web address",
                "write https://desk.channel.io/..., or leave it empty",
            )
        return text.rstrip("/")

    def base_url(self, *, default_host: str | None) -> str:
        from airflow_channel_provider.api.base_url import normalise_base_url

        host = self.text("host", self._conn.host) or default_host
        if host is None:
            raise self.error("host", "is missing", "enter the host of your Benlly platform")
        schema = self.text("schema", self._conn.schema)
        if schema is not None and schema.lower() not in ("http", "https"):
            raise self.error("schema", "is neither https nor http", "write https, or leave it empty")
        try:
            return normalise_base_url(
                host, schema=schema.lower() if schema else None, port=self._conn.port or None
            )
        except ChannelConfigurationError as error:
            raise ChannelConfigurationError(f"Connection {self.conn_id!r}: {error.message}") from None
