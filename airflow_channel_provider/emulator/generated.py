"""
A channel full of chats that are made up when they are asked for, and that go on changing while they are read.

Only what has changed is stored. A change is the next message, an edited one, another state, a new chat, or a user's new
data; each sets the ``updatedAt`` of the chat, so that a list by it moves. The same seed makes the same changes.
"""

from __future__ import annotations

import json
from bisect import bisect_left, insort
from dataclasses import dataclass, field
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from airflow_channel_provider.emulator.generated_numbers import (
    CHATS_PER_USER,
    EVENTS_PER_USER,
    Numbers,
    mixed,
)
from airflow_channel_provider.emulator.generated_texts import Texts, chat_id, message_id, number_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airflow_channel_provider.emulator.jsontypes import JSONObject

CHAT_ORDERS = ("updatedAt", "none")
"""In which order chats are listed: by their last change, or by nothing that a chat says of itself."""

_AFTER = {"opened": "closed", "closed": "opened", "initial": "opened", "queued": "opened"}
_CHATS_PER_CALL = 50
_NEW_CHAT_STATE = "opened"
# Positions in no order, as a step through a prime number of them: room for as many new chats as there were.
_STRIDE = 0x9E3779B1


class Place(NamedTuple):
    """Where a chat stands in a list: by a number, and by its id among equals."""

    number: float
    item_id: str


@dataclass(slots=True)
class _Change:
    """What a chat has become."""

    state: str
    updated_ms: int
    version: int
    created_ms: int | None = None
    added_ms: list[int] = field(default_factory=list)
    edited_ms: dict[int, tuple[int, int]] = field(default_factory=dict)


