"""What is typed into the form of a connection, by section and label, and what a hook is to read from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_channel_provider.emulator import DEMO_APP_ID
from airflow_channel_provider.emulator.ready_connections import PHONE
from ui.person import EXTRA, STANDARD

if TYPE_CHECKING:
    from ui.deployment import UiAirflow

JSON = Any
SCHEME = "Scheme (https or http)"
UDID = PHONE["udid"]
CHANNEL_TALK, BENLLY = "Channel Talk", "Benlly"


@dataclass(frozen=True)
class Typed:
    """
    A connection that is typed into the form.

    :param conn_type: as the list of types calls it.
    :param secret_label: of the field that holds the secret.
    :param fields: what is typed, by section and label.
    :param settings: what a hook reads from it.
    """

    conn_id: str
    conn_type: str
    secret_label: str
    fields: dict[str, dict[str, str]]
    settings: dict[str, JSON]

    @property
    def is_full(self) -> bool:
        """Return whether every field is typed."""
        return "Description" in self.fields[STANDARD]


def typed_connections(airflow: UiAirflow) -> list[Typed]:
    """Return one of each type with every field, and one with those that have to be filled."""
    where = airflow.address()
    address = {"Host": str(where["host"]), "Port": str(where["port"]), SCHEME: str(where["schema"])}
    secret, token = airflow.canaries.app_secret, airflow.canaries.benlly_token
    app = {"App ID": DEMO_APP_ID, "App Secret": secret, **address}
    user = {"User access token": token, **address}
    read_app = {"base_url": airflow.emulator.url, "app_id": DEMO_APP_ID, "secret": secret}
    read_user = {"base_url": airflow.emulator.url, "access_token": token, "udid": UDID}
    return [
        Typed(
            "channel_talk_default",
            CHANNEL_TALK,
            "App Secret",
            {
                STANDARD: {"Description": "The app that writes to customers", **app},
                EXTRA: {
                    "Default channel ID": "ch-1",
                    "Desk address": "https://desk.channel.io/acme",
                    "Timeout (seconds)": "20",
                },
            },
            {
                **read_app,
                "channel_id": "ch-1",
                "desk_url": "https://desk.channel.io/acme",
                "timeout_seconds": 20,
            },
        ),
        Typed(
            "benlly_default",
            BENLLY,
            "User access token",
            {
                STANDARD: {"Description": "The tablet at the front door", **user},
                EXTRA: {
                    "Device": "android",
                    "Device UDID": UDID,
                    "Body encoding": "json",
                    "Timeout (seconds)": "20",
                },
            },
            {**read_user, "device": "android", "body_encoding": "json", "timeout_seconds": 20},
        ),
        Typed(
            "few_channel_talk",
            CHANNEL_TALK,
            "App Secret",
            {STANDARD: app},
            {**read_app, "channel_id": None, "desk_url": None, "timeout_seconds": None},
        ),
        Typed(
            "few_benlly",
            BENLLY,
            "User access token",
            {STANDARD: user, EXTRA: {"Device": "web", "Device UDID": UDID}},
            {**read_user, "device": "web", "body_encoding": "form", "timeout_seconds": None},
        ),
    ]
