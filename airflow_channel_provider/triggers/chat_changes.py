"""
What has happened to the user chats of a channel since a moment, read from the lists of Open API.

The lists have no filter by time, and the service does not state by what it sorts them. A list that has shown that it is
sorted by ``updatedAt``, newest first, is read until it is older than the moment; any other one is read to its end. A
chat that changes while the lists are read may stand in none of them: so the next moment is the newest change that the
reading *before* had seen, and what is reported a second time has the same key.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from airflow_channel_provider.times import to_ms

EVENTS: Mapping[str, str] = {"opened": "openedAt", "closed": "closedAt", "changed": "updatedAt"}
"""Each event by the time of a chat that says when it happened."""
PAGE_SIZE = 100
MOST_KEYS = 10_000


@dataclass(frozen=True, slots=True)
class Reading:
    """
    One look at all lists.

    :param since_ms: all that changed from then on is in it; epoch milliseconds.
    :param before_ms: what the reading before saw as the newest change: all before it has been in one of the two.
    :param newest_ms: the newest change of all chats that were seen; ``since_ms`` where there was none.
    :param chats: those that changed, oldest change first.
    """

    since_ms: int
    before_ms: int
    newest_ms: int
    chats: tuple[Mapping[str, Any], ...]


class Cursor(NamedTuple):
    """
    What has been reported to an asset.

    :param at_ms: all that changed before has been reported; epoch milliseconds.
    :param keys: the events since then that have been reported as well.
    """

    at_ms: int
    keys: frozenset[str] = frozenset()

    @classmethod
    def from_json(cls, value: Any) -> Cursor | None:
        """Read what was stored; None where it is no cursor."""
        if not isinstance(value, Mapping):
            return None
        at_ms, keys = value.get("at_ms"), value.get("keys")
        if isinstance(at_ms, bool) or not isinstance(at_ms, int) or not isinstance(keys, list):
            return None
        return cls(at_ms, frozenset(key for key in keys if isinstance(key, str)))

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {"at_ms": self.at_ms, "keys": sorted(self.keys)[-MOST_KEYS:]}


def read_changes(
    pages: Callable[[str], Iterable[list[Any]]], since_ms: int | None, before_ms: int | None = None
) -> Reading:
    """
    Read the lists.

    :param pages: yields the chats of a state, page by page; no page is asked for before the one in front was read.
    :param since_ms: from when on; None: from the newest change on, whenever that was.
    :param before_ms: the newest change of the reading before; None: there was none.
    """
    from airflow_channel_provider.contract.open_api import CHAT_STATES
    from airflow_channel_provider.extract.windows import FallingOrder

    newest = start = since_ms or 0
    order = FallingOrder()
    found: dict[str, tuple[int, Mapping[str, Any]]] = {}
    for state in CHAT_STATES:
        order.begin()
        for page in pages(state):
            chats = [chat for chat in page if isinstance(chat, Mapping)]
            changed = [_time(chat, "updatedAt") or _time(chat, "createdAt") for chat in chats]
            order.see(changed, [to_ms(chat.get("createdAt")) for chat in chats])
            newest = max([newest, *changed])
            start = newest if since_ms is None else since_ms
            found.update(
                (str(chat.get("id")), (at, chat))
                for chat, at in zip(chats, changed, strict=True)
                if at >= start
            )
            if order.is_past(start):
                break
    chats_in_order = (
        chat for _, _, chat in sorted((at, name, chat) for name, (at, chat) in found.items() if at >= start)
    )
    return Reading(start, start if before_ms is None else before_ms, newest, tuple(chats_in_order))


def events_of(
    reading: Reading, cursor: Cursor, *, events: Collection[str], fits: Callable[[Mapping[str, Any]], bool]
) -> tuple[list[dict[str, str | int]], Cursor]:
    """
    Return what has not been reported yet, and the cursor after it.

    :param reading: covers the cursor.
    :param events: of :data:`EVENTS`, those that are wanted.
    :param fits: whether a chat is one of those that are wanted.
    """
    new: list[dict[str, str | int]] = []
    at_ms, keys = max(cursor.at_ms, reading.before_ms), set()
    for chat in filter(fits, reading.chats):
        for payload in _happened(chat, cursor.at_ms, events):
            key = str(payload["key"])
            # What happened from the new moment on is read again, so its keys are kept.
            if int(payload["at_ms"]) >= at_ms:
                keys.add(key)
            if key not in cursor.keys:
                new.append(payload)
    return new, Cursor(at_ms, frozenset(keys))


def _happened(
    chat: Mapping[str, Any], since_ms: int, events: Collection[str]
) -> Iterator[dict[str, str | int]]:
    for event, field in EVENTS.items():
        at = _time(chat, field)
        if event in events and at >= max(since_ms, 1):
            yield _payload(chat, event, at)


def _payload(chat: Mapping[str, Any], event: str, at: int) -> dict[str, str | int]:
    """Texts and numbers, for the whole triggerer depends on it; ids alone, and nothing that a customer has written."""
    names = {
        "channel_id": "channelId",
        "user_chat_id": "id",
        "state": "state",
        "user_id": "userId",
        "assignee_id": "assigneeId",
    }
    texts: dict[str, str | int] = {
        name: value for name, field in names.items() if isinstance(value := chat.get(field), str) and value
    }
    return {"key": f"{chat.get('id')}:{event}:{at}", "event": event, "at_ms": at, **texts}


def _time(chat: Mapping[str, Any], field: str) -> int:
    return max(0, to_ms(chat.get(field)) or 0)
