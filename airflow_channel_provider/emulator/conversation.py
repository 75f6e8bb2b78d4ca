"""What people do in chats: a customer opens one, managers and customers write. Their wishes come as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_channel_provider.emulator.written import Draft, find_root, write

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject
    from airflow_channel_provider.emulator.state import Channel, World

MOST_CHARACTERS = 10_000


@dataclass(frozen=True, slots=True)
class Chat:
    """
    One chat of whatever type.

    :param type: ``group``, ``userChat`` or ``directChat``.
    :param record: with its ``id`` and ``channelId``.
    """

    channel: Channel
    type: str
    record: JSONObject

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.record["id"])

    @property
    def title(self) -> str:
        """What people call it."""
        if self.type == "group":
            return str(self.record["title"])
        if self.type == "userChat":
            return str(self.channel.users.get(self.record.get("userId", ""), {}).get("name") or self.id)
        names = (self.channel.managers.get(name, {}).get("name") for name in self.record["managerIds"])
        return ", ".join(str(name) for name in names if name) or self.id


@dataclass(frozen=True, slots=True)
class Person:
    """
    Who does something.

    :param kind: ``manager`` or ``user``.
    :param record: with its ``id``.
    """

    kind: str
    record: JSONObject

    @property
    def writer(self) -> tuple[str, str]:
        """As the writer of a message."""
        return self.kind, str(self.record["id"])


def only(wanted: Mapping[str, JSON], *names: str) -> None:
    """
    See that nothing else is wished for.

    :raises ValueError: something is.
    """
    unknown = sorted(set(wanted) - set(names))
    if unknown:
        raise ValueError(f"there are {', '.join(names)}, not {', '.join(unknown)}")


def text_of(wanted: Mapping[str, JSON], name: str) -> str:
    """
    A text that was given, or ``""``.

    :raises ValueError: it is something else, or too long.
    """
    value = wanted.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > MOST_CHARACTERS:
        raise ValueError(f"{name} must be a string of at most {MOST_CHARACTERS:,} characters")
    return value


def find_chat(world: World, chat_id: str) -> Chat:
    """
    A chat of any channel.

    :raises ValueError: there is none.
    """
    for channel in world.channels.values():
        places = {"group": channel.groups, "userChat": channel.user_chats, "directChat": channel.direct_chats}
        for kind, chats in places.items():
            if chat_id in chats:
                return Chat(channel, kind, chats[chat_id])
    raise ValueError(f"no chat {chat_id!r}")


def find_person(channel: Channel, wanted: Mapping[str, JSON]) -> Person:
    """
    Who is meant: the manager or the user with the id that was given, and the channel's first manager where none was.

    :param wanted: may have ``manager_id`` or ``user_id``.
    :raises ValueError: there is nobody with this id, or both are given.
    """
    manager_id, user_id = text_of(wanted, "manager_id"), text_of(wanted, "user_id")
    if manager_id and user_id:
        raise ValueError("give manager_id or user_id, not both")
    if user_id:
        return _person("user", channel.users, user_id)
    return _person("manager", channel.managers, manager_id or next(iter(channel.managers), ""))


def _person(kind: str, people: Mapping[str, JSONObject], person_id: str) -> Person:
    if person_id not in people:
        raise ValueError(f"no {kind} {person_id!r} in this channel")
    return Person(kind, people[person_id])


def open_chat(world: World, wanted: Mapping[str, JSON]) -> JSONObject:
    """
    Let a customer open a chat.

    :param wanted: ``channel_id``, and any of ``user_id`` (the channel's first user) and ``text``, which is written.
    :return: the user chat.
    :raises ValueError: no such channel or user.
    """
    only(wanted, "channel_id", "user_id", "text")
    channel = world.channels.get(text_of(wanted, "channel_id"))
    if channel is None:
        raise ValueError(f"no channel {wanted.get('channel_id')!r}")
    user_id = text_of(wanted, "user_id") or next(iter(channel.users), "")
    user, text = _person("user", channel.users, user_id), text_of(wanted, "text")
    stamp = int(world.clock.now() * 1000)
    chat = world.add_user_chat(channel, user_id, stamp)
    if text:
        write(world, Draft("userChat", chat, user.writer, {"plainText": text}), stamp)
    return chat


def write_message(world: World, wanted: Mapping[str, JSON]) -> JSONObject:
    """
    Let a person write into a chat.

    :param wanted: ``chat_id`` and ``text``, and any of ``manager_id``, ``user_id`` and ``root_message_id``.
    :return: the message.
    :raises ValueError: no such chat, person or message, or no text.
    """
    only(wanted, "chat_id", "text", "manager_id", "user_id", "root_message_id")
    chat = find_chat(world, text_of(wanted, "chat_id"))
    person, text = find_person(chat.channel, wanted), text_of(wanted, "text")
    if not text.strip():
        raise ValueError("text must not be empty")
    draft = Draft(chat.type, chat.record, person.writer, {"plainText": text}, root_of(world, chat, wanted))
    return write(world, draft, int(world.clock.now() * 1000))


def root_of(world: World, chat: Chat, wanted: Mapping[str, JSON]) -> str:
    """
    The id of the root of the thread that is meant; empty: none is.

    :param wanted: may have ``root_message_id``.
    :raises ValueError: there is no such message in this chat.
    """
    root_id = text_of(wanted, "root_message_id")
    if root_id and find_root(world, chat.record, root_id) is None:
        raise ValueError(f"no message {root_id!r} in this chat")
    return root_id
