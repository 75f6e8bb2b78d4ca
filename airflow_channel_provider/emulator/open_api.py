"""
Open API v5 over the same people, chats and messages as the App Store API: what is written here is read there.

A pair of keys is one channel. Every answer tells in its headers what is left of the channel's rate limit. Answers are
in the plain dialect: times in epoch milliseconds, the words of enums.
"""

from __future__ import annotations

import hmac
import math
from base64 import b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from airflow_channel_provider.contract.open_api import BASE_PATH, MAX_PAGE_SIZE, find_operation
from airflow_channel_provider.emulator.agents import plain_state, set_state
from airflow_channel_provider.emulator.answers import Answer
from airflow_channel_provider.emulator.dialect import write_result
from airflow_channel_provider.emulator.jsontypes import dump, load
from airflow_channel_provider.emulator.quota import FixedWindow
from airflow_channel_provider.emulator.state import new_chat_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from airflow_channel_provider.contract.open_api import Operation
    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject
    from airflow_channel_provider.emulator.request_record import RequestRecord
    from airflow_channel_provider.emulator.state import Channel, World

__all__ = ["OpenApi", "access_key_of", "access_secret_of"]

_DEFAULT_LIMIT = 25
_ORDERS = ("asc", "desc", "both")
_USER_CHAT_STATES = ("closed", "opened", "snoozed", "queued", "initial", "missed")
_CONTENT = ("plainText", "blocks", "buttons", "files", "webPage", "form", "options")
_MOST = {"buttons": 2, "files": 10}


def access_key_of(channel_id: str) -> str:
    """The access key of a channel."""
    return f"open-key-{channel_id}"


def access_secret_of(channel_id: str) -> str:
    """The access secret of a channel."""
    return f"open-secret-{channel_id}"


