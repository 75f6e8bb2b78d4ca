"""What is there when nobody says otherwise: one app, three channels with people and chats, a Benlly user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_channel_provider.emulator.app_calls import Endpoint

if TYPE_CHECKING:
    from airflow_channel_provider.emulator.jsontypes import JSONObject

DEMO_APP_ID = "demo-app"
DEMO_SECRET = "ZW11bGF0b3ItZGVtby1zZQ=="  # noqa: S105 - the published secret of a local stand-in
DEMO_SIGNING_KEY = "656d756c61746f72" * 4
CHANNEL_NAMES = {"ch-1": "Cafe Morning", "ch-2": "Bicycle Works", "ch-3": "Studio Lantern"}
_PEOPLE = ("Ada Kim", "Ben Okafor", "Chloe Park", "Dario Rossi", "Emi Tanaka")


def default_apps() -> list[JSONObject]:
    """The demo app, installed on all three channels, with every permission."""
    return [
        {"app_id": DEMO_APP_ID, "secret": DEMO_SECRET, "permissions": None, "channels": list(CHANNEL_NAMES)}
    ]


def default_channels() -> list[JSONObject]:
    """Three channels; their people and chats are filled in by :func:`populate`."""
    return [{"id": channel_id, "name": name} for channel_id, name in CHANNEL_NAMES.items()]


def default_benlly() -> JSONObject:
    """One user's token, another who logs in, one channel that wants a device token, two that do not."""
    return {
        "access_tokens": ["benlly-user-token"],
        "users": [{"client_id": "7", "username": "mina", "password": "benlly-user-password"}],
        "channels": [
            {"id": 1, "auth_type": "push_notification"},
            {"id": 2, "auth_type": "none"},
            {"id": 3, "auth_type": "none"},
        ],
    }


def endpoint_of(app: JSONObject) -> Endpoint | None:
    """
    Where an app serves its functions; None: nowhere.

    :param app: may have ``function_endpoint``, a URL, and ``signing_key``, which is the demo key unless it is given.
    :raises ValueError: one of them is none.
    """
    url, signing_key = app.get("function_endpoint"), app.get("signing_key")
    if url is None:
        return None
    return Endpoint.build(url, DEMO_SIGNING_KEY if signing_key is None else signing_key)


def populate(channel: JSONObject) -> JSONObject:
    """
    A channel with default people, groups and chats wherever its own are not given.

    :param channel: ``id`` and any of name, users, managers, groups, user_chats.
    """
    channel_id: str = channel["id"]
    defaults: JSONObject = {
        "name": CHANNEL_NAMES.get(channel_id, f"Channel {channel_id}"),
        "users": [
            {"id": f"user-{channel_id}-{n}", "name": name, "memberId": f"member-{channel_id}-{n}"}
            for n, name in enumerate(_PEOPLE, start=1)
        ],
        "managers": [
            {
                "id": f"manager-{channel_id}-{n}",
                "name": name,
                "email": f"manager-{channel_id}-{n}@example.com",
            }
            for n, name in enumerate(("Mina Seo", "Noah Weiss"), start=1)
        ],
        "groups": [
            {"id": f"group-{channel_id}-1", "title": "Support"},
            {"id": f"group-{channel_id}-2", "title": "Sales"},
        ],
        "user_chats": [
            {"id": f"chat-{channel_id}-{n}", "userId": f"user-{channel_id}-{(n - 1) % 5 + 1}"}
            for n in range(1, 11)
        ],
    }
    return {**defaults, **channel}
