"""Connections and ids of a running emulator, ready to paste: it prints them at its start and shows them on its page.

Secrets are its own: those of the demo data, and those that it made itself. One that the settings gave is left out.
"""

from __future__ import annotations

import json
import shlex
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

from airflow_channel_provider.emulator.open_api import access_key_of, access_secret_of
from airflow_channel_provider.emulator.seed_data import DEMO_SECRET, DEMO_SIGNING_KEY, default_benlly

if TYPE_CHECKING:
    from collections.abc import Collection

    from airflow_channel_provider.emulator.jsontypes import JSONObject
    from airflow_channel_provider.emulator.service import Emulator
    from airflow_channel_provider.emulator.state import App

_MOST_SHOWN = 12
PHONE = {"device": "android", "udid": "7f0abbcd-fb03-4484-aaba-a0211d9c14e2"}
TABLET = {"device": "ios", "udid": "2c5a1e9d-6b1f-4d0e-9a57-3f1f6f2f4b11"}


def ready_connections(emulator: Emulator) -> list[JSONObject]:
    """
    Connections to an emulator that listens: one per app, of the Open API, with a Benlly token, and with a Benlly login.

    :return: ``conn_id``, ``conn_type``, and the connection as ``shell`` (a line that exports its JSON) and ``uri``.
    """
    found: list[JSONObject] = []
    for app in list(emulator.world.apps.values())[:_MOST_SHOWN]:
        channel_id = next((name for name in emulator.world.channels if app.installed_on(name)), None)
        extra = {} if channel_id is None else {"channel_id": channel_id}
        if app.function_endpoint is not None and app.function_endpoint.signing_key.hex() == DEMO_SIGNING_KEY:
            extra["signing_secret"] = DEMO_SIGNING_KEY
        conn_id = f"channel_talk_{app.app_id.replace('-', '_')}" if found else "channel_talk_default"
        secret = _shown_secret(emulator, app)
        found.append(_connection(emulator.url, conn_id, "channel_talk", app.app_id, secret, extra))
    for channel_id in list(emulator.world.channels)[:1]:
        key, secret = access_key_of(channel_id), access_secret_of(channel_id)
        conn_id = "channel_talk_open_api_default"
        found += [_connection(emulator.url, conn_id, "channel_talk_open_api", key, secret, {})]
    given, demo = emulator.settings.benlly, default_benlly()
    for token in demo["access_tokens"]:
        if token in given.get("access_tokens", []):
            found += [_connection(emulator.url, "benlly_default", "benlly", None, token, PHONE)]
    for user in demo["users"]:
        if user in given.get("users", []):
            login = {"client_id": user["client_id"], "client_secret": "benlly-client-secret"}
            login |= {"username": user["username"], "user_password": user["password"]}
            found += [_connection(emulator.url, "benlly_tablet", "benlly", None, None, {**TABLET, **login})]
    return found


def _shown_secret(emulator: Emulator, app: App) -> str:
    given = app.secret in (item.get("secret") for item in emulator.settings.apps)
    return "YOUR-APP-SECRET" if given and app.secret != DEMO_SECRET else app.secret


def _connection(
    url: str, conn_id: str, conn_type: str, login: str | None, password: str | None, extra: JSONObject
) -> JSONObject:
    address = urlsplit(url)
    fields = {
        "conn_type": conn_type,
        "host": address.hostname,
        "port": address.port,
        "schema": address.scheme,
        "login": login,
        "password": password,
        "extra": extra,
    }
    text = json.dumps({name: value for name, value in fields.items() if value})
    user = quote(login or "", safe="")
    user += f":{quote(password, safe='')}" if password else ""
    uri = f"{conn_type.replace('_', '-')}://{user}{'@' if user else ''}{address.netloc}/{address.scheme}"
    return {
        "conn_id": conn_id,
        "conn_type": conn_type,
        "shell": f"export AIRFLOW_CONN_{conn_id.upper()}={shlex.quote(text)}",
        "uri": f"{uri}?{urlencode(extra)}" if extra else uri,
    }


def ready_ids(emulator: Emulator) -> list[JSONObject]:
    """The ids of each channel, its groups, user chats, users and managers, and of Benlly's channels: name and text."""
    found: list[JSONObject] = []
    for channel in list(emulator.world.channels.values())[:_MOST_SHOWN]:
        groups = islice(channel.groups.values(), _MOST_SHOWN)
        kinds: dict[str, Collection[str]] = {
            "groups": [f"{group['id']} ({group['title']})" for group in groups],
            "user chats": channel.user_chats,
            "users": channel.users,
            "managers": channel.managers,
        }
        text = "; ".join(f"{kind} {_listed(ids)}" for kind, ids in kinds.items() if ids)
        found.append({"name": f"Channel {channel.id} ({channel.name})", "text": text})
    benlly = [
        f"{name} (wants a device token)" if kind == "push_notification" else str(name)
        for name, kind in islice(emulator.benlly.channels.items(), _MOST_SHOWN)
    ]
    return [*found, {"name": "Benlly channels", "text": ", ".join(benlly)}] if benlly else found


def _listed(ids: Collection[str]) -> str:
    listed = list(ids)
    return ", ".join(listed) if len(listed) <= 3 else f"{listed[0]} to {listed[-1]}"


def announcement(emulator: Emulator) -> str:
    """What the emulator prints once it listens; its address is in the first line."""
    connections = ready_connections(emulator)
    return "\n".join(
        [
            f"Channel Talk and Benlly emulator on {emulator.url}",
            "Open that address in a browser to see what arrives.",
            "",
            "Connections for a shell:",
            *(connection["shell"] for connection in connections),
            "",
            "The same, for `airflow connections add CONN_ID --conn-uri URI`:",
            *(f"{connection['conn_id']}  '{connection['uri']}'" for connection in connections),
            "",
            "What is there:",
            *(f"{entry['name']}: {entry['text']}" for entry in ready_ids(emulator)),
        ]
    )
