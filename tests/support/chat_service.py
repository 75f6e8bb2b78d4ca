"""A service of chats in memory that changes between the requests, sorted or not, with either kind of cursor."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from airflow_channel_provider.exceptions import ChannelRequestError

Row = dict[str, Any]


class Page(NamedTuple):
    answer: Any
    items: list[Any]
    since: object
    next: object


class ChatService:
    """
    :param seed: of all that is random.
    :param sorted_by: gives the place of a chat in a list, latest first; None: by an order of its own.
    :param positional: whether a cursor is a position, or names what came last.
    :param size: rows of a page.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        now_ms: int = 1_000_000,
        sorted_by: str | None = "updatedAt",
        positional: bool = False,
        size: int = 3,
    ) -> None:
        self.random = random.Random(seed)
        self.now_ms = now_ms
        self.sorted_by = sorted_by
        self.positional = positional
        self.size = size
        self.chats: dict[str, Row] = {}
        self.messages: dict[str, list[Row]] = {}
        self.users: dict[str, Row] = {}
        self.others: dict[str, Any] = {}
        self.between: Callable[[], None] = lambda: None
        self.requests: list[str] = []
        self.refusals: dict[str, Exception] = {}

    # ---- what happens

    def tick(self) -> int:
        self.now_ms += self.random.randint(1, 3_000)
        return self.now_ms

    def add_chat(self) -> str:
        name, at = f"c-{len(self.chats):04d}", self.tick()
        user = f"u-{len(self.chats) // 2:04d}"
        self.users[user] = {"id": user, "name": "Mina", "updatedAt": at}
        self.chats[name] = {
            "id": name,
            "userId": user,
            "state": "opened",
            "createdAt": at,
            "updatedAt": at,
            "version": 0,
        }
        self.messages[name] = []
        self.add_message(name)
        return name

    def touch(self, name: str) -> None:
        chat = self.chats[name]
        chat["updatedAt"] = self.tick()
        chat["version"] += 1
        self.users[chat["userId"]]["updatedAt"] = chat["updatedAt"]

    def add_message(self, name: str) -> None:
        self.touch(name)
        messages = self.messages[name]
        messages.append(
            {"id": f"{name}-m{len(messages)}", "chatId": name, "createdAt": self.chats[name]["updatedAt"]}
        )

    def edit_message(self, name: str) -> None:
        self.touch(name)
        message = self.random.choice(self.messages[name])
        message.update(updatedAt=self.chats[name]["updatedAt"], plainText=f"edited {self.now_ms}")

    def close(self, name: str) -> None:
        self.touch(name)
        self.chats[name]["state"] = self.random.choice(["opened", "closed", "snoozed"])

    def change(self, times: int = 1) -> None:
        for _ in range(times):
            act = self.random.choice([self.add_message, self.edit_message, self.close, self.touch, None])
            if act is None or not self.chats:
                self.add_chat()
            else:
                act(self.random.choice(list(self.chats)))

    # ---- what is asked

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        self._arrive(path)
        if path == "/user-chats":
            return {"userChats": _copy(self._listed((params or {})["state"])[: (params or {})["limit"]])}
        if path.startswith("/users/"):
            return {"user": _copy(self.users[path.rpartition("/")[2]])}
        return _copy(self.others[path])

    def pages(self, stream: str, *, since: object = None, **filters: Any) -> Iterator[Page]:
        while True:
            self._arrive(stream)
            if stream == "/user-chats":
                rows, field = self._listed(filters["state"]), "userChats"
            elif stream.endswith("/messages"):
                rows, field = self.messages[stream.split("/")[2]], "messages"
            else:
                rows, field = self.others[stream], "items"
            left = self._behind(rows, since)
            chosen = _copy(left[: self.size])
            users = {row.get("userId") for row in chosen} if field == "userChats" else ()
            answer = {
                field: chosen,
                "users": _copy([self.users[name] for name in users if name in self.users]),
            }
            following = self._cursor(rows, chosen, since) if len(left) > self.size else None
            yield Page(answer, chosen, since, following)
            if following is None:
                return
            since = following

    def pages_of_others(self, stream: str, *, since: object = None, **_: Any) -> Iterator[Page]:
        """Yield the pages of one of the other lists; the cursor is a position."""
        rows, at = self.others[stream], int(str(since or 0))
        while True:
            following = at + self.size if at + self.size < len(rows) else None
            yield Page({}, [dict(row) for row in rows[at : at + self.size]], at or None, following)
            if following is None:
                return
            at = following

    def pages_without_users(self, stream: str, **how: Any) -> Iterator[Page]:
        """Yield the pages of a list that leaves the users of its chats out."""
        for page in ChatService.pages(self, stream, **how):
            page.answer["users"] = []
            yield page

    def _arrive(self, path: str) -> None:
        self.requests.append(path)
        self.between()
        if path in self.refusals:
            raise self.refusals[path]

    def _listed(self, state: str) -> list[Row]:
        return sorted(
            (chat for chat in self.chats.values() if chat["state"] == state), key=self._place, reverse=True
        )

    def _place(self, row: Row) -> tuple[Any, str]:
        if self.sorted_by is None:
            return json.dumps(row["id"])[::-1], row["id"]
        return row.get(self.sorted_by) or row["createdAt"], row["id"]

    def _behind(self, rows: list[Row], since: object) -> list[Row]:
        if since is None:
            return rows
        if since == "bad":
            raise ChannelRequestError("no such cursor", http_status=422)
        cursor = json.loads(str(since))
        if self.positional:
            return rows[cursor:]
        if rows and "chatId" in rows[0]:
            ids = [row["id"] for row in rows]
            return rows[ids.index(cursor[1]) + 1 :]
        return [row for row in rows if self._place(row) < tuple(cursor)]

    def _cursor(self, rows: list[Row], chosen: list[Row], since: object) -> str:
        if self.positional:
            return json.dumps((json.loads(str(since)) if since else 0) + len(chosen))
        return json.dumps(self._place(chosen[-1]))


def chats_of(service: ChatService) -> dict[str, Row]:
    """Return the chats of a service, by id."""
    return dict(service.chats)


def messages_of(service: ChatService) -> dict[str, Row]:
    """Return the messages of all its chats, by id."""
    return {message["id"]: message for messages in service.messages.values() for message in messages}


def users_of(service: ChatService) -> dict[str, Row]:
    """Return its users, by id."""
    return dict(service.users)


def _copy(value: Any) -> Any:
    return json.loads(json.dumps(value))
