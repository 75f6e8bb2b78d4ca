"""Chats: user chats with their state, groups, direct chats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_channel_provider.contract.parts import USER_CHAT_STATE
from airflow_channel_provider.emulator.agents import change_state
from airflow_channel_provider.emulator.answers import core_refusal
from airflow_channel_provider.emulator.dialect import plain_word
from airflow_channel_provider.emulator.functions.base import Function, page

if TYPE_CHECKING:
    from airflow_channel_provider.emulator.functions.base import Call
    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject
    from airflow_channel_provider.emulator.state import Channel

_STATES = ("opened", "closed", "snoozed")


def _user_chat(call: Call) -> JSONObject:
    return call.find(call.channel().user_chats, "userChatId")


def _manage(call: Call) -> JSON:
    chat = _user_chat(call)
    chat.update(managed=True, version=chat["version"] + 1)
    return {"userChat": chat}


def _create(call: Call) -> JSON:
    channel = call.channel()
    return {
        "userChat": call.world.add_user_chat(channel, call.find(channel.users, "userId")["id"], call.stamp)
    }


def _medium(call: Call) -> JSONObject:
    return {key: call.params.get(key) for key in ("mediumType", "mediumId", "mediumTopicKey")}


def _by_medium(channel: Channel, user_id: str, medium: JSONObject) -> list[JSONObject]:
    chats = channel.user_chats.values()
    return [c for c in chats if c.get("userId") == user_id and c.get("medium") == medium]


def _find_or_create_by_medium(call: Call) -> JSON:
    channel, medium = call.channel(), _medium(call)
    user_id = call.find(channel.users, "userId")["id"]
    found = _by_medium(channel, user_id, medium)
    chat = found[0] if found else call.world.add_user_chat(channel, user_id, call.stamp, medium=medium)
    return {"userChat": chat}


def _change_state(call: Call) -> JSON:
    chat = _user_chat(call)
    state = USER_CHAT_STATE.plain(call.text("state"))
    if state not in _STATES:
        raise core_refusal(422, "state must be USER_CHAT_STATE_OPENED, _CLOSED or _SNOOZED")
    change_state(call.world, chat, state, call.stamp)
    return {"userChat": chat}


def _start_by_medium(call: Call) -> JSON:
    chat = _user_chat(call)
    chat.update(medium=_medium(call), version=chat["version"] + 1)
    return {"userChat": chat}


def _search_by_contact(call: Call) -> JSON:
    channel = call.channel()
    contact = channel.contacts.get((call.text("mediumType"), call.text("address")))
    chats = [c for c in channel.user_chats.values() if contact and c.get("userId") == contact["userId"]]
    found, more = page(call, chats, "id")
    return {"userChats": found, **more}


def _search_by_medium(call: Call) -> JSON:
    # The one function without channelId: the token's channel is meant.
    channel, user_id = call.world.channels[call.token.channel_id or ""], call.text("userId")
    wanted = {key: value for key, value in _medium(call).items() if value}
    chats = [c for c in channel.user_chats.values() if c.get("userId") == user_id and c.get("medium")]
    return {"userChats": [c for c in chats if wanted.items() <= c["medium"].items()]}


def _search_groups(call: Call) -> JSON:
    public = [
        group
        for group in call.channel().groups.values()
        if plain_word(group["scope"], "GROUP_SCOPE_") != "private"
    ]
    found, more = page(call, public, "title")
    return {"groups": found, **more}


def _direct_chat(call: Call, *, find: bool) -> JSON:
    channel, ids = call.channel(), sorted(set(call.params["managerIds"]))
    if not ids or not all(manager_id in channel.managers for manager_id in ids):
        raise core_refusal(404, "manager not found")
    if find:
        for chat in channel.direct_chats.values():
            if chat["managerIds"] == ids:
                return {"directChat": chat}
    chat = {"id": call.world.new_id("directChat"), "channelId": channel.id, "managerIds": ids}
    channel.direct_chats[chat["id"]] = {**chat, "createdAt": call.stamp}
    return {"directChat": channel.direct_chats[chat["id"]]}


FUNCTIONS = [
    Function("getUserChat", lambda call: {"userChat": _user_chat(call)}),
    Function("manageUserChat", _manage),
    Function("createUserChat", _create),
    Function("findOrCreateUserChatByMedium", _find_or_create_by_medium),
    Function("updateUserChatState", _change_state),
    Function("updateUserChatStateByUser", _change_state),
    Function("startUserChatFromUserByMedium", _start_by_medium),
    Function("searchUserChatsByContact", _search_by_contact),
    Function("searchUserChatsByMedium", _search_by_medium),
    Function("submitHandlingWorkflowButton", lambda call: {"userChat": _user_chat(call)}),
    Function("getGroup", lambda call: {"group": call.find(call.channel().groups, "groupId")}),
    Function("searchGroups", _search_groups),
    Function("createDirectChat", lambda call: _direct_chat(call, find=False)),
    Function("findOrCreateDirectChat", lambda call: _direct_chat(call, find=True)),
]
