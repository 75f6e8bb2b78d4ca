"""
Watches the user chats of a channel for assets, for deployments that nothing can reach from outside.

All watchers of one connection and interval share one poll, whatever they watch: a *feed*. Each has a cursor of its own,
which says what it has reported to its asset; the feed reads from the oldest of them. A cursor moves on only when the
events before it are stored in Airflow's database, so that a killed triggerer loses none; what is reported again has the
same key.

Before Airflow 3.3.2 each watcher polls by itself. Before Airflow 3.3 there is no store for a cursor: a watcher then
reports what has happened in the last ``lookback_seconds`` before its start, and what happens later.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import TriggerEvent
from asgiref.sync import sync_to_async

from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.triggers.chat_changes import (
    EVENTS,
    PAGE_SIZE,
    Cursor,
    Reading,
    events_of,
    read_changes,
)

try:
    from airflow.triggers.base import BaseEventTrigger
except ImportError:  # Before Airflow 3.0 there are no watchers; the module can be imported all the same.
    from airflow.triggers.base import BaseTrigger as BaseEventTrigger  # type: ignore[assignment]

try:
    from airflow.triggers.shared_stream import SharedStreamProducer
except ImportError:  # Before Airflow 3.3.2 nothing is shared.
    SharedStreamProducer = object  # type: ignore[assignment,misc]

if TYPE_CHECKING:
    from airflow_channel_provider.hooks.open_api import ChannelTalkOpenApiHook

__all__ = ["UserChatWatcher"]

CURSORS = "channel_talk_user_chats_"
"""What the names of all cursors begin with."""
MAX_WAIT_SECONDS = 3.0
MOST_CHATS = 1_000
"""Maximum number of chats in one asset event."""


class UserChatWatcher(BaseEventTrigger):
    """
    Reports to an asset which user chats are opened, closed or changed; for an ``AssetWatcher``.

    All that a poll finds is one asset event, since Airflow may give a run only the first of several. Its payload has
    ``chats``, a list, oldest change first. Each item has ``key`` (the same if it is reported again), ``event``,
    ``at_ms`` (epoch milliseconds), ``channel_id``, ``user_chat_id``, ``state``, ``user_id`` and ``assignee_id``; what
    the chat lacks is left out.

    :param events: which of ``opened``, ``closed`` and ``changed`` to report. ``changed`` is any change, of which those
        between two polls count as one.
    :param tags: only chats that have one of these tags; None: all.
    :param assignee_ids: only chats of these managers; None: all.
    :param poll_interval: seconds between two polls. Each poll reads the six lists of states.
    :param lookback_seconds: how far a watcher without a cursor looks back.
    :param channel_talk_open_api_conn_id: connection of the type ``channel_talk_open_api``.
    """

    def __init__(
        self,
        *,
        events: Collection[str] = ("opened", "closed"),
        tags: Collection[str] | None = None,
        assignee_ids: Collection[str] | None = None,
        poll_interval: float = 60.0,
        lookback_seconds: float = 0.0,
        channel_talk_open_api_conn_id: str = "channel_talk_open_api_default",
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        if isinstance(events, str) or not events or not set(events) <= EVENTS.keys():
            raise ChannelConfigurationError(f"events must be some of {', '.join(EVENTS)}.")
        try:
            seconds = float(poll_interval)
        except (TypeError, ValueError):
            seconds = math.nan
        if not (math.isfinite(seconds) and seconds > 0):
            raise ChannelConfigurationError("poll_interval must be a number of seconds above 0.")
        self.events = tuple(events)
        self.tags = None if tags is None else tuple(tags)
        self.assignee_ids = None if assignee_ids is None else tuple(assignee_ids)
        self.poll_interval = seconds
        self.lookback_seconds = lookback_seconds
        self.channel_talk_open_api_conn_id = channel_talk_open_api_conn_id
        self._feed: ChatFeed | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and its arguments."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "events": list(self.events),
            "tags": None if self.tags is None else list(self.tags),
            "assignee_ids": None if self.assignee_ids is None else list(self.assignee_ids),
            "poll_interval": self.poll_interval,
            "lookback_seconds": self.lookback_seconds,
            "channel_talk_open_api_conn_id": self.channel_talk_open_api_conn_id,
        }

    def shared_stream_key(self) -> tuple[str, ...]:
        """Name the feed: the connection and the interval."""
        return (type(self).__qualname__, self.channel_talk_open_api_conn_id, str(self.poll_interval))

    def cursor_key(self) -> str:
        """Name the cursor: an asset may have several watchers, and each reports other chats to it."""
        wanted = [
            self.channel_talk_open_api_conn_id,
            sorted(self.events),
            self.tags and sorted(self.tags),
            self.assignee_ids and sorted(self.assignee_ids),
        ]
        return CURSORS + hashlib.sha256(json.dumps(wanted).encode()).hexdigest()[:16]

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> ChatFeed:
        """Make the feed that all watchers of its name share."""
        return feed_of(cls(**kwargs))

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Any]) -> AsyncIterator[TriggerEvent]:
        """Yield the events in what the feed has read."""
        feed = self._feed or feed_of(self)
        cursor = written = await self._stored_cursor()
        unconfirmed: list[tuple[int, Cursor]] = []
        feed.wanted[id(self)] = cursor.at_ms if cursor else self._start_ms()
        try:
            async for number, reading in shared_stream:
                confirmed = [one for count, one in unconfirmed if count <= feed.confirmed]
                unconfirmed = [one for one in unconfirmed if one[0] > feed.confirmed]
                if confirmed and confirmed[-1] != written:
                    written = confirmed[-1]
                    await self._store_cursor(written)
                if cursor is None:
                    wanted = feed.wanted[id(self)]
                    cursor = Cursor(reading.newest_ms if wanted is None else wanted)
                    if wanted is None:  # what has the very time of the newest change was there before
                        _, cursor = events_of(reading, cursor, events=self.events, fits=self._fits)
                    written = cursor
                    feed.wanted[id(self)] = cursor.at_ms
                    await self._store_cursor(cursor)
                if cursor.at_ms < reading.since_ms:
                    continue  # the reading began before this watcher was there; the next one goes back far enough
                new, cursor = events_of(reading, cursor, events=self.events, fits=self._fits)
                for start in range(0, len(new), MOST_CHATS):
                    payload = {"chats": new[start : start + MOST_CHATS]}
                    yield TriggerEvent(payload)  # type: ignore[no-untyped-call]
                feed.wanted[id(self)] = cursor.at_ms
                unconfirmed.append((number, cursor))
        finally:
            feed.wanted.pop(id(self), None)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll alone, where Airflow shares nothing."""
        self._feed = feed = ChatFeed(self.channel_talk_open_api_conn_id, self.poll_interval)

        async def readings() -> AsyncIterator[Any]:
            async for reading, number in feed.open_stream():
                yield reading
                feed.confirmed = (
                    number  # nobody says when an event is stored; the next poll is later than that
                )

        try:
            async for event in self.filter_shared_stream(readings()):
                yield event
        finally:
            await feed.aclose()

    def _start_ms(self) -> int | None:
        """Where a watcher without a cursor begins; None: with what happens after the first reading."""
        return int((time.time() - self.lookback_seconds) * 1000) if self.lookback_seconds > 0 else None

    def _fits(self, chat: Mapping[str, Any]) -> bool:
        if self.tags is not None and not set(self.tags) & set(chat.get("tags") or ()):
            return False
        return self.assignee_ids is None or chat.get("assigneeId") in self.assignee_ids

    async def _stored_cursor(self) -> Cursor | None:
        store = _accessor(self)
        return None if store is None else Cursor.from_json(await store.aget(self.cursor_key()))

    async def _store_cursor(self, cursor: Cursor) -> None:
        if (store := _accessor(self)) is not None:
            await store.aset(self.cursor_key(), cursor.to_json())


