"""Everything that the page of conversations shows, in one answer of bounded size: chats, messages, people, commands."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from airflow_channel_provider.contract.parts import USER_CHAT_STATE
from airflow_channel_provider.emulator.buttons import read_action
from airflow_channel_provider.emulator.commands import commands_for
from airflow_channel_provider.emulator.conversation import Chat, find_chat
from airflow_channel_provider.emulator.overview import message_text, writer_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_channel_provider.emulator.jsontypes import JSONObject
    from airflow_channel_provider.emulator.service import Emulator
    from airflow_channel_provider.emulator.state import Channel, World

_CHATS_SHOWN, _PEOPLE_SHOWN, _MESSAGES_SHOWN, _SENT_SHOWN = 100, 100, 200, 12
_TEXT_SHOWN = 4_000


def chat_view(emulator: Emulator, query: Mapping[str, str]) -> JSONObject:
    """
    The state as somebody in a chat sees it.

    :param query: ``chat_id``, or ``channel_id`` for the first chat of a channel, or neither for that of the first one.
    :raises ValueError: there is no such chat or channel.
    """
    world = emulator.world
    chat = _chosen(world, query)
    channel = chat.channel if chat is not None else world.channels.get(query.get("channel_id", ""))
    shown: JSONObject = {
        "now": emulator.clock.now(),
        "channels": [{"id": one.id, "name": one.name} for one in islice(world.channels.values(), 100)],
        "channel_id": None if channel is None else channel.id,
        "chats": [] if channel is None else _chats(channel),
        "chat": None if chat is None else _head(chat),
        "messages": [] if chat is None else _messages(world, chat),
        "sent": _sent(emulator),
    }
    for kind in ("manager", "user"):
        shown[f"{kind}s"] = [] if channel is None else _people(channel, kind)
        shown[f"{kind}_commands"] = [] if channel is None else _commands(world, channel, kind)
    return shown


def _chosen(world: World, query: Mapping[str, str]) -> Chat | None:
    if query.get("chat_id"):
        return find_chat(world, query["chat_id"])
    channel_id = query.get("channel_id") or next(iter(world.channels), "")
    channel = world.channels.get(channel_id)
    if channel is None and channel_id:
        raise ValueError(f"no channel {channel_id!r}")
    return None if channel is None else next(iter(_all_chats(channel)), None)


def _all_chats(channel: Channel) -> list[Chat]:
    """Groups first, then the chats of users, the newest first, then those of managers with each other."""
    return [
        *(Chat(channel, "group", group) for group in channel.groups.values()),
        *(Chat(channel, "userChat", chat) for chat in reversed(channel.user_chats.values())),
        *(Chat(channel, "directChat", chat) for chat in channel.direct_chats.values()),
    ]


def _chats(channel: Channel) -> list[JSONObject]:
    return [_head(chat) for chat in _all_chats(channel)[:_CHATS_SHOWN]]


def _head(chat: Chat) -> JSONObject:
    state = USER_CHAT_STATE.plain(str(chat.record["state"])) if chat.type == "userChat" else None
    return {"id": chat.id, "type": chat.type, "title": chat.title[:100], "state": state}


def _people(channel: Channel, kind: str) -> list[JSONObject]:
    people = channel.managers if kind == "manager" else channel.users
    return [
        {"id": person["id"], "name": str(person.get("name") or person["id"])[:100]}
        for person in islice(people.values(), _PEOPLE_SHOWN)
    ]


def _commands(world: World, channel: Channel, kind: str) -> list[JSONObject]:
    return [
        {
            "app_id": app.app_id,
            "name": command["name"],
            "description": command.get("description") or "",
            "parameters": [
                {
                    "name": parameter["name"],
                    "type": parameter["type"],
                    "required": parameter["required"],
                    "description": parameter.get("description") or "",
                    "choices": parameter.get("choices") or [],
                    "suggests": bool(
                        parameter.get("autoComplete") and command.get("autoCompleteFunctionName")
                    ),
                }
                for parameter in command.get("paramDefinitions") or []
            ],
        }
        for app, command in commands_for(world, channel, kind)
    ]


def _messages(world: World, chat: Chat) -> list[JSONObject]:
    written = [m for m in world.messages.listing(chat.id) if m["channelId"] == chat.channel.id]
    return [_message(chat.channel, message) for message in written[-_MESSAGES_SHOWN:]]


def _message(channel: Channel, message: JSONObject) -> JSONObject:
    return {
        "id": message["id"],
        "at": message["createdAt"] / 1000,
        "writer_type": message["personType"],
        "writer": writer_name(channel, message)[:100],
        "text": message_text(message)[:_TEXT_SHOWN],
        "buttons": [_button(button) for button in message.get("buttons") or []],
        "files": [str(file.get("fileName", ""))[:100] for file in message.get("files") or []],
        "root_message_id": message.get("rootMessageId"),
    }


def _button(button: JSONObject) -> JSONObject:
    try:
        action = read_action(button)
    except ValueError:
        return {"title": str(button.get("title", ""))[:100], "kind": None, "url": None}
    return {"title": str(button.get("title", ""))[:100], "kind": action.kind, "url": action.url}


def _sent(emulator: Emulator) -> list[JSONObject]:
    """The last calls to apps and webhooks, newest first."""
    calls = [
        {
            "at": call["at"],
            "what": call["method"],
            "to": call["app_id"],
            "state": call["outcome"],
            "attempts": 1,
            "error": call["error"],
        }
        for call in emulator.world.app_calls.since()[-_SENT_SHOWN:]
    ]
    deliveries = [
        {
            "at": entry["made_at"],
            "what": entry["event"],
            "to": entry["target"],
            "state": entry["state"],
            "attempts": entry["attempts"],
            "error": entry["error"],
        }
        for entry in emulator.outbox.listing()[-_SENT_SHOWN:]
    ]
    return sorted([*calls, *deliveries], key=lambda entry: entry["at"], reverse=True)[:_SENT_SHOWN]