class GeneratedChats:
    """
    The generated chats of one channel.

    :param channel_id: which.
    :param manager_ids: who answers.
    :param numbers: how many there are, and how they are before anything changes.
    """

    def __init__(self, channel_id: str, manager_ids: Iterable[str], numbers: Numbers) -> None:
        self._numbers = numbers
        self._texts = Texts(
            json.dumps(channel_id), tuple(json.dumps(name) for name in manager_ids), numbers.seed
        )
        self._changed: dict[int, _Change] = {}
        self._users: dict[int, tuple[int, int]] = {}
        self._taken: set[int] = set()
        self._taken_users: set[int] = set()
        self._by_change: dict[str, list[tuple[int, int]]] = {}
        self._count = numbers.chats
        self._positions = _prime_from(2 * numbers.chats + 100)
        self._stride = _STRIDE % self._positions
        self._inverse = pow(self._stride, -1, self._positions)
        self._due = 0.0
        self.changes = 0

    # ---- one of them

    def chat(self, item_id: str) -> JSONObject | None:
        """One chat; None where it is not, or no longer, a generated one."""
        number = self._chat_number(item_id)
        return None if number is None else json.loads(self._chat_text(number))

    def user(self, item_id: str) -> JSONObject | None:
        """One user; as for chats."""
        number = number_of("user", item_id)
        if number is None or not self._has_user(number) or number in self._taken_users:
            return None
        found: JSONObject = json.loads(self._user_text(number))
        return found

    def user_id_of(self, item_id: str) -> str:
        """Whose chat a generated one is."""
        return f"user-g-{self._numbers.user(number_of('chat', item_id) or 0):08d}"

    def user_of_member(self, member_id: str) -> JSONObject | None:
        """One user by its member ID."""
        number = number_of("member", member_id)
        return None if number is None else self.user(f"user-g-{number:08d}")

    def take_chat(self, item_id: str) -> JSONObject | None:
        """One chat for somebody else to keep and change; its messages so far stay here."""
        if (found := self.chat(item_id)) is not None:
            number = number_of("chat", item_id) or 0
            self._taken.add(number)
            self._unlist(number)
        return found

    def take_user(self, item_id: str) -> JSONObject | None:
        """One user for somebody else to keep and change."""
        if (found := self.user(item_id)) is not None:
            self._taken_users.add(number_of("user", item_id) or 0)
        return found

    def chats_of(self, user_id: str) -> list[JSONObject]:
        """The chats of a user that nobody took over."""
        user = number_of("user", user_id)
        numbers = () if user is None else self._numbers.chats_of(user)
        return [json.loads(self._chat_text(n)) for n in numbers if n < self._count and n not in self._taken]

    def events_of(self, user_id: str) -> list[JSONObject]:
        """What a user did."""
        user = number_of("user", user_id)
        if user is None or not self._has_user(user):
            return []
        created = self._user_created_ms(user)
        return [
            json.loads(self._texts.event(user, n, created=created + n * 1000)) for n in range(EVENTS_PER_USER)
        ]

    def messages_of(self, item_id: str) -> list[tuple[Place, str]] | None:
        """The messages of a chat as their JSON, oldest first; None where it is no generated chat."""
        number = number_of("chat", item_id)
        if number is None or number >= self._count:
            return None
        return [self._message(number, n) for n in range(self._message_count(number))]

    def calls(self, first_ms: int, end_ms: int) -> list[JSONObject]:
        """The calls that began in a stretch of time, its end excluded; epoch milliseconds."""
        numbers = self._numbers
        start = -(-numbers.first_changed_since(first_ms) // _CHATS_PER_CALL) * _CHATS_PER_CALL
        chats = range(start, numbers.first_changed_since(end_ms), _CHATS_PER_CALL)
        return [json.loads(self._texts.call(n, created=numbers.updated_at_ms(n))) for n in chats]

    # ---- all of them

    def listing(
        self, state: str, order: str, *, falling: bool, beyond: Place | None
    ) -> Iterator[tuple[Place, str]]:
        """
        The chats of a state with their places, in order.

        :param state: such as ``opened``.
        :param order: one of :data:`CHAT_ORDERS`.
        :param falling: the last first.
        :param beyond: only those that follow this place.
        """
        if order == "none":
            return self._in_no_order(state, falling, beyond)
        changed = self._listed(state, falling, beyond)
        unchanged = self._unchanged(state, falling, beyond)
        return merge(changed, unchanged, key=lambda found: found[0], reverse=falling)

    def place_of(self, chat: JSONObject, order: str) -> Place:
        """Where a chat that is not generated stands among those that are."""
        if order == "none":
            item_id = str(chat["id"])
            number = number_of("chat", item_id)
            seen = sum(item_id.encode()) if number is None else number * self._stride
            return Place(float(seen % self._positions), item_id)
        return Place(float(chat.get("updatedAt") or chat.get("createdAt") or 0), str(chat["id"]))

    def last_message_of(self, item_id: str) -> str | None:
        """The JSON of the last message of a generated chat."""
        number = number_of("chat", item_id)
        if number is None or number >= self._count:
            return None
        return self._message(number, self._message_count(number) - 1)[1]

    def user_text(self, item_id: str) -> str | None:
        """The JSON of a user that nobody took over."""
        number = number_of("user", item_id)
        known = number is not None and self._has_user(number) and number not in self._taken_users
        return self._user_text(number) if known and number is not None else None

    def state_part(self, kind: str, start: int, count: int) -> tuple[list[JSONObject], int | None]:
        """
        Some of all that there is now, for a comparison with what was read.

        :param kind: userChats, messages or users.
        :param start: number of the first chat or user.
        :param count: of how many of them.
        :return: the things, and where to go on; None at the end.
        """
        total = self._count if kind != "users" else self._numbers.user(self._count - 1) + 1
        numbers = range(start, min(start + count, total))
        if kind == "userChats":
            texts = [self._chat_text(n) for n in numbers if n not in self._taken]
        elif kind == "messages":
            texts = [self._message(n, m)[1] for n in numbers for m in range(self._message_count(n))]
        elif kind == "users":
            texts = [self._user_text(n) for n in numbers if n not in self._taken_users]
        else:
            raise ValueError("kind must be one of userChats, messages, users")
        return json.loads(f"[{','.join(texts)}]"), numbers.stop if numbers.stop < total else None

    # ---- changes

    def live_on(self, changes: float, now: float) -> None:
        """
        Let as many changes happen as are due.

        :param changes: how many, also a part of one: parts add up.
        :param now: epoch seconds.
        """
        self._due += changes
        while self._due >= 1:
            self._due -= 1
            self.change(int(now * 1000))

    def change(self, now_ms: int) -> None:
        """Let the next change happen; ``now_ms`` in epoch milliseconds."""
        self.changes += 1
        bits = mixed(self._numbers.seed + 6, self.changes)
        kind = bits % 100
        if kind < 5 and self._count < 2 * self._numbers.chats:
            self._begin(now_ms)
            return
        number = mixed(self._numbers.seed + 7, self.changes) % self._count
        if number in self._taken:
            return
        change = self._changeable(number)
        now_ms = max(now_ms, change.updated_ms)
        state = change.state
        if kind < 65:
            change.added_ms.append(now_ms)
        elif kind < 75:
            message = bits // 100 % self._message_count(number)
            version = change.edited_ms.get(message, (0, 1))[1] + 1
            change.edited_ms[message] = (now_ms, version)
        elif kind < 85:
            self._change_user(self._numbers.user(number), now_ms)
        else:
            state = _AFTER.get(change.state, "closed")
        self._list_anew(number, change, state, now_ms)

    def _begin(self, now_ms: int) -> None:
        number, self._count = self._count, self._count + 1
        change = _Change(_NEW_CHAT_STATE, now_ms, 1, created_ms=now_ms, added_ms=[now_ms])
        self._changed[number] = change
        insort(self._by_change.setdefault(change.state, []), (now_ms, number))

    def _change_user(self, user: int, now_ms: int) -> None:
        self._users[user] = (now_ms, self._users.get(user, (0, 1))[1] + 1)

    def _changeable(self, number: int) -> _Change:
        if number not in self._changed:
            updated = self._numbers.updated_at_ms(number)
            self._changed[number] = _Change(self._numbers.state(number), updated, 1)
        return self._changed[number]

    def _list_anew(self, number: int, change: _Change, state: str, now_ms: int) -> None:
        self._unlist(number)
        change.state, change.updated_ms, change.version = state, now_ms, change.version + 1
        insort(self._by_change.setdefault(state, []), (now_ms, number))

    def _unlist(self, number: int) -> None:
        if (change := self._changed.get(number)) is None:
            return
        listed, key = self._by_change.get(change.state, []), (change.updated_ms, number)
        at = bisect_left(listed, key)
        if at < len(listed) and listed[at] == key:
            del listed[at]

    # ---- lists

    def _listed(self, state: str, falling: bool, beyond: Place | None) -> Iterator[tuple[Place, str]]:
        listed = self._by_change.get(state, [])
        if beyond is not None:
            at = bisect_left(listed, beyond, key=lambda key: Place(float(key[0]), chat_id(key[1])))
            if not falling and at < len(listed) and _place(*listed[at]) == beyond:
                at += 1
            numbers = reversed(listed[:at]) if falling else iter(listed[at:])
        else:
            numbers = reversed(listed) if falling else iter(listed)
        return ((_place(updated, number), self._chat_text(number)) for updated, number in numbers)

    def _unchanged(self, state: str, falling: bool, beyond: Place | None) -> Iterator[tuple[Place, str]]:
        length, slots = self._numbers.slots(state)
        if not slots:
            return
        total = self._numbers.chats
        first, end = 0, total
        if beyond is not None:
            border = self._numbers.first_changed_since(beyond.number)
            # Neighbours share a time: the chats at the border are compared one by one.
            first, end = (0, min(total, border + 2 * length)) if falling else (border, total)
        blocks: Iterable[int] = range(first // length, (end - 1) // length + 1)
        if falling:
            blocks, slots = reversed(range(first // length, (end - 1) // length + 1)), slots[::-1]
        for block in blocks:
            for slot in slots:
                number = block * length + slot
                if not first <= number < end or number in self._changed or number in self._taken:
                    continue
                place = _place(self._numbers.updated_at_ms(number), number)
                if beyond is None or (place < beyond if falling else place > beyond):
                    yield place, self._chat_text(number)

    def _in_no_order(self, state: str, falling: bool, beyond: Place | None) -> Iterator[tuple[Place, str]]:
        positions: Iterable[int] = range(self._positions)
        if falling:
            last = self._positions - 1 if beyond is None else min(int(beyond.number), self._positions - 1)
            positions = range(last, -1, -1)
        elif beyond is not None:
            positions = range(max(0, int(beyond.number)), self._positions)
        for position in positions:
            number = position * self._inverse % self._positions
            if number >= self._count or number in self._taken:
                continue
            change = self._changed.get(number)
            if (change.state if change else self._numbers.state(number)) != state:
                continue
            place = Place(float(position), chat_id(number))
            if beyond is None or (place < beyond if falling else place > beyond):
                yield place, self._chat_text(number)

    # ---- texts

    def _chat_number(self, item_id: str) -> int | None:
        number = number_of("chat", item_id)
        return number if number is not None and number < self._count and number not in self._taken else None

    def _has_user(self, number: int) -> bool:
        return number * CHATS_PER_USER < self._count

    def _message_count(self, number: int) -> int:
        base = self._numbers.messages(number) if number < self._numbers.chats else 0
        change = self._changed.get(number)
        return base + (len(change.added_ms) if change else 0)

    def _created_ms(self, number: int) -> int:
        change = self._changed.get(number)
        if change is not None and change.created_ms is not None:
            return change.created_ms
        return self._numbers.created_at_ms(number)

    def _chat_text(self, number: int) -> str:
        change = self._changed.get(number)
        numbers = self._numbers
        return self._texts.chat(
            number,
            user=numbers.user(number),
            state=change.state if change else numbers.state(number),
            created=self._created_ms(number),
            updated=change.updated_ms if change else numbers.updated_at_ms(number),
            messages=self._message_count(number),
            version=change.version if change else 1,
        )

    def _user_created_ms(self, user: int) -> int:
        return self._created_ms(user * CHATS_PER_USER) - 1000

    def _user_text(self, user: int) -> str:
        created = self._user_created_ms(user)
        updated, version = self._users.get(user, (created, 1))
        return self._texts.user(user, created=created, updated=updated, version=version)

    def _message(self, number: int, message: int) -> tuple[Place, str]:
        base = self._numbers.messages(number) if number < self._numbers.chats else 0
        change = self._changed.get(number)
        added = change.added_ms if change else []
        created = self._numbers.message_at_ms(number, message) if message < base else added[message - base]
        edited, version = (change.edited_ms if change else {}).get(message, (None, 1))
        text = self._texts.message(
            number, message, user=self._numbers.user(number), created=created, edited=edited, version=version
        )
        return Place(float(created), message_id(number, message)), text


def _place(updated_ms: int, number: int) -> Place:
    return Place(float(updated_ms), chat_id(number))


def _prime_from(least: int) -> int:
    number = least | 1
    while any(number % divisor == 0 for divisor in range(3, int(number**0.5) + 1, 2)):
        number += 2
    return number


def page_of_places(
    found: Iterator[tuple[Place, str]], limit: int
) -> tuple[list[tuple[Place, str]], Place | None]:
    """
    The first of a list, and the place behind which the next page begins; None at its end.

    :param found: in order.
    :param limit: how many.
    """
    page = list(islice(found, limit + 1))
    return page[:limit], page[limit - 1][0] if len(page) > limit else None
