"""What a connection says of what Channel Talk sends to Airflow: webhooks and calls of an app's functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from airflow_channel_provider.connections import Fields, without

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection


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
        return without(self, "token")

    @classmethod
    def from_connection(cls, conn: Connection) -> WebhookSettings:
        """
        Read a connection of the type ``channel_talk`` or ``channel_talk_open_api``.

        :raises ChannelConfigurationError: it is of another type, or the token is too short.
        """
        fields = Fields(conn, "channel_talk", "channel_talk_open_api")
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
        return without(self, "signing_key", "webhook_token")

    @classmethod
    def from_connection(cls, conn: Connection) -> EndpointSettings:
        """
        Read a connection of the type ``channel_talk``.

        :raises ChannelConfigurationError: it is of another type, or its signing key is none.
        """
        fields = Fields(conn, "channel_talk")
        return cls(
            fields.conn_id,
            fields.signing_key(),
            fields.text("login", conn.login),
            fields.extra_text("channel_id"),
            fields.extra_secret("webhook_token"),
        )
