"""Messages: written once however often the same requestId is sent, then only patched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_channel_provider.emulator.answers import core_refusal
from airflow_channel_provider.emulator.desk import close_later
from airflow_channel_provider.emulator.functions.base import CHANNEL, Function, merge_masked

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_channel_provider.emulator.functions.base import Call
    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject

__all__ = ["FUNCTIONS"]

_WRITERS = {"botName": "bot", "managerId": "manager", "userId": "user"}
_CONTENT = ("plainText", "blocks", "buttons", "files", "webPage", "form", "customPayload", "options")
_OPTION = "MESSAGE_OPTION_"
_CHATS = {"userChat": "userChatId", "group": "groupId", "directChat": "directChatId"}


def _writer(dto: JSONObject, wanted: str | None) -> tuple[str, str]:
    if wanted is not None:
        if not isinstance(dto.get(wanted), str) or not dto[wanted]:
            raise core_refusal(422, f"dto.{wanted} is required")
        return _WRITERS[wanted], dto[wanted]
    for field, kind in _WRITERS.items():
        if isinstance(dto.get(field), str) and dto[field]:
            return kind, dto[field]
    raise core_refusal(422, "dto needs one of botName, managerId, userId")


def _check_content(dto: JSONObject) -> None:
    for field, most in (("buttons", 2), ("files", 30)):
        items = dto.get(field)
        if items is None:
            continue
        if not isinstance(items, list) or len(items) > most:
            raise core_refusal(422, f"dto.{field} must be a list of at most {most}")
    for button in dto.get("buttons") or ():
        title = button.get("title") if isinstance(button, dict) else None
        if not isinstance(title, str) or not 1 <= len(title) <= 30 or not button.get("action"):
            raise core_refusal(422, "each of dto.buttons needs a title of 1 to 30 characters and an action")
    for file in dto.get("files") or ():
        if not isinstance(file, dict) or not all(file.get(key) for key in ("url", "mime", "fileName")):
            raise core_refusal(422, "each of dto.files needs url, mime and fileName")
    _check_options(dto.get("options"))
    if not isinstance(dto.get("plainText", ""), str | None) or not isinstance(
        dto.get("blocks", []), list | None
    ):
        raise core_refusal(422, "dto.plainText must be a string and dto.blocks a list")


def _check_options(options: JSON) -> None:
    names = [] if options is None else options
    if not isinstance(names, list) or not all(
        isinstance(name, str) and name.startswith(_OPTION) for name in names
    ):
        raise core_refusal(422, f"dto.options must be a list of names that begin with {_OPTION}")


def _check_people(call: Call, person: tuple[str, str]) -> None:
    kind, name = person
    channel = call.channel()
    if (kind == "manager" and name not in channel.managers) or (kind == "user" and name not in channel.users):
        raise core_refusal(404, f"{kind} not found")


def _write(call: Call, chat_type: str, wanted: str | None) -> JSONObject:
    channel, dto = call.channel(), call.object("dto")
    chats = {"userChat": channel.user_chats, "group": channel.groups, "directChat": channel.direct_chats}
    chat = call.find(chats[chat_type], _CHATS[chat_type])
    request_id = dto.get("requestId")
    if request_id is not None and not isinstance(request_id, str):
        raise core_refusal(422, "dto.requestId must be a string")
    repeated = call.world.messages.repeated(channel.id, chat_type, chat["id"], request_id)
    if repeated is not None:
        call.repeated = True
        return {"message": repeated}
    person = _writer(dto, wanted)
    _check_content(dto)
    _check_people(call, person)
    kind, name = person
    message: JSONObject = {
        "channelId": channel.id,
        "chatType": chat_type,
        "chatId": chat["id"],
        "personType": kind,
    }
    message |= {
        "personId": name,
        "requestId": request_id,
        "createdAt": call.stamp,
        "version": 1,
        "state": "sent",
    }
    message |= {field: dto[field] for field in _CONTENT if dto.get(field) is not None}
    if call.params.get("rootMessageId"):
        broadcast = bool(call.params.get("broadcast"))
        message["thread"] = {"rootMessageId": call.params["rootMessageId"], "broadcast": broadcast}
    if chat_type == "userChat":
        close_later(call.world, chat, call.now)
    return {"message": call.world.messages.add(message)}


def _patch(call: Call) -> JSONObject:
    message = call.world.messages.get(call.text("messageId"))
    place = (call.text("channelId"), call.text("chatId"))
    if message is None or (message["channelId"], message["chatId"]) != place:
        raise core_refusal(404, "message not found")
    body = {k: v for k, v in call.object("body").items() if k in ("options", "state")}
    kept = {k: message[k] for k in ("id", "channelId", "chatType", "chatId", "requestId", "createdAt")}
    merge_masked(message, body, call.params["updateMask"])
    message.update(kept, version=message["version"] + 1)
    return {"message": message}


def _writing(chat_type: str, wanted: str | None = None) -> Callable[[Call], JSON]:
    return lambda call: _write(call, chat_type, wanted)


def _function(name: str, chat_type: str, wanted: str | None = None) -> Function:
    required = ("channelId", _CHATS[chat_type], "dto")
    return Function(name, CHANNEL, required, _writing(chat_type, wanted))


FUNCTIONS = [
    _function("writeGroupMessage", "group"),
    _function("writeGroupMessageAsManager", "group", "managerId"),
    _function("writeUserChatMessage", "userChat"),
    _function("writeUserChatMessageAsManager", "userChat", "managerId"),
    _function("writeUserChatMessageAsUser", "userChat", "userId"),
    _function("writeDirectChatMessageAsManager", "directChat", "managerId"),
    Function(
        "patchMessage",
        CHANNEL,
        ("channelId", "chatId", "chatType", "messageId", "body", "updateMask"),
        _patch,
    ),
]
