"""Messages: written once however often the same requestId is sent, then only patched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_channel_provider.emulator.agents import close_chat_later
from airflow_channel_provider.emulator.answers import core_refusal
from airflow_channel_provider.emulator.functions.base import Function, merge_masked
from airflow_channel_provider.emulator.written import Draft, find_root, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_channel_provider.emulator.functions.base import Call
    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject

_WRITERS = {"botName": "bot", "managerId": "manager", "userId": "user"}
_CONTENT = ("plainText", "blocks", "buttons", "files", "webPage", "form", "customPayload", "options")
_CHATS = {"userChat": "userChatId", "group": "groupId", "directChat": "directChatId"}


def _writer(dto: JSONObject, wanted: str | None) -> tuple[str, str]:
    for field in [wanted] if wanted else _WRITERS:
        if dto.get(field):
            return _WRITERS[field], dto[field]
    raise core_refusal(422, f"dto needs {wanted or 'a writer'}")


def _check_people(call: Call, person: tuple[str, str]) -> None:
    kind, name = person
    channel = call.channel()
    if (kind == "manager" and name not in channel.managers) or (kind == "user" and name not in channel.users):
        raise core_refusal(404, f"{kind} not found")


def _write(call: Call, chat_type: str, wanted: str | None) -> JSONObject:
    channel, dto = call.channel(), call.params["dto"]
    chats = {"userChat": channel.user_chats, "group": channel.groups, "directChat": channel.direct_chats}
    chat = call.find(chats[chat_type], _CHATS[chat_type])
    request_id = dto.get("requestId")
    repeated = call.world.messages.repeated(channel.id, chat_type, chat["id"], request_id)
    if repeated is not None:
        call.repeated = True
        return {"message": repeated}
    person = _writer(dto, wanted)
    _check_people(call, person)
    root_id = call.text("rootMessageId")
    if root_id and call.is_strict and find_root(call.world, chat, root_id) is None:
        raise core_refusal(404, "rootMessage not found")
    content = {field: dto[field] for field in _CONTENT if dto.get(field) is not None}
    broadcast = bool(call.params.get("broadcast"))
    draft = Draft(chat_type, chat, person, content, root_id, broadcast, request_id)
    if chat_type == "userChat":
        close_chat_later(call.world, chat, call.now)
    return {"message": write(call.world, draft, call.stamp)}


def _is_chat_type(call: Call, chat_type: str) -> bool:
    """Whether the call names this type, as one of the spellings that the vendor's documents have."""
    named = call.text("chatType").upper().removeprefix("CHAT_TYPE_").replace("_", "")
    return named == chat_type.upper()


def _patch(call: Call) -> JSONObject:
    message = call.world.messages.get(call.text("messageId"))
    place = (call.text("channelId"), call.text("chatId"))
    there = message is not None and (message["channelId"], message["chatId"]) == place
    if message is None or not there or (call.is_strict and not _is_chat_type(call, message["chatType"])):
        raise core_refusal(404, "message not found")
    body = {k: v for k, v in call.params["body"].items() if k in ("options", "state")}
    kept = {k: message[k] for k in ("id", "channelId", "chatType", "chatId", "requestId", "createdAt")}
    merge_masked(message, body, call.params["updateMask"])
    message.update(kept, version=message["version"] + 1)
    return {"message": message}


def _writing(chat_type: str, wanted: str | None = None) -> Callable[[Call], JSON]:
    return lambda call: _write(call, chat_type, wanted)


def _function(name: str, chat_type: str, wanted: str | None = None) -> Function:
    return Function(name, _writing(chat_type, wanted))


FUNCTIONS = [
    _function("writeGroupMessage", "group"),
    _function("writeGroupMessageAsManager", "group", "managerId"),
    _function("writeUserChatMessage", "userChat"),
    _function("writeUserChatMessageAsManager", "userChat", "managerId"),
    _function("writeUserChatMessageAsUser", "userChat", "userId"),
    _function("writeDirectChatMessageAsManager", "directChat", "managerId"),
    Function("patchMessage", _patch),
]