class _RefusedError(Exception):
    """The status and the words of a refusal."""

    def __init__(
        self, status: int, kind: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.kind, self.message, self.headers = status, kind, message, headers


def _invalid(message: str) -> _RefusedError:
    return _RefusedError(422, "unprocessableEntityError", message)


def _missing(what: str) -> _RefusedError:
    return _RefusedError(404, "notFoundError", f"{what} not found")


class _Request:
    """One request with what it is about."""

    def __init__(
        self,
        world: World,
        channel: Channel,
        operation: Operation,
        path: Mapping[str, str],
        query: Mapping[str, list[str]],
        body: JSON,
        at: float,
    ) -> None:
        self.world, self.channel, self.operation = world, channel, operation
        self.path, self.query, self.at = path, query, at
        self.body: JSONObject = body if isinstance(body, dict) else {}
        self.repeated = False

    @property
    def stamp(self) -> int:
        """Epoch milliseconds."""
        return int(self.at * 1000)

    def text(self, name: str) -> str:
        """A query parameter; empty where it is absent."""
        return (self.query.get(name) or [""])[0]

    def needed(self, name: str) -> str:
        """A query parameter that must be there."""
        if not (value := self.text(name)):
            raise _invalid(f"{name} is required")
        return value

    def find(self, things: Mapping[str, JSONObject], name: str, what: str) -> JSONObject:
        """One thing by an id in the path."""
        if (found := things.get(self.path[name])) is None:
            raise _missing(what)
        return found

    def chat(self) -> JSONObject:
        """The user chat of the path."""
        return self.find(self.channel.user_chats, "userChatId", "userChat")

    def user(self) -> JSONObject:
        """The user of the path, by id or by member ID."""
        if "memberId" not in self.path:
            return self.find(self.channel.users, "userId", "user")
        wanted = self.path["memberId"]
        for user in self.channel.users.values():
            if user.get("memberId") == wanted:
                return user
        raise _missing("user")

    def group(self) -> JSONObject:
        """The group of the path, by id or by name; private ones can't be read."""
        groups = self.channel.groups
        if "groupName" in self.path:
            wanted = self.path["groupName"]
            found = next((group for group in groups.values() if group.get("name") == wanted), None)
        else:
            found = groups.get(self.path["groupId"])
        if found is None or found.get("scope") == "private":
            raise _missing("group")
        return found


def _page(
    request: _Request, items: Iterable[JSONObject], place: Callable[[JSONObject], tuple[float, str]]
) -> tuple[list[JSONObject], JSONObject]:
    """One page, and the cursor behind it; opaque to whoever reads it."""
    limit_text = request.text("limit") or str(_DEFAULT_LIMIT)
    if not limit_text.isdecimal() or not 1 <= int(limit_text) <= MAX_PAGE_SIZE:
        raise _invalid(f"limit must be from 1 to {MAX_PAGE_SIZE}")
    order = request.text("sortOrder") or "desc"
    if order not in _ORDERS:
        raise _invalid(f"sortOrder must be one of {', '.join(_ORDERS)}")
    falling = order != "asc"
    left = sorted(items, key=place, reverse=falling)
    if since := request.text("since"):
        last = _read_cursor(since)
        left = [item for item in left if (place(item) < last if falling else place(item) > last)]
    chosen = left[: int(limit_text)]
    more = len(left) > len(chosen)
    return chosen, {"next": _write_cursor(place(chosen[-1]))} if more else {}


def _write_cursor(place: tuple[float, str]) -> str:
    return urlsafe_b64encode(f"{place[0]!r}\x00{place[1]}".encode()).decode()


def _read_cursor(cursor: str) -> tuple[float, str]:
    try:
        number, item_id = b64decode(cursor, altchars=b"-_", validate=True).decode().split("\x00")
        return float(number), item_id
    except ValueError:
        raise _invalid("since is invalid") from None


def _by_creation(item: JSONObject) -> tuple[float, str]:
    return float(item.get("createdAt") or 0), str(item.get("id") or item.get("key"))


def _by_id(item: JSONObject) -> tuple[float, str]:
    return 0.0, str(item["id"])


def _by_change(chat: JSONObject) -> tuple[float, str]:
    """Where a chat stands in the list: the vendor does not state it."""
    return float(chat.get("updatedAt") or chat.get("createdAt") or 0), str(chat["id"])


def _people(request: _Request, chats: list[JSONObject]) -> JSONObject:
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


def _channel(request: _Request) -> JSONObject:
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


def _user_chats(request: _Request) -> JSONObject:
    state = request.text("state") or "opened"
    if state not in _USER_CHAT_STATES:
        raise _invalid(f"state must be one of {', '.join(_USER_CHAT_STATES)}")
    chats = request.channel.user_chats.values()
    page, following = _page(
        request, (chat for chat in chats if plain_state(str(chat["state"])) == state), _by_change
    )
    return {**following, "userChats": page, **_people(request, page)}


def _user_chat(request: _Request) -> JSONObject:
    chat = request.chat()
    people = _people(request, [chat])
    return {
        "userChat": chat,
        "user": next(iter(people["users"]), None),
        "message": next(iter(people["messages"]), None),
        "chatTags": [],
    }


def _messages_of(request: _Request, chat_id: str) -> JSONObject:
    request.needed("sortOrder")
    page, following = _page(request, request.world.messages.listing(chat_id), _by_creation)
    return {**following, "messages": page, "bots": []}


def _sessions(request: _Request, chat: JSONObject, chat_type: str) -> JSONObject:
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


def _file(request: _Request) -> JSONObject:
    return {"result": f"https://files.example.com/{request.needed('key')}?signature=none"}


def _managers(request: _Request) -> JSONObject:
    page, following = _page_ascending(request, request.channel.managers.values())
    return {**following, "managers": page, "onlines": [], "operatorStatuses": []}


def _page_ascending(request: _Request, items: Iterable[JSONObject]) -> tuple[list[JSONObject], JSONObject]:
    request.query = {**request.query, "sortOrder": ["asc"]}
    return _page(request, items, _by_id)


def _groups(request: _Request) -> JSONObject:
    groups = (group for group in request.channel.groups.values() if group.get("scope") != "private")
    page, following = _page_ascending(request, groups)
    return {**following, "groups": page}


def _user_chats_of_user(request: _Request) -> JSONObject:
    request.needed("sortOrder")
    user_id = request.user()["id"]
    chats = (chat for chat in request.channel.user_chats.values() if chat.get("userId") == user_id)
    page, following = _page(request, chats, _by_change)
    people = _people(request, page)
    return {
        **following,
        "userChats": page,
        **{name: people[name] for name in ("messages", "sessions", "managers", "chatTags")},
    }


def _user_events(request: _Request) -> JSONObject:
    request.needed("sortOrder")
    user_id = request.user()["id"]
    events = (event for event in request.channel.events if event.get("userId") == user_id)
    page, following = _page(request, events, _by_creation)
    return {**following, "events": page}


def _manager(request: _Request) -> JSONObject:
    manager = request.find(request.channel.managers, "managerId", "manager")
    return {"manager": manager, "online": False}


def _group(request: _Request) -> JSONObject:
    return {"group": request.group(), "managers": [], "onlines": []}


# ---- writes


def _write_message(request: _Request, chat_type: str, chat: JSONObject) -> JSONObject:
    body, messages = request.body, request.world.messages
    if not any(body.get(name) for name in ("plainText", "blocks", "files", "webPage", "form")):
        raise _invalid("a message needs plainText, blocks, files, webPage or form")
    for name, most in _MOST.items():
        if len(body.get(name) or ()) > most:
            raise _invalid(f"{name} may be at most {most}")
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


def _change_chat(state: str) -> Callable[[_Request], JSONObject]:
    def change(request: _Request) -> JSONObject:
        for name in request.operation.required:
            request.needed(name)
        chat = request.chat()
        set_state(chat, state, request.stamp)
        return {"userChat": chat}

    return change


def _assign(request: _Request) -> JSONObject:
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


def _invite(request: _Request) -> JSONObject:
    request.needed("botName")
    chat, channel = request.chat(), request.channel
    wanted = request.query.get("managerIds") or []
    if any(name not in channel.managers for name in wanted):
        raise _missing("manager")
    chat.update(
        managerIds=list(dict.fromkeys([*chat.get("managerIds", []), *wanted])), updatedAt=request.stamp
    )
    return {"userChat": chat}


def _patch(thing: JSONObject, request: _Request, names: tuple[str, ...], kind: str) -> JSONObject:
    thing.update({name: request.body[name] for name in names if name in request.body})
    thing["updatedAt"] = request.stamp
    return {kind: thing}


def _new_user(request: _Request, kind: str, **more: JSON) -> JSONObject:
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
    return {"user": user}


def _upsert_user(request: _Request) -> JSONObject:
    try:
        user = request.user()
    except _RefusedError:
        return _new_user(request, "member", memberId=request.path["memberId"])
    profile = request.body.get("profile")
    if isinstance(profile, dict):
        request.body = {**request.body, "profile": {**(user.get("profile") or {}), **profile}}
    return _patch(user, request, ("profile", "tags", "language"), "user")


def _delete_user(request: _Request) -> JSONObject:
    del request.channel.users[request.user()["id"]]
    return {}


def _set_blocked(blocked: bool) -> Callable[[_Request], JSONObject]:
    def change(request: _Request) -> JSONObject:
        user = request.user()
        user.update(blocked=blocked, updatedAt=request.stamp)
        return {"user": user}

    return change


def _touch(request: _Request) -> JSONObject:
    user = request.user()
    user.update(lastSeenAt=request.stamp, sessionsCount=int(user.get("sessionsCount") or 0) + 1)
    return {"user": user}


def _open_chat_with_user(request: _Request) -> JSONObject:
    chat: JSONObject = {
        "id": request.world.new_id("chat"),
        "channelId": request.channel.id,
        "userId": request.user()["id"],
        "createdAt": request.stamp,
        **new_chat_fields(request.stamp),
    }
    request.channel.user_chats[chat["id"]] = chat
    return {"userChat": chat}


def _record_event(request: _Request) -> JSONObject:
    name = request.body.get("name")
    if not isinstance(name, str) or not 1 <= len(name) <= 64:
        raise _invalid("name must have 1 to 64 characters")
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


def _delete_chat(request: _Request) -> JSONObject:
    del request.channel.user_chats[request.chat()["id"]]
    return {}


def _group_id(request: _Request) -> str:
    return str(request.group()["id"])


_HANDLERS: dict[tuple[str, str], Callable[[_Request], JSON]] = {
    ("GET", "/channel"): _channel,
    ("GET", "/bots"): lambda request: {"bots": []},
    ("GET", "/chat-tags"): lambda request: {"chatTags": []},
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
    ("GET", "/meet/call/log"): lambda request: [],
}


class OpenApi:
    """
    Answers the requests below ``/open/v5``.

    :param world: what is read and written.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._windows: dict[str, FixedWindow] = {}

    def answer(
        self, record: RequestRecord, verb: str, path: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        """
        Carry out one request.

        :param record: gets what the journal wants to know.
        :param path: decoded, below ``/open/v5``.
        :param query: as it was sent.
        """
        told: dict[str, str] = {}
        try:
            channel = self._channel_of(headers)
            record.scope = f"channel:{channel.id}"
            told = self._limited(channel, record.at)
            operation, variables = _operation(verb, path)
            parsed_query = parse_qs(query, keep_blank_values=True)
            request = _Request(
                self._world, channel, operation, variables, parsed_query, _read(body), record.at
            )
            record.params = {**request.body, **{name: values[-1] for name, values in request.query.items()}}
            record.request_id = request.body.get("requestId")
            result = _HANDLERS[verb, operation.path](request)
            record.acted, record.repeated = verb != "GET", request.repeated
            return Answer(200, dump(write_result(result, "plain")), told)
        except _RefusedError as refused:
            record.error = refused.message
            return _refusal(refused, told)

    def _channel_of(self, headers: Mapping[str, str]) -> Channel:
        key, secret = headers.get("x-access-key", ""), headers.get("x-access-secret", "")
        for channel in self._world.channels.values():
            pair = (access_key_of(channel.id), access_secret_of(channel.id))
            if all(
                hmac.compare_digest(a.encode(), b.encode()) for a, b in zip((key, secret), pair, strict=True)
            ):
                return channel
        raise _RefusedError(401, "unauthorizedError", "unauthorized")

    def _limited(self, channel: Channel, at: float) -> dict[str, str]:
        """Count the request; return the headers that tell of the limit."""
        settings = self._world.settings
        window = self._windows.setdefault(channel.id, FixedWindow(0, 60))
        window.limit = settings.open_api_rate_limit
        window.window_seconds = settings.open_api_rate_limit_window_seconds
        allowed = window.hit(at)
        told = {
            "x-ratelimit-limit": str(window.limit),
            "x-ratelimit-remaining": str(window.remaining(at)),
            "x-ratelimit-reset": str(math.ceil(window.ends_at(at))),
        }
        if not allowed:
            raise _RefusedError(429, "rateLimitError", "rate limit exceeded", told)
        return told


def _operation(verb: str, path: str) -> tuple[Operation, dict[str, str]]:
    found = find_operation(verb, path.removeprefix(BASE_PATH))
    if found is None or (verb, found[0].path) not in _HANDLERS:
        raise _missing("endpoint")
    return found


def _read(body: bytes) -> JSON:
    if not body.strip():
        return None
    try:
        return load(body)
    except ValueError:
        raise _RefusedError(400, "badRequestError", "the body is no JSON") from None


def _refusal(refused: _RefusedError, told: dict[str, str]) -> Answer:
    body = {
        "type": refused.kind,
        "status": refused.status,
        "language": "en",
        "errors": [{"message": refused.message}],
    }
    return Answer(refused.status, dump(body), dict(refused.headers or told))
