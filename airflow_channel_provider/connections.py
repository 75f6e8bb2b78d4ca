"""The settings in a connection, validated once and immutable: those of Channel Talk, and how any fields are read.

A field counts as unset if it holds what the connection form leaves in an empty field: nothing, null, an empty string, 0
or the mask ``***``. Every error names the connection, the field and the remedy, and never a value that could be secret.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_channel_provider.connection_form import TIMEOUT_MAX_SECONDS
from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError
from airflow_channel_provider.ids import is_whole, required_id
from airflow_channel_provider.masking import SHORTEST
from airflow_channel_provider.values import Values

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection

DEFAULT_HOST = "app-store-api.channel.io"
DEFAULT_OPEN_API_HOST = "api.channel.io"
_MASK = "***"
# Nothing that a browser reads in another way: no user before the host, no backslash, space or control.
_PAGE = r"https?://[^\s/?#@\\\x00-\x20]+(?:[/?#][^\s\\\x00-\x20]*)?"


class NoSuchConnectionError(ChannelError):
    """Airflow finds no such connection. It says the same of each connection during an outage, so this may pass."""


def find_connection(argument: str, conn_id: object, look_up: Callable[[str], Connection]) -> Connection:
    """
    Return a connection.

    :param argument: names its id in the message.
    :param look_up: finds it in Airflow.
    :raises ChannelConfigurationError: the id is empty.
    :raises NoSuchConnectionError: Airflow finds no such connection, or can't read it.
    """
    from airflow.providers.common.compat.sdk import AirflowNotFoundException

    name = required_id(argument, conn_id, "the id of a connection")
    try:
        return look_up(name)
    except AirflowNotFoundException as error:
        why = unreadable_variable(name) or (
            "Airflow finds no such connection; create it, or correct the argument. During an outage of its database or "
            "secrets backend it finds none"
        )
        raise NoSuchConnectionError(f"Connection {name!r} (argument {argument}): {why}.") from error


def unreadable_variable(conn_id: str) -> str:
    """
    Return what is wrong with the environment variable of a connection that Airflow does not find.

    :return: without a full stop, and without the value; empty where there is no such variable.
    """
    variable = f"AIRFLOW_CONN_{conn_id.upper()}"
    if not os.environ.get(variable):
        return ""
    return f"{variable} is set, but Airflow can't read it; check that it is valid JSON or a valid URI"


def without(values: Any, *secrets: str) -> str:
    """Return the repr of a named tuple without these fields of it."""
    shown = (f"{name}={value!r}" for name, value in values._asdict().items() if name not in secrets)
    return f"{type(values).__name__}({', '.join(shown)})"


class ChannelTalkSettings(Values):
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
        return without(self, "secret")

    @classmethod
    def from_connection(cls, conn: Connection) -> ChannelTalkSettings:
        """
        Read a connection.

        :raises ChannelConfigurationError: where the secret is missing or a field is invalid.
        """
        fields = Fields(conn, "channel_talk")
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


class OpenApiSettings(Values):
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
        return without(self, "access_key", "access_secret")

    @classmethod
    def from_connection(cls, conn: Connection) -> OpenApiSettings:
        """
        Read a connection.

        :raises ChannelConfigurationError: where a key is missing or a field is invalid.
        """
        fields = Fields(conn, "channel_talk_open_api")
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


class Fields:
    """
    The fields of a connection, None where unset, and errors that name the connection.

    :param conn_types: the types that it may have: the secrets of any other system are not sent to this one.
    :raises ChannelConfigurationError: it has another type, or its extra is no JSON object.
    """

    def __init__(self, conn: Connection, *conn_types: str) -> None:
        self._conn = conn
        self.conn_id = conn.conn_id
        if conn.conn_type not in conn_types:
            known = " or ".join(conn_types)
            # Airflow reads no type from a URI whose scheme has an underscore.
            in_uri = (
                "" if conn.conn_type else f", which a URI begins with {conn_types[0].replace('_', '-')}://"
            )
            raise ChannelConfigurationError(
                f"Connection {conn.conn_id!r} has the type {conn.conn_type or ''!r}; give the id of a connection of "
                f"the type {known}{in_uri}."
            )
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
        """Return the error about a field."""
        return ChannelConfigurationError(f"Connection {self.conn_id!r}: the field {name} {fault}; {remedy}.")

    def text(self, name: str, value: object) -> str | None:
        """Return a text, or a number as text."""
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
        """Return a secret; one that Airflow would not mask is an error."""
        text = self.text(name, value)
        if text is not None and len(text) < SHORTEST:
            raise self.error(
                name,
                f"is shorter than {SHORTEST} characters, which Airflow would not mask in logs",
                "save the complete one, or choose a longer one",
            )
        return text

    def extra_text(self, name: str) -> str | None:
        """Return a text of the extra."""
        return self.text(f"extra {name}", self._extra.get(name))

    def extra_secret(self, name: str) -> str | None:
        """Return a secret of the extra."""
        return self.secret(f"extra {name}", self._extra.get(name))

    def signing_key(self) -> bytes | None:
        """Return the signing key of an app, decoded."""
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

    def choice(self, name: str, choices: tuple[str, ...], *, default: str | None) -> str:
        """Return one of several words of the extra; no default: it must be there."""
        value = self.extra_text(name)
        value = default if value is None else value.lower()
        if value is None or value not in choices:
            fault = "is missing" if value is None else "has an unknown value"
            raise self.error(f"extra {name}", fault, f"choose one of {', '.join(choices)}")
        return value

    def timeout_seconds(self) -> float | None:
        """Return how long to wait for an answer, in seconds."""
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
        """Return the address of the channel in Channel Desk, without a slash at its end."""
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
        """Return the address of the service, ``https://host[:port]``; no default: the host must be there."""
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
