"""Writing a message into a chat, whoever writes: an app by a function, or a person on the emulator's page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_channel_provider.emulator.jsontypes import JSONObject
    from airflow_channel_provider.emulator.state import World


@dataclass(frozen=True, slots=True)
class Draft:
    """
    A message before it is written.

    :param chat_type: ``group``, ``userChat`` or ``directChat``.
    :param chat: with its ``id`` and ``channelId``.
    :param writer: ``bot``, ``manager`` or ``user``, and the id, which is a name for a bot.
    :param content: ``plainText``, ``blocks`` and so on.
    :param root_message_id: of the thread that it replies to; empty: it is no reply.
    :param broadcast: whether a reply shows in the chat as well.
    """

    chat_type: str
    chat: JSONObject
    writer: tuple[str, str]
    content: JSONObject
    root_message_id: str = ""
    broadcast: bool = False
    request_id: str | None = None


def find_root(world: World, chat: JSONObject, root_message_id: str) -> JSONObject | None:
    """The message of this chat with this id; None: there is none."""
    root = world.messages.get(root_message_id)
    here = root is not None and (root["channelId"], root["chatId"]) == (chat["channelId"], chat["id"])
    return root if here else None


def write(world: World, draft: Draft, stamp: int) -> JSONObject:
    """
    Write a message, which is counted in the thread that it replies to.

    :param stamp: epoch milliseconds.
    """
    person_type, person_id = draft.writer
    return world.messages.add(
        {
            "channelId": draft.chat["channelId"],
            "chatType": draft.chat_type,
            "chatId": draft.chat["id"],
            "personType": person_type,
            "personId": person_id,
            "requestId": draft.request_id,
            "createdAt": stamp,
            "version": 1,
            "state": "sent",
            **draft.content,
            **_thread_fields(world, draft),
        }
    )


def _thread_fields(world: World, draft: Draft) -> JSONObject:
    """What a reply has beyond other messages; it shares its thread with the root, where there is one."""
    root_id = draft.root_message_id
    if not root_id:
        return {}
    root = find_root(world, draft.chat, root_id)
    thread: JSONObject = {"id": root_id, "managerIds": [], "repliedManagerIds": [], "replyCount": 0}
    if root is not None:
        thread = root.setdefault("thread", thread)
    thread["replyCount"] += 1
    kind, name = draft.writer
    if kind == "manager" and name not in thread["managerIds"]:
        thread["managerIds"].append(name)
        thread["repliedManagerIds"].append(name)
    broadcast = {"broadcastedMsg": True} if draft.broadcast else {}
    return {"rootMessageId": root_id, "thread": thread, **broadcast}