class ChatFeed(SharedStreamProducer):
    """
    Polls the chats of one connection for all its watchers.

    :param conn_id: connection of the type ``channel_talk_open_api``.
    :param poll_interval: seconds between two polls.
    :ivar wanted: from when on each watcher wants to know, epoch milliseconds; None: from now on.
    :ivar confirmed: the number of the newest reading whose events are all stored.
    """

    def __init__(self, conn_id: str, poll_interval: float) -> None:
        self.conn_id = conn_id
        self.poll_interval = poll_interval
        self.wanted: dict[int, int | None] = {}
        self.confirmed = 0
        self._count = 0
        self._newest_ms: int | None = None
        self._hook: ChannelTalkOpenApiHook | None = None
        self._sleep: Callable[[float], Awaitable[object]] = asyncio.sleep

    async def open_stream(self) -> AsyncIterator[tuple[Any, Any]]:
        """Yield each reading with its number, and the number again."""
        while True:
            pause = self.poll_interval
            try:
                reading = await sync_to_async(self._read, thread_sensitive=False)()
            except Exception as error:
                pause = max(pause, self._wait_seconds(error))
            else:
                self._count += 1
                self._newest_ms = reading.newest_ms
                yield (self._count, reading), self._count
            await self._sleep(pause)

    async def advance(self, batch: Any) -> None:
        """Take note that all events of some readings are stored."""
        for item in batch:
            if item.outcome.is_clean:
                self.confirmed = max(self.confirmed, item.broker_payload)

    def get_advance_lane(self, broker_payload: Any) -> None:
        """Keep the order of the readings."""

    async def aclose(self) -> None:
        """Close the hook."""
        hook, self._hook = self._hook, None
        if hook is not None:
            await sync_to_async(hook.close, thread_sensitive=False)()

    def _read(self) -> Reading:
        from airflow_channel_provider.hooks.open_api import ChannelTalkOpenApiHook

        if self._hook is None:
            self._hook = ChannelTalkOpenApiHook(self.conn_id, max_wait_seconds=MAX_WAIT_SECONDS)
        hook = self._hook
        known = [at for at in (*self.wanted.values(), self._newest_ms) if at is not None]

        def pages(state: str) -> Iterator[list[Any]]:
            for page in hook.pages("user_chats", state=state, sortOrder="desc", limit=PAGE_SIZE):
                yield page.items

        return read_changes(pages, min(known) if known else None, self._newest_ms)

    def _wait_seconds(self, error: Exception) -> float:
        from airflow_channel_provider.retry import retry_after_seconds

        wait_seconds = retry_after_seconds(error, now=time.time()) or 0.0
        _log().warning(
            "The user chats of connection %s could not be read; the next poll follows in %.0f s (%s: %s)",
            self.conn_id,
            max(wait_seconds, self.poll_interval),
            type(error).__name__,
            error,
        )
        return wait_seconds


_feeds: dict[tuple[str, ...], ChatFeed] = {}


def feed_of(watcher: UserChatWatcher) -> ChatFeed:
    """Return the feed of a watcher, the same for all of its connection and interval."""
    feed = ChatFeed(watcher.channel_talk_open_api_conn_id, watcher.poll_interval)
    return _feeds.setdefault(watcher.shared_stream_key(), feed)


def _accessor(watcher: UserChatWatcher) -> Any:
    """Return where the cursor is: with the asset, the first one where several share the watcher; None: nowhere."""
    store = getattr(watcher, "asset_state_store", None)
    by_name = getattr(store, "_by_name", None)
    return by_name[min(by_name)] if by_name else store


def _log() -> Any:
    import logging

    return logging.getLogger(__name__)
