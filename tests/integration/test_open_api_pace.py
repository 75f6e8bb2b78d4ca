"""Task processes that read one channel side by side keep to its rate limit together."""

from __future__ import annotations

import json
import logging
from collections import Counter, deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.fleet import together
from support.open_api import connection

from airflow_channel_provider.emulator import EmulatorProcess
from airflow_channel_provider.exceptions import ChannelNotSentError, ChannelRateLimitError
from airflow_channel_provider.hooks import _pace
from airflow_channel_provider.hooks.open_api import ChannelTalkOpenApiHook

if TYPE_CHECKING:
    from support.backends import Backend

PROCESSES, EACH, LIMIT = 4, 60, 100
SHORT_WINDOW_SECONDS = 4


def read(requests: int) -> None:
    with ChannelTalkOpenApiHook() as hook:
        for _ in range(requests):
            hook.get("/channel")


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", tmp_path.joinpath("store").as_uri())
    settings = {"open_api_rate_limit": LIMIT, "open_api_rate_limit_window_seconds": 10}
    with EmulatorProcess(settings) as emulator:
        monkeypatch.setenv("AIRFLOW_CONN_CHANNEL_TALK_OPEN_API_DEFAULT", connection(emulator.url))
        yield emulator


@pytest.fixture(autouse=True)
def fresh() -> None:
    _pace._shared.clear()


def statuses(emulator: EmulatorProcess) -> Counter[Any]:
    return Counter(entry["http_status"] for entry in emulator.journal())


def test_four_processes_are_never_refused(
    emulator: EmulatorProcess, crowded: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator.configure(open_api_rate_limit_window_seconds=SHORT_WINDOW_SECONDS)
    store, fields = crowded.option("pace_store")
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", store)
    if fields:
        monkeypatch.setenv("AIRFLOW_CONN_PACE_STORE", json.dumps(fields))
    assert together(PROCESSES, lambda _: read(EACH)).results == [None] * PROCESSES
    assert statuses(emulator) == {200: PROCESSES * EACH}


def test_a_forked_child_has_neither_permits_nor_locks_of_its_parent(emulator: EmulatorProcess) -> None:
    with ChannelTalkOpenApiHook() as hook:
        for _ in range(20):
            hook.get("/channel")
        pace = hook._pace
        assert pace._permits is not None
        assert pace._permits.count > 0

        def begin(child: int) -> tuple[bool, str]:
            had_permits = pace._permits is not None
            hook.get("/channel")
            return had_permits, pace._taker

        with pace._lock:  # as another thread of the parent may
            had_permits, takers = zip(*together(PROCESSES, begin).results, strict=True)
        assert not any(had_permits)
        assert len({pace._taker, *takers}) == PROCESSES + 1
    assert statuses(emulator) == {200: 20 + PROCESSES}


def test_what_one_task_leaves_another_may_take(emulator: EmulatorProcess) -> None:
    read(20)
    (pace,) = _pace._shared.values()
    left = pace._store.load(pace._document).state
    assert left is not None
    assert left["left"] >= LIMIT - 20 - 4


def test_a_wait_that_is_too_long_is_an_error_that_says_when(emulator: EmulatorProcess) -> None:
    emulator.configure(open_api_rate_limit=2, open_api_rate_limit_window_seconds=3_600)
    with ChannelTalkOpenApiHook(max_wait_seconds=5) as hook:
        hook.get("/channel")
        with pytest.raises(ChannelRateLimitError) as caught:
            deque(hook.iterate("/managers", items_field="managers", page_size=1), maxlen=0)
    assert caught.value.retry_at is not None
    assert set(statuses(emulator)) == {200}


def test_a_store_that_is_down_slows_this_process_alone_and_says_so_once(
    emulator: EmulatorProcess, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with ChannelTalkOpenApiHook() as hook:
        hook.get("/channel")

        def update(document: str, change: Any) -> Any:
            raise ChannelNotSentError("no such host")

        monkeypatch.setattr(hook._pace._store, "update", update)
        with caplog.at_level(logging.WARNING):
            for _ in range(30):
                hook.get("/channel")
    warnings = [record for record in caplog.records if "can't be used" in record.getMessage()]
    assert len(warnings) == 1
    assert statuses(emulator) == {200: 31}


def test_a_refusal_is_waited_out_and_not_the_rest_of_the_window(emulator: EmulatorProcess) -> None:
    emulator.configure(open_api_rate_limit=1000, open_api_rate_limit_window_seconds=3_600)
    waits: list[float] = []
    with ChannelTalkOpenApiHook(max_wait_seconds=60) as hook:
        hook._sleep = waits.append
        hook.get("/channel")
        emulator.inject("rate_limit", count=1, shape="header", reset_after_seconds=1)
        for _ in range(5):
            hook.get("/channel")
    assert 0 < sum(waits) < 60
    assert statuses(emulator) == {200: 6, 429: 1}
