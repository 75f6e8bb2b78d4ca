"""The connections that the example DAGs name in their descriptions, pointed at the emulator."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow_channel_provider.emulator import DEMO_APP_ID
from airflow_channel_provider.emulator.open_api import access_key_of, access_secret_of
from airflow_channel_provider.emulator.ready_connections import PHONE, TABLET
from tools.demo.canaries import BENLLY_CLIENT_ID, BENLLY_USER

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_channel_provider.emulator.jsontypes import JSONObject
    from tools.demo.canaries import Canaries

DEFAULT_CHANNEL = "ch-1"
INBOUND_CONNECTION = "channel_talk_default"


def connections(emulator_url: str, canaries: Canaries) -> list[JSONObject]:
    """
    Return them in the form of the REST API.

    :param emulator_url: of the emulator, which is both services.
    """
    url = urlsplit(emulator_url)
    address: JSONObject = {"host": url.hostname, "port": url.port, "schema": url.scheme}
    channel_talk: JSONObject = {
        "connection_id": INBOUND_CONNECTION,
        "conn_type": "channel_talk",
        "login": DEMO_APP_ID,
        "password": canaries.app_secret,
        "extra": json.dumps({"channel_id": DEFAULT_CHANNEL, **_inbound(canaries)}),
        **address,
    }
    phone: JSONObject = {
        "connection_id": "benlly_default",
        "conn_type": "benlly",
        "password": canaries.benlly_token,
        "extra": json.dumps(PHONE),
        **address,
    }
    tablet: JSONObject = {
        "connection_id": "benlly_tablet",
        "conn_type": "benlly",
        "extra": json.dumps({**TABLET, **_login(canaries)}),
        **address,
    }
    push_service: JSONObject = {
        "connection_id": "push_service",
        "conn_type": "generic",
        "password": canaries.push_token,
    }
    open_api: JSONObject = {
        "connection_id": "channel_talk_open_api_default",
        "conn_type": "channel_talk_open_api",
        "login": access_key_of(DEFAULT_CHANNEL),
        "password": access_secret_of(DEFAULT_CHANNEL),
        **address,
    }
    return [channel_talk, phone, tablet, push_service, open_api]


def _inbound(canaries: Canaries) -> JSONObject:
    """Return the keys that prove requests of the App Store."""
    return {"signing_secret": canaries.signing_key, "webhook_token": canaries.webhook_token}


def _login(canaries: Canaries) -> JSONObject:
    """Return the credentials for the access token of a user."""
    return {
        "client_id": BENLLY_CLIENT_ID,
        "client_secret": canaries.client_secret,
        "username": BENLLY_USER,
        "user_password": canaries.user_password,
    }


def inbound_settings(api_url: str, canaries: Canaries) -> JSONObject:
    """
    Return the settings with which the emulator sends webhooks and calls to Airflow.

    :param api_url: of the api-server.
    :return: ``app``, fields of the setting of an app, and ``webhooks``, the setting.
    """
    plugin = f"{api_url}/channel-talk"
    webhook = {"name": "airflow", "url": f"{plugin}/webhooks/{INBOUND_CONNECTION}"}
    return {
        "app": {
            "function_endpoint": f"{plugin}/functions/{INBOUND_CONNECTION}",
            "signing_key": canaries.signing_key,
        },
        "webhooks": [{**webhook, "token": canaries.webhook_token, "channel_id": DEFAULT_CHANNEL}],
    }


def warehouse(database: Path) -> JSONObject:
    """
    Return the connection to the database of the examples with a query.

    :param database: an SQLite file.
    """
    return {"connection_id": "warehouse", "conn_type": "sqlite", "host": str(database)}
