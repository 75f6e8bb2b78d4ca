"""Watchers of user chats share one poll, and lose no event whenever their triggerer is killed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.open_api import connection

pytest.importorskip("airflow.triggers.shared_stream", reason="Before Airflow 3.3.2 nothing is shared.")

from airflow_channel_provider.contract.open_api import CHAT_STATES
from airflow_channel_provider.emulator import EmulatorThread
from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.triggers import open_api
from airflow_channel_provider.triggers.open_api import ChatFeed, UserChatWatcher, feed_of

WATCHERS, KILLS = 50, 20


class Store:
    """The state of one asset, which outlives each triggerer."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    async def aget(self, key: str) -> Any:
        return self.values.get(key)

    async def aset(self, key: str, value: Any) -> None:
        self.values[key] = value


class Triggerer:
    """
    As Airflow's in ack mode: one feed for all watchers, each event stored before the feed is told so.

    :param stores: of the assets.
    :param told: what has been stored, by asset.
    """

    def __init__(self, stores: list[Store], told: list[list[dict[str, Any]]], **kwargs: Any) -> None:
        open_api._feeds.clear()
        self.told = told
        self.feed: ChatFeed = UserChatWatcher.create_shared_stream_producer(kwargs)
        self.feed._sleep = lambda seconds: asyncio.sleep(0)
        self.queues: list[asyncio.Queue[Any]] = [asyncio.Queue() for _ in stores]
        self.watchers = [UserChatWatcher(**kwargs) for _ in stores]
        for watcher, store in zip(self.watchers, stores, strict=True):
            watcher.asset_state_store = store  # type: ignore[assignment]
        self.stream = self.feed.open_stream()
        self.left: int | None = None

    async def run(self, polls: int, *, killed_after: int | None = None) -> None:
        """Poll so often; ``killed_after`` so many events of the last poll are stored, and nothing else happens."""
        tasks = [asyncio.ensure_future(self._watch(index)) for index in range(len(self.watchers))]
        for poll in range(polls):
            is_killed = poll == polls - 1 and killed_after is not None
            self.left = killed_after if is_killed else None
            await self._settle()
            reading, number = await anext(self.stream)
            for queue in self.queues:
                queue.put_nowait(reading)
            await self._settle()
            if not is_killed:
                outcome = SimpleNamespace(is_clean=True)
                await self.feed.advance([SimpleNamespace(broker_payload=number, outcome=outcome)])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.stream.aclose()  # type: ignore[attr-defined]
        await self.feed.aclose()

    async def _watch(self, index: int) -> None:
        async for event in self.watchers[index].filter_shared_stream(self._readings(index)):
            if self.left is not None:
                if not self.left:
                    raise asyncio.CancelledError
                self.left -= 1
            self.told[index] += event.payload["chats"]

    async def _readings(self, index: int) -> AsyncIterator[Any]:
        while True:
            yield await self.queues[index].get()

    async def _settle(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[EmulatorThread]:
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", tmp_path.joinpath("store").as_uri())
    with EmulatorThread({"generated_chats": 200, "open_api_rate_limit": 1_000_000}) as emulator:
        monkeypatch.setenv("AIRFLOW_CONN_CHANNEL_TALK_OPEN_API_DEFAULT", connection(emulator.url))
        yield emulator


def reads(emulator: EmulatorThread) -> int:
    return len([entry for entry in emulator.journal() if entry["method"] == "GET /user-chats"])


def test_fifty_watchers_poll_once(emulator: EmulatorThread) -> None:
    stores, told = [Store() for _ in range(WATCHERS)], [[] for _ in range(WATCHERS)]  # type: ignore[var-annotated]
    asyncio.run(Triggerer(stores, told, events=["changed"]).run(1))
    assert reads(emulator) == len(CHAT_STATES)
    assert told == [[]] * WATCHERS
    emulator.change_generated(5)
    asyncio.run(Triggerer(stores, told, events=["changed"]).run(1))
    assert reads(emulator) == 2 * len(CHAT_STATES)
    assert len({str(one) for one in told}) == 1
    assert told[0]


@pytest.mark.parametrize("order", ["updatedAt", "none"])
def test_what_was_there_before_the_first_poll_is_never_told(emulator: EmulatorThread, order: str) -> None:
    emulator.configure(open_api_chat_order=order)
    emulator.open_chat("ch-1")  # the newest change: its time is where the cursor begins
    stores, told = [Store()], [[]]  # type: ignore[var-annotated]
    kwargs = {"events": ["opened", "closed", "changed"]}
    asyncio.run(Triggerer(stores, told, **kwargs).run(2))
    asyncio.run(Triggerer(stores, told, **kwargs).run(2))
    assert told == [[]]
    chat = emulator.open_chat("ch-1")
    asyncio.run(Triggerer(stores, told, **kwargs).run(1))
    assert {(one["user_chat_id"], one["event"]) for one in told[0]} == {
        (chat["id"], "opened"),
        (chat["id"], "changed"),
    }


@pytest.mark.parametrize("order", ["updatedAt", "none"])
def test_a_triggerer_that_is_killed_twenty_times_loses_no_event(
    emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    monkeypatch.setattr(open_api, "MOST_CHATS", 2)  # so that it is killed between two events of a poll, too
    emulator.configure(open_api_chat_order=order)
    chance, watched = random.Random(7), 5
    stores, told = [Store() for _ in range(watched)], [[] for _ in range(watched)]  # type: ignore[var-annotated]
    kwargs = {"events": ["opened", "closed", "changed"]}
    asyncio.run(Triggerer(stores, told, **kwargs).run(1))
    before = {chat["id"]: chat for chat in emulator.open_api_state("userChats")}
    for _ in range(KILLS):
        emulator.change_generated(chance.randint(1, 6))
        asyncio.run(
            Triggerer(stores, told, **kwargs).run(chance.randint(1, 2), killed_after=chance.randint(0, 12))
        )
    asyncio.run(Triggerer(stores, told, **kwargs).run(2))
    wanted = {
        f"{chat['id']}:changed:{chat['updatedAt']}"
        for chat in emulator.open_api_state("userChats")
        if chat != before.get(chat["id"])
    }
    assert len(wanted) > KILLS
    for payloads in told:
        assert wanted <= {payload["key"] for payload in payloads}
        by_key = {payload["key"]: {**payload, "state": ""} for payload in payloads}
        assert len({str(sorted(one.items())) for one in by_key.values()}) == len(by_key)


def test_all_that_a_poll_finds_is_one_event(emulator: EmulatorThread) -> None:
    async def payloads() -> list[Any]:
        watcher = UserChatWatcher(events=["opened"])
        watcher._feed = feed = ChatFeed("channel_talk_open_api_default", 60.0)

        async def readings() -> AsyncIterator[Any]:
            stream = feed.open_stream()
            feed._sleep = lambda seconds: asyncio.sleep(0)
            yield (await anext(stream))[0]
            opened.extend(emulator.open_chat("ch-1")["id"] for _ in range(7))
            yield (await anext(stream))[0]
            await feed.aclose()

        return [event.payload async for event in watcher.filter_shared_stream(readings())]

    opened: list[str] = []
    (payload,) = asyncio.run(payloads())
    assert {chat["user_chat_id"] for chat in payload["chats"]} == set(opened)


def test_a_payload_is_texts_and_numbers_and_nothing_that_a_customer_wrote(emulator: EmulatorThread) -> None:
    stores, told = [Store()], [[]]  # type: ignore[var-annotated]
    kwargs = {"events": ["opened", "closed", "changed"], "lookback_seconds": 40 * 86_400}
    asyncio.run(Triggerer(stores, told, **kwargs).run(2))
    assert {payload["event"] for payload in told[0]} == {"opened", "closed", "changed"}
    for payload in told[0]:
        assert all(type(value) in (str, int) for value in payload.values())
        assert set(payload) <= {
            "key", "event", "at_ms", "channel_id", "user_chat_id", "state", "user_id", "assignee_id",
        }  # fmt: skip


def test_only_the_chats_that_are_wanted_are_told(emulator: EmulatorThread) -> None:
    kwargs = {"events": ["changed"], "lookback_seconds": 40 * 86_400, "tags": ["vip"]}
    stores, told = [Store()], [[]]  # type: ignore[var-annotated]
    asyncio.run(Triggerer(stores, told, **kwargs).run(2))
    tagged = {chat["id"] for chat in emulator.open_api_state("userChats") if "vip" in chat["tags"]}
    assert {payload["user_chat_id"] for payload in told[0]} == tagged


@pytest.mark.parametrize("other", [{"events": ["opened", "changed"]}, {"tags": ["vip", "refund"]}])
def test_watchers_of_one_asset_have_a_cursor_each(emulator: EmulatorThread, other: dict[str, Any]) -> None:
    store = Store()
    kwargs: dict[str, Any] = {"events": ["changed"]}
    told: dict[str, list[list[dict[str, Any]]]] = {"ahead": [[]], "behind": [[]]}

    def run(name: str, **more: Any) -> None:
        asyncio.run(Triggerer([store], told[name], **{**kwargs, **more}).run(2))

    run("ahead")
    run("behind", **other)
    for _ in range(10):
        emulator.change_generated(5)
        run("ahead")
    run("behind", **other)
    tags = set(other.get("tags", ()))
    chats = {str(chat["id"]): set(chat["tags"]) for chat in emulator.open_api_state("userChats")}
    changed = {payload["user_chat_id"] for payload in told["ahead"][0]}
    wanted = {chat for chat in changed if not tags or tags & chats[chat]}
    assert wanted
    assert wanted == {p["user_chat_id"] for p in told["behind"][0] if p["event"] == "changed"}


def test_airflows_own_manager_shares_the_poll_and_moves_the_cursors(emulator: EmulatorThread) -> None:
    """As the triggerer runs event triggers, but for its processes and its database."""
    from airflow.triggers.shared_stream import SharedStreamManager

    watched = 3
    told: list[tuple[int, str]] = []
    stores = [Store() for _ in range(watched)]

    async def run() -> None:
        open_api._feeds.clear()
        manager = SharedStreamManager()
        watchers = [UserChatWatcher(events=["changed"], poll_interval=0.05) for _ in stores]

        async def watch(index: int) -> None:
            watcher, key = watchers[index], watchers[index].shared_stream_key()
            watcher.asset_state_store = stores[index]  # type: ignore[assignment]
            raw = manager.subscribe(trigger_id=index, trigger=watcher, key=key)
            async for event in watcher.filter_shared_stream(raw):
                seq = manager.bind_pending_event(trigger_id=index, key=key)
                told.extend((index, chat["key"]) for chat in event.payload["chats"])
                if seq is not None:
                    manager.confirm_persisted([seq])

        tasks = [asyncio.ensure_future(watch(index)) for index in range(watched)]
        await until(lambda: all(store.values for store in stores))
        before = [str(store.values) for store in stores]
        emulator.change_generated(4)
        await until(lambda: all(str(store.values) != old for store, old in zip(stores, before, strict=True)))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await manager.stop_all()

    async def until(is_so: Any) -> None:
        for _ in range(6_000):
            if is_so():
                return
            await asyncio.sleep(0.01)
        raise AssertionError("it did not happen within a minute")

    asyncio.run(run())
    assert {index for index, _ in told} == set(range(watched))
    assert len(set(told)) == len(told)


def test_a_service_that_fails_is_asked_again(emulator: EmulatorThread) -> None:
    emulator.inject("http_500", count=4)
    stores, told = [Store()], [[]]  # type: ignore[var-annotated]
    asyncio.run(Triggerer(stores, told).run(1))
    assert stores[0].values


def test_a_watcher_alone_polls_by_itself(emulator: EmulatorThread) -> None:
    async def first() -> Any:
        watcher = UserChatWatcher(events=["changed"], lookback_seconds=40 * 86_400)
        return (await anext(watcher.run())).payload

    assert {chat["event"] for chat in asyncio.run(first())["chats"]} == {"changed"}


@pytest.mark.parametrize(
    "kwargs",
    [
        {"events": []},
        {"events": "opened"},
        {"events": ["gone"]},
        *({"poll_interval": wrong} for wrong in (0, -1, "soon", None, float("nan"), float("inf"))),
    ],
)
def test_a_wrong_argument_is_refused(kwargs: Any) -> None:
    with pytest.raises(ChannelConfigurationError):
        UserChatWatcher(**kwargs)


def test_what_is_kept_of_a_trigger_makes_the_same_one_and_holds_no_secret(emulator: EmulatorThread) -> None:
    watcher = UserChatWatcher(tags=["vip"], assignee_ids=["m"], poll_interval=5)
    path, kwargs = watcher.serialize()
    assert path == "airflow_channel_provider.triggers.open_api.UserChatWatcher"
    assert UserChatWatcher(**kwargs).serialize() == (path, kwargs)
    assert "secret" not in str(kwargs)
    assert (
        watcher.shared_stream_key()
        == UserChatWatcher(events=["changed"], poll_interval=5).shared_stream_key()
    )
    assert watcher.shared_stream_key() != UserChatWatcher(poll_interval=6).shared_stream_key()


def test_watchers_have_one_feed_if_they_have_one_stream_and_only_then() -> None:
    intervals: list[Any] = [60, 60.0, "60", 61]
    watchers = [
        UserChatWatcher(channel_talk_open_api_conn_id=conn_id, poll_interval=seconds)
        for conn_id in ("a", "b")
        for seconds in intervals
    ]
    feeds = {watcher.shared_stream_key(): feed_of(watcher) for watcher in watchers}
    assert len(feeds) == len(set(map(id, feeds.values()))) == 4
    assert all(feed_of(watcher) is feeds[watcher.shared_stream_key()] for watcher in watchers)
