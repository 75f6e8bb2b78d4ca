"""Real threads, and no pause that is not woken: what a call does is up to the test."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from support.bulk_plans import plan_of

from airflow_channel_provider.bulk.checkpoint import Checkpoint, MemoryCheckpoints
from airflow_channel_provider.bulk.engine import Engine, Limits
from airflow_channel_provider.bulk.items import Item, Items
from airflow_channel_provider.bulk.outcomes import FailedItem, ItemOutcome, RunStoppedError, SkipItem
from airflow_channel_provider.bulk.rate_limiter import RateLimiter
from airflow_channel_provider.bulk.run_state import RunState
from airflow_channel_provider.exceptions import (
    ChannelAmbiguousResultError,
    ChannelAuthenticationError,
    ChannelConfigurationError,
    ChannelError,
    ChannelNotSentError,
    ChannelPermissionError,
    ChannelRateLimitError,
    ChannelRequestError,
    ChannelResponseError,
    ChannelTokenQuotaError,
)

Send = Callable[[Item], Sequence[FailedItem]]


class Bench:
    """An engine with its run_state; the pauses of its limiter pass at once."""

    def __init__(
        self,
        send: Send,
        *,
        store: Any = None,
        limits: Limits | None = None,
        on_progress: Any = None,
        **plan: Any,
    ) -> None:
        self.waits: list[float] = []
        self.store = store or MemoryCheckpoints()
        self.run_state = RunState(self.store, None)
        self.rate_limiter = RateLimiter(wait=self._wait, now=lambda: self.seconds, random=lambda: 0.0)
        self.seconds = 0.0
        self.values: Any = ()
        self.engine = Engine(
            plan_of(self, send, **plan),
            self.run_state,
            self.rate_limiter,
            limits=limits,
            on_progress=on_progress or (lambda: None),
        )

    def __iter__(self) -> Iterator[Item]:
        return iter(Items(self.values, None))

    def _wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.seconds += seconds
        return False

    def run(self, values: Any) -> Counter[ItemOutcome]:
        self.values = values
        self.engine.run()
        return self.run_state.counts

    def saved(self) -> Checkpoint:
        checkpoint = Checkpoint.from_json(self.store.load())
        assert checkpoint is not None
        return checkpoint


def refused(message: str = "no", **kwargs: Any) -> ChannelRequestError:
    return ChannelRequestError(message, http_status=422, **kwargs)


def test_every_item_is_sent_once() -> None:
    sent: list[int] = []

    def send(item: Item) -> Sequence[FailedItem]:
        sent.append(item.value)
        return ()

    bench = Bench(send)
    assert bench.run(range(5_000)) == {ItemOutcome.SUCCEEDED: 5_000}
    assert sorted(sent) == list(range(5_000))
    assert bench.saved().finished
    assert bench.saved().idle


def test_failures_do_not_stop_the_rest() -> None:
    errors: dict[int, ChannelError] = {
        3: refused(),
        4: ChannelConfigurationError("params.userChatId is required"),
        5: ChannelAmbiguousResultError("who knows"),
        6: ChannelRequestError("inside", http_status=500),
    }

    def send(item: Item) -> Sequence[FailedItem]:
        if item.value in errors:
            raise errors[item.value]
        if item.value == 7:
            raise SkipItem
        return ()

    counts = Bench(send).run(range(20))
    assert counts == {
        ItemOutcome.SUCCEEDED: 15,
        ItemOutcome.FAILED: 2,
        ItemOutcome.UNCERTAIN: 2,
        ItemOutcome.SKIPPED: 1,
    }


@pytest.mark.parametrize("error", [ChannelAuthenticationError("secret"), ChannelNotSentError("no route")])
def test_what_is_wrong_for_all_stops_and_is_nobodys_failure(error: ChannelError) -> None:
    sent: list[int] = []

    def send(item: Item) -> Sequence[FailedItem]:
        sent.append(item.value)
        if item.value >= 50:
            raise error
        return ()

    bench = Bench(send)
    with pytest.raises(type(error)):
        bench.run(range(50_000))
    # A worker that has an item in its hands when it hears of it lets go of it: nothing is sent that is not counted.
    assert bench.run_state.counts == {ItemOutcome.SUCCEEDED: sum(value < 50 for value in sent)}
    assert 50 - 8 < len(sent) <= 50 + 8
    assert bench.saved().idle
    assert not bench.saved().finished


REFUSED_TO_SOME_OR_ALL = [
    ChannelPermissionError("not registered"),
    ChannelResponseError("a gateway's page", http_status=403),
    ChannelResponseError("a redirect", http_status=302),
]


@pytest.mark.parametrize("error", REFUSED_TO_SOME_OR_ALL, ids=str)
def test_what_may_be_refused_to_all_stops_while_nothing_has_succeeded(error: ChannelError) -> None:
    def send(item: Item) -> Sequence[FailedItem]:
        raise error

    bench = Bench(send)
    with pytest.raises(type(error)):
        bench.run(range(100))
    assert not bench.run_state.counts


@pytest.mark.parametrize("error", REFUSED_TO_SOME_OR_ALL, ids=str)
def test_what_may_be_refused_to_all_is_the_items_own_once_others_have_succeeded(error: ChannelError) -> None:
    def send(item: Item) -> Sequence[FailedItem]:
        if item.value == 5:
            raise error
        return ()

    bench = Bench(send, limits=Limits(concurrency=1))
    assert bench.run(range(100)) == {ItemOutcome.SUCCEEDED: 99, ItemOutcome.FAILED: 1}


def test_a_rate_limit_pauses_all_and_loses_nothing() -> None:
    limited = {10, 400}

    def send(item: Item) -> Sequence[FailedItem]:
        if item.value in limited:
            limited.remove(item.value)
            raise ChannelRateLimitError("slow", retry_after_seconds=12)
        bench.rate_limiter.acquire()
        return ()

    bench = Bench(send, limits=Limits(concurrency=1))
    assert bench.run(range(500)) == {ItemOutcome.SUCCEEDED: 500}
    assert bench.waits == [12, 12]
    assert bench.rate_limiter.paused_seconds == 24


def test_a_refusal_before_the_turn_is_not_asked_for_again_until_the_pause_is_over() -> None:
    asked = 0

    def send(item: Item) -> Sequence[FailedItem]:
        nonlocal asked
        asked += 1
        if bench.seconds < 30:
            raise ChannelTokenQuotaError("quota", retry_after_seconds=30)
        return ()

    bench = Bench(send, limits=Limits(concurrency=1))
    assert bench.run(range(10)) == {ItemOutcome.SUCCEEDED: 10}
    assert (asked, bench.waits) == (11, [30])


def test_a_long_wait_stops_and_the_next_try_goes_on() -> None:
    until = datetime.now(tz=timezone.utc) + timedelta(minutes=20)

    def send(item: Item) -> Sequence[FailedItem]:
        if item.value == 40:
            raise ChannelRateLimitError("quota", retry_at=until)
        return ()

    first = Bench(send, limits=Limits(concurrency=1))
    with pytest.raises(ChannelRateLimitError, match="quota"):
        first.run(range(100))
    assert first.run_state.counts == {ItemOutcome.SUCCEEDED: 40}
    sent: list[int] = []
    second = Bench(lambda item: sent.append(item.value) or (), store=first.store)  # type: ignore[func-returns-value]
    assert second.run(range(100)) == {ItemOutcome.SUCCEEDED: 100}
    assert sorted(sent) == list(range(40, 100))


def test_a_limit_that_no_pause_helps_against_stops_in_the_end() -> None:
    def send(item: Item) -> Sequence[FailedItem]:
        bench.rate_limiter.acquire()
        raise ChannelRateLimitError("slow")

    bench = Bench(send, limits=Limits(concurrency=1, max_refusals=3))
    with pytest.raises(ChannelRateLimitError):
        bench.run(range(10))
    assert bench.waits == [1, 2, 4]


def test_items_of_a_lane_are_sent_one_after_the_other_in_their_order() -> None:
    sent: dict[int, list[int]] = defaultdict(list)
    under_way: Counter[int] = Counter()
    lock = threading.Lock()

    def send(item: Item) -> Sequence[FailedItem]:
        lane = item.value % 7
        with lock:
            under_way[lane] += 1
            assert under_way[lane] == 1
        sent[lane].append(item.value)
        with lock:
            under_way[lane] -= 1
        if item.value % 50 == 0:
            raise refused()
        return ()

    counts = Bench(send, queue_of=lambda item: item.value % 7).run(range(2_000))
    assert counts == {ItemOutcome.SUCCEEDED: 1_960, ItemOutcome.FAILED: 40}
    assert all(values == sorted(values) for values in sent.values())
    assert sum(map(len, sent.values())) == 2_000


def test_reading_stops_while_too_much_is_in_hand() -> None:
    span = 50
    read, sent, farthest = 0, 0, 0
    everybody_waits_for_it = threading.Event()

    class Values:
        def __iter__(self) -> Iterator[int]:
            nonlocal read, farthest
            for number in range(1_000):
                read += 1
                farthest = max(farthest, read - sent)
                if read == span:
                    everybody_waits_for_it.set()
                yield number

    def send(item: Item) -> Sequence[FailedItem]:
        nonlocal sent
        if item.value == 0:  # the others may go on until they are a whole span ahead of it
            assert everybody_waits_for_it.wait(30)
        sent += 1
        return ()

    bench = Bench(send, limits=Limits(concurrency=2), read_ahead=20, span=span)
    assert bench.run(Values()) == {ItemOutcome.SUCCEEDED: 1_000}
    assert farthest <= span + 1


@pytest.mark.parametrize(
    ("repeatable", "idle", "sent_again", "uncertain"),
    [(True, False, [0, 7], 0), (False, True, [0, 7], 0), (False, False, [], 2)],
)
def test_what_was_left_as_far_behind_as_may_be_does_not_hold_up_the_next_try(
    repeatable: bool, idle: bool, sent_again: list[int], uncertain: int
) -> None:
    span, store, sent = 50, MemoryCheckpoints(), []
    left = Checkpoint(idle=idle, counts={"succeeded": span - 2})
    for item in Items(range(span), None):
        left.offsets.take(item.key)
        if item.position not in (0, 7):
            left.offsets.commit(item.position)
    assert left.offsets.span == span
    store.save(left.to_json())

    def send(item: Item) -> Sequence[FailedItem]:
        sent.append(item.position)
        return ()

    bench = Bench(send, store=store, repeatable=repeatable, limits=Limits(concurrency=2), span=span)
    counts = bench.run(range(100))
    assert sorted(sent) == [*sent_again, *range(span, 100)]
    assert (counts[ItemOutcome.SUCCEEDED], counts[ItemOutcome.UNCERTAIN]) == (100 - uncertain, uncertain)


def test_what_can_not_be_repeated_is_noted_before_it_is_sent() -> None:
    store = MemoryCheckpoints()

    def send(item: Item) -> Sequence[FailedItem]:
        noted = Checkpoint.from_json(store.load())
        assert noted is not None
        assert noted.offsets.taken > item.position
        assert not noted.idle
        return ()

    bench = Bench(send, store=store, repeatable=False)
    assert bench.run(range(1_000)) == {ItemOutcome.SUCCEEDED: 1_000}
    assert bench.saved().idle


def test_a_stop_waits_for_what_is_under_way_and_notes_it() -> None:
    begun, free = threading.Event(), threading.Event()

    def send(item: Item) -> Sequence[FailedItem]:
        if item.value == 30:
            begun.set()
            assert free.wait(30)
        return ()

    def watch() -> None:
        if begun.is_set():
            bench.engine.stop()
            free.set()

    bench = Bench(send, limits=Limits(concurrency=1), on_progress=watch)
    with pytest.raises(RunStoppedError):
        bench.run(range(100_000))
    assert bench.saved().offsets.is_committed(30)
    assert bench.saved().idle
    assert bench.run_state.done < 100_000


def test_an_error_of_the_code_is_raised_and_what_was_sent_is_in_doubt() -> None:
    def send(item: Item) -> Sequence[FailedItem]:
        if item.value == 30:
            raise ZeroDivisionError
        return ()

    bench = Bench(send)
    with pytest.raises(ZeroDivisionError):
        bench.run(range(1_000))
    assert not bench.saved().idle


def test_an_error_of_the_source_is_raised_and_what_was_sent_is_noted() -> None:
    class Broken:
        def __iter__(self) -> Iterator[int]:
            yield from range(300)
            raise ChannelConfigurationError("line 301 is no JSON")

    bench = Bench(lambda item: ())
    with pytest.raises(ChannelConfigurationError, match="301"):
        bench.run(Broken())
    offsets = bench.saved().offsets
    assert bench.saved().counts == {"succeeded": offsets.watermark + len(offsets.beyond)}
    assert bench.saved().idle
    again = Bench(lambda item: (), store=bench.store)
    assert again.run(range(400)) == {ItemOutcome.SUCCEEDED: 400}
