"""Everything that the page shows, in one answer of bounded size."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from airflow_channel_provider.contract.parts import USER_CHAT_STATE
from airflow_channel_provider.emulator.ready_connections import ready_connections, ready_ids

if TYPE_CHECKING:
    from airflow_channel_provider.emulator.jsontypes import JSONObject
    from airflow_channel_provider.emulator.service import Emulator
    from airflow_channel_provider.emulator.state import App, Channel

_MESSAGES_SHOWN, _CHATS_SHOWN, _PER_CHAT, _ERRORS_SHOWN, _ROWS_SHOWN = 400, 30, 20, 30, 50
_TEXT_SHOWN = 600
_MARKUP = re.compile(r"</?(?:b|i|link)(?: [^<>]*)?>")


def overview(emulator: Emulator) -> JSONObject:
    """
    The state as people want to see it.

    :param emulator: whose.
    """
    now = emulator.clock.now()
    return {
        "now": now,
        "shifted_seconds": emulator.clock.offset_seconds,
        "stats": emulator.stats(),
        "settings": emulator.settings.public(),
        "windows": [_window(app, now) for app in emulator.world.apps.values()],
        "chats": _chats(emulator),
        "authorizations": emulator.benlly.authorizations()[-_ROWS_SHOWN:][::-1],
        "errors": [_error(entry) for entry in emulator.journal.errors()[-_ERRORS_SHOWN:][::-1]],
        "faults": emulator.faults.listing(),
        "connections": ready_connections(emulator),
        "ids": ready_ids(emulator),
    }


def _window(app: App, now: float) -> JSONObject:
    return {
        "app_id": app.app_id,
        "limit": app.quota.limit,
        "used": app.quota.used(now),
        "started_at": app.quota.started_at(now),
        "ends_at": app.quota.ends_at(now),
        "window_seconds": app.quota.window_seconds,
        "marks": app.quota.marks(now),
        "commands": len(app.commands),
    }


def _error(entry: JSONObject) -> JSONObject:
    shown = ("n", "at", "service", "method", "scope", "http_status", "outcome", "error", "acted")
    return {key: entry[key] for key in shown}


def _chats(emulator: Emulator) -> list[JSONObject]:
    """The chats that were written to last, newest first, each with its last messages, oldest first."""
    world = emulator.world
    found: dict[tuple[str, str, str], JSONObject] = {}
    for message in reversed(world.messages.latest(_MESSAGES_SHOWN)):
        key = (message["channelId"], message["chatType"], message["chatId"])
        channel = world.channels.get(key[0])
        if key not in found:
            if len(found) == _CHATS_SHOWN:
                continue
            found[key] = _chat_head(emulator, key, channel.name if channel else key[0])
        if len(found[key]["messages"]) < _PER_CHAT:
            found[key]["messages"].insert(0, _message(message, writer_name(channel, message)))
    return list(found.values())


def _chat_head(emulator: Emulator, key: tuple[str, str, str], channel_name: str) -> JSONObject:
    channel_id, chat_type, chat_id = key
    channel, title, state = emulator.world.channels.get(channel_id), chat_id, None
    if channel is not None and chat_type == "group" and chat_id in channel.groups:
        title = str(channel.groups[chat_id]["title"])
    elif channel is not None and chat_type == "userChat" and chat_id in channel.user_chats:
        chat = channel.user_chats[chat_id]
        title = str(channel.users.get(chat.get("userId", ""), {}).get("name") or chat_id)
        state = USER_CHAT_STATE.plain(str(chat["state"]))
    head = {
        "channel_id": channel_id,
        "channel_name": channel_name,
        "chat_type": chat_type,
        "chat_id": chat_id,
    }
    return {**head, "title": title, "state": state, "messages": []}


def writer_name(channel: Channel | None, message: JSONObject) -> str:
    """The name of who wrote a message; the id where there is none."""
    people = {} if channel is None else channel.users if message["personType"] == "user" else channel.managers
    return str(people.get(message["personId"], {}).get("name") or message["personId"])


def _message(message: JSONObject, writer: str) -> JSONObject:
    return {
        "id": message["id"],
        "at": message["createdAt"] / 1000,
        "writer_type": message["personType"],
        "writer": writer,
        "text": message_text(message)[:_TEXT_SHOWN],
        "buttons": [str(button.get("title", "")) for button in message.get("buttons", [])],
        "files": [str(file.get("fileName", "")) for file in message.get("files", [])],
        "request_id": message.get("requestId"),
    }


def message_text(message: JSONObject) -> str:
    """The text of a message without its markup, whichever way it was written."""
    if message.get("plainText"):
        return str(message["plainText"])
    return "\n".join(_block(block, 0) for block in message.get("blocks") or [])


def _block(block: object, depth: int) -> str:
    if not isinstance(block, dict) or depth > 5:
        return ""
    if block.get("type") == "divider":
        return "———"
    if block.get("type") == "bullets":
        inner = block.get("blocks")
        return "\n".join(_item(item, depth + 1) for item in (inner if isinstance(inner, list) else []))
    value = str(block.get("value", ""))
    return html.unescape(_MARKUP.sub("", value)) if block.get("type") == "text" else value


def _item(item: object, depth: int) -> str:
    text = _block(item, depth)
    if isinstance(item, dict) and item.get("type") == "bullets":
        return "\n".join(f"  {line}" for line in text.splitlines())
    return f"• {text}"
