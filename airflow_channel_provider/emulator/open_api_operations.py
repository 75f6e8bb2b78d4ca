"""The operations of Open API v5 over the people, chats and messages of a channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_channel_provider.contract.open_api import CHAT_STATES
from airflow_channel_provider.contract.parts import BUTTONS, FILES, USER_CHAT_STATE
from airflow_channel_provider.emulator.agents import change_state
from airflow_channel_provider.emulator.generated_texts import CHAT_TAGS
from airflow_channel_provider.emulator.jsontypes import load
from airflow_channel_provider.emulator.open_api_lists import page_of_chats, page_of_messages
from airflow_channel_provider.emulator.open_api_request import (
    OpenApiRequest,
    RefusedError,
    invalid,
    missing,
    page_of,
)
from airflow_channel_provider.emulator.webhooks import announce_user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject

_CONTENT = ("plainText", "blocks", "buttons", "files", "webPage", "form", "options")
_MOST = {"buttons": BUTTONS.most or 0, "files": FILES.advised or 0}
_LONGEST_LOG_MS = 90 * 86_400_000


def _by_creation(item: JSONObject) -> tuple[float, str]:
    return float(item.get("createdAt") or 0), str(item.get("id") or item.get("key"))


def _by_id(item: JSONObject) -> tuple[float, str]:
    return 0.0, str(item["id"])


def _by_change(chat: JSONObject) -> tuple[float, str]:
    """Where a chat stands in the list: the vendor does not state it."""
    return float(chat.get("updatedAt") or chat.get("createdAt") or 0), str(chat["id"])


def _people(request: OpenApiRequest, chats: list[JSONObject]) -> JSONObject:
    """What a list of chats has beside them."""
    channel = request.channel
    user_ids = {chat.get("userId") for chat in chats}
    manager_ids = {name for chat in chats for name in [chat.get("assigneeId"), *chat.get("managerIds", [])]}
    last = (next(reversed(request.world.messages.listing(chat["id"])), None) for chat in chats)
    return {
        "users": [user for user_id, user in channel.users.items() if user_id in user_ids],
        "managers": [manager for name, manager in channel.managers.items() if name in manager_ids],
        "messages": [message for message in last if message is not None],
        "sessions": [],
        "chatTags": [],
    }


# ---- reads


def _channel(request: OpenApiRequest) -> JSONObject:
    channel = request.channel
    return {
        "channel": {
            "id": channel.id,
            "name": channel.name,
            "botName": "Bot",
            "color": "#123456",
            "country": "KR",
            "timeZone": "Asia/Seoul",
            "state": "active",
        }
    }


def _user_chats(request: OpenApiRequest) -> JSON:
    state = request.text("state") or "opened"
    if state not in CHAT_STATES:
        raise invalid(f"state must be one of {', '.join(CHAT_STATES)}")
    chats = (
        c for c in request.channel.user_chats.values() if USER_CHAT_STATE.plain(str(c["state"])) == state
    )
    if request.channel.generated is not None:
        return page_of_chats(request, chats, state)
    page, following = page_of(request, chats, _by_change)
    return {**following, "userChats": page, **_people(request, page)}


def _user_chat(request: OpenApiRequest) -> JSONObject:
    chat = request.chat()
    people = _people(request, [chat])
    user, message = next(iter(people["users"]), None), next(iter(people["messages"]), None)
    if (generated := request.channel.generated) is not None:
        user = user or generated.user(str(chat.get("userId")))
        message = message or (
            load(text.encode()) if (text := generated.last_message_of(chat["id"])) else None
        )
    return {"userChat": chat, "user": user, "message": message, "chatTags": []}


def _messages_of(request: OpenApiRequest, chat_id: str) -> JSON:
    request.needed("sortOrder")
    generated = request.channel.generated
    if generated is not None and (made := generated.messages_of(chat_id)) is not None:
        return page_of_messages(request, chat_id, made)
    page, following = page_of(request, request.world.messages.listing(chat_id), _by_creation)
    return {**following, "messages": page, "bots": []}


def _sessions(request: OpenApiRequest, chat: JSONObject, chat_type: str) -> JSONObject:
    people = [("user", chat["userId"])] if chat.get("userId") else []
    people += [("manager", name) for name in chat.get("managerIds", [])]
    return {
        "sessions": [
            {
                "key": f"{chat_type}-{chat['id']}-{kind}-{name}",
                "chatId": chat["id"],
                "chatType": chat_type,
                "channelId": request.channel.id,
                "personType": kind,
                "personId": name,
            }
            for kind, name in people
        ]
    }


def _file(request: OpenApiRequest) -> JSONObject:
    return {"result": f"https://files.example.com/{request.needed('key')}?signature=none"}


def _managers(request: OpenApiRequest) -> JSONObject:
    page, following = _page_ascending(request, request.channel.managers.values())
    return {**following, "managers": page, "onlines": [], "operatorStatuses": []}


def _page_ascending(
    request: OpenApiRequest, items: Iterable[JSONObject]
) -> tuple[list[JSONObject], JSONObject]:
    request.query = {**request.query, "sortOrder": ["asc"]}
    return page_of(request, items, _by_id)


def _groups(request: OpenApiRequest) -> JSONObject:
    groups = (group for group in request.channel.groups.values() if group.get("scope") != "private")
    page, following = _page_ascending(request, groups)
    return {**following, "groups": page}


def _bots(request: OpenApiRequest) -> JSONObject:
    channel_id = request.channel.id
    bots = [
        {"id": f"bot-{channel_id}-{n}", "channelId": channel_id, "name": name, "color": "#123456", "ai": ai}
        for n, (name, ai) in enumerate((("Bot", False), ("Alf", True)), start=1)
    ]
    page, following = _page_ascending(request, bots)
    return {**following, "bots": page}


def _chat_tags(request: OpenApiRequest) -> JSONObject:
    channel_id = request.channel.id
    tags = [
        {"id": f"tag-{channel_id}-{n}", "channelId": channel_id, "key": name, "name": name}
        for n, name in enumerate(CHAT_TAGS, start=1)
    ]
    page, following = _page_ascending(request, tags)
    return {**following, "chatTags": page}


def _calls(request: OpenApiRequest) -> JSON:
    texts = [request.needed(name) for name in request.operation.required]
    if not all(text.isdecimal() and len(text) < 16 for text in texts):
        raise invalid("from and to must be epoch milliseconds")
    first, end = (int(text) for text in texts)
    if not 0 <= end - first <= _LONGEST_LOG_MS:
        raise invalid("from and to must be at most 90 days apart")
    generated = request.channel.generated
    return [] if generated is None else generated.calls(first, end)


def _user_chats_of_user(request: OpenApiRequest) -> JSONObject:
    request.needed("sortOrder")
    user_id = request.user()["id"]
    chats = [chat for chat in request.channel.user_chats.values() if chat.get("userId") == user_id]
    if (generated := request.channel.generated) is not None:
        chats += generated.chats_of(user_id)
    page, following = page_of(request, chats, _by_change)
    people = _people(request, page)
    return {
        **following,
        "userChats": page,
        **{name: people[name] for name in ("messages", "sessions", "managers", "chatTags")},
    }


def _user_events(request: OpenApiRequest) -> JSONObject:
    request.needed("sortOrder")
    user_id = request.user()["id"]
    events = [event for event in request.channel.events if event.get("userId") == user_id]
    if (generated := request.channel.generated) is not None:
        events += generated.events_of(user_id)
    page, following = page_of(request, events, _by_creation)
    return {**following, "events": page}


def _manager(request: OpenApiRequest) -> JSONObject:
    manager = request.find(request.channel.managers, "managerId", "manager")
    return {"manager": manager, "online": False}


def _group(request: OpenApiRequest) -> JSONObject:
    return {"group": request.group(), "managers": [], "onlines": []}


# ---- writes


def _write_message(request: OpenApiRequest, chat_type: str, chat: JSONObject) -> JSONObject:
    body, messages = request.body, request.world.messages
    if not any(body.get(name) for name in ("plainText", "blocks", "files", "webPage", "form")):
        raise invalid("a message needs plainText, blocks, files, webPage or form")
    for name, most in _MOST.items():
        if len(body.get(name) or ()) > most:
            raise invalid(f"{name} may be at most {most}")
    request_id = body.get("requestId")
    known = messages.repeated(request.channel.id, chat_type, chat["id"], request_id)
    if known is not None:
        request.repeated = True
        return {"message": known}
    return {
        "message": messages.add(
            {
                "channelId": request.channel.id,
                "chatType": chat_type,
                "chatId": chat["id"],
                "chatKey": f"{chat_type}-{chat['id']}",
                "personType": "bot",
                "personId": request.text("botName") or "Bot",
                "requestId": request_id,
                "createdAt": request.stamp,
                "version": 1,
                "state": "sent",
                **{name: body[name] for name in _CONTENT if body.get(name) is not None},
            }
        )
    }


def _change_chat(state: str) -> Callable[[OpenApiRequest], JSONObject]:
    def change(request: OpenApiRequest) -> JSONObject:
        for name in request.operation.required:
            request.needed(name)
        chat = request.chat()
        change_state(request.world, chat, state, request.stamp)
        return {"userChat": chat}

    return change


def _assign(request: OpenApiRequest) -> JSONObject:
    chat = request.chat()
    manager = request.find(request.channel.managers, "managerId", "manager")
    ids = [*chat.get("managerIds", []), manager["id"]]
    chat.update(
        assigneeId=manager["id"],
        managerIds=list(dict.fromkeys(ids)),
        updatedAt=request.stamp,
        version=chat["version"] + 1,
    )
    return {"userChat": chat}


def _invite(request: OpenApiRequest) -> JSONObject:
    request.needed("botName")
    chat, channel = request.chat(), request.channel
    wanted = request.query.get("managerIds") or []
    if any(name not in channel.managers for name in wanted):
        raise missing("manager")
    chat.update(
        managerIds=list(dict.fromkeys([*chat.get("managerIds", []), *wanted])), updatedAt=request.stamp
    )
    return {"userChat": chat}


def _patch(thing: JSONObject, request: OpenApiRequest, names: tuple[str, ...], kind: str) -> JSONObject:
    thing.update({name: request.body[name] for name in names if name in request.body})
    thing["updatedAt"] = request.stamp
    if kind == "user":
        announce_user(request.world, request.channel, thing, "upserted.contact")
    return {kind: thing}


def _new_user(request: OpenApiRequest, kind: str, **more: JSON) -> JSONObject:
    profile = request.body.get("profile") or {}
    user: JSONObject = {
        "id": request.world.new_id("user"),
        "channelId": request.channel.id,
        "type": kind,
        "name": profile.get("name"),
        "profile": profile,
        "tags": request.body.get("tags") or [],
        "blocked": False,
        "createdAt": request.stamp,
        **more,
    }
    request.channel.users[user["id"]] = user
    announce_user(request.world, request.channel, user, "upserted.contact")
    return {"user": user}


def _upsert_user(request: OpenApiRequest) -> JSONObject:
    try:
        user = request.user()
    except RefusedError:
        return _new_user(request, "member", memberId=request.path["memberId"])
    profile = request.body.get("profile")
    if isinstance(profile, dict):
        request.body = {**request.body, "profile": {**(user.get("profile") or {}), **profile}}
    return _patch(user, request, ("profile", "tags", "language"), "user")


def _delete_user(request: OpenApiRequest) -> JSONObject:
    user = request.user()
    del request.channel.users[user["id"]]
    announce_user(request.world, request.channel, user, "deleted")
    return {}


def _set_blocked(blocked: bool) -> Callable[[OpenApiRequest], JSONObject]:
    def change(request: OpenApiRequest) -> JSONObject:
        user = request.user()
        user.update(blocked=blocked, updatedAt=request.stamp)
        return {"user": user}

    return change


def _touch(request: OpenApiRequest) -> JSONObject:
    user = request.user()
    user.update(lastSeenAt=request.stamp, sessionsCount=int(user.get("sessionsCount") or 0) + 1)
    return {"user": user}


def _open_chat_with_user(request: OpenApiRequest) -> JSONObject:
    user_id = str(request.user()["id"])
    return {"userChat": request.world.add_user_chat(request.channel, user_id, request.stamp)}


def _record_event(request: OpenApiRequest) -> JSONObject:
    name = request.body.get("name")
    if not isinstance(name, str) or not 1 <= len(name) <= 64:
        raise invalid("name must have 1 to 64 characters")
    event: JSONObject = {
        "id": request.world.new_id("event"),
        "channelId": request.channel.id,
        "userId": request.user()["id"],
        "name": name,
        "property": request.body.get("property") or {},
        "createdAt": request.stamp,
    }
    request.channel.events.append(event)
    return {"event": event}


def _delete_chat(request: OpenApiRequest) -> JSONObject:
    del request.channel.user_chats[request.chat()["id"]]
    return {}


def _group_id(request: OpenApiRequest) -> str:
    return str(request.group()["id"])


HANDLERS: dict[tuple[str, str], Callable[[OpenApiRequest], JSON]] = {
    ("GET", "/channel"): _channel,
    ("GET", "/bots"): _bots,
    ("GET", "/chat-tags"): _chat_tags,
    ("GET", "/webhooks"): lambda request: {"webhooks": []},
    ("GET", "/managers"): _managers,
    ("GET", "/managers/{managerId}"): _manager,
    ("GET", "/groups"): _groups,
    ("GET", "/groups/{groupId}"): _group,
    ("GET", "/groups/@{groupName}"): _group,
    ("PATCH", "/groups/{groupId}"): lambda r: _patch(r.group(), r, ("title", "name", "description"), "group"),
    ("GET", "/groups/{groupId}/sessions"): lambda r: _sessions(r, r.group(), "group"),
    ("GET", "/groups/{groupId}/messages"): lambda r: _messages_of(r, _group_id(r)),
    ("GET", "/groups/@{groupName}/messages"): lambda r: _messages_of(r, _group_id(r)),
    ("GET", "/groups/{groupId}/messages/file"): _file,
    ("GET", "/groups/@{groupName}/messages/file"): _file,
    ("POST", "/groups/{groupId}/messages"): lambda r: _write_message(r, "group", r.group()),
    ("POST", "/groups/@{groupName}/messages"): lambda r: _write_message(r, "group", r.group()),
    ("POST", "/users"): lambda request: _new_user(request, "lead"),
    ("GET", "/users/{userId}"): lambda request: {"user": request.user(), "online": False},
    ("GET", "/users/@{memberId}"): lambda request: {"user": request.user(), "online": False},
    ("PATCH", "/users/{userId}"): lambda r: _patch(r.user(), r, ("profile", "tags", "language"), "user"),
    ("PUT", "/users/@{memberId}"): _upsert_user,
    ("DELETE", "/users/{userId}"): _delete_user,
    ("DELETE", "/users/@{memberId}"): _delete_user,
    ("POST", "/users/{userId}/block"): _set_blocked(True),
    ("DELETE", "/users/{userId}/block"): _set_blocked(False),
    ("POST", "/users/{userId}/touch"): _touch,
    ("GET", "/users/{userId}/user-chats"): _user_chats_of_user,
    ("POST", "/users/{userId}/user-chats"): _open_chat_with_user,
    ("GET", "/users/{userId}/events"): _user_events,
    ("POST", "/users/{userId}/events"): _record_event,
    ("GET", "/user-chats"): _user_chats,
    ("GET", "/user-chats/{userChatId}"): _user_chat,
    ("PATCH", "/user-chats/{userChatId}"): lambda r: _patch(r.chat(), r, ("description",), "userChat"),
    ("DELETE", "/user-chats/{userChatId}"): _delete_chat,
    ("DELETE", "/user-chats/{userChatId}/remove"): _delete_chat,
    ("PUT", "/user-chats/{userChatId}/open"): _change_chat("opened"),
    ("PATCH", "/user-chats/{userChatId}/close"): _change_chat("closed"),
    ("PUT", "/user-chats/{userChatId}/snooze"): _change_chat("snoozed"),
    ("PATCH", "/user-chats/{userChatId}/invite"): _invite,
    ("PATCH", "/user-chats/{userChatId}/assign-to/managers/{managerId}"): _assign,
    ("GET", "/user-chats/{userChatId}/sessions"): lambda r: _sessions(r, r.chat(), "userChat"),
    ("GET", "/user-chats/{userChatId}/messages"): lambda r: _messages_of(r, r.chat()["id"]),
    ("GET", "/user-chats/{userChatId}/messages/file"): _file,
    ("POST", "/user-chats/{userChatId}/messages"): lambda r: _write_message(r, "userChat", r.chat()),
    ("GET", "/meet/call/log"): _calls,
}
