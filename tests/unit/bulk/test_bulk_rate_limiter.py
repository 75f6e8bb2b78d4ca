from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_channel_provider.bulk.outcomes import RunStoppedError
from airflow_channel_provider.bulk.rate_limiter import RateLimiter


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        self.waits.append(round(seconds, 6))
        self.now += seconds
        return False


@pytest.fixture
def clock() -> Clock:
    return Clock()


def rate_limiter(clock: Clock, calls_per_second: float | None = None) -> RateLimiter:
    return RateLimiter(calls_per_second, now=clock, wait=clock.wait, random=lambda: 0.5)


def test_without_a_cap_nobody_waits(clock: Clock) -> None:
    limiter = rate_limiter(clock)
    for _ in range(100):
        limiter.acquire()
    assert clock.waits == []


def test_a_cap_spaces_the_calls(clock: Clock) -> None:
    limiter = rate_limiter(clock, 4)
    turns = []
    for _ in range(9):
        limiter.acquire()
        turns.append(clock.now - 1_000)
    assert turns == [n * 0.25 for n in range(9)]


def test_a_cap_does_not_catch_up_for_an_idle_time(clock: Clock) -> None:
    limiter = rate_limiter(clock, 10)
    limiter.acquire()
    clock.now += 60
    limiter.acquire()
    limiter.acquire()
    assert clock.waits == [0.1]


def test_one_refusal_makes_everybody_pause_once(clock: Clock) -> None:
    limiter = rate_limiter(clock)
    # Eight calls were under way; all of them are refused.
    with ThreadPoolExecutor(8) as threads:
        everybody = threading.Barrier(8)

        def call(number: int) -> int:
            limiter.acquire()
            everybody.wait(30)
            return limiter.record_refusal(7.0)

        assert list(threads.map(call, range(8))) == [1] * 8
    assert limiter.paused_seconds == 7.5
    limiter.acquire()
    limiter.acquire()
    assert clock.waits == [7.5]


def test_a_late_refusal_of_the_same_burst_may_ask_for_more(clock: Clock) -> None:
    limiter = rate_limiter(clock)
    limiter.acquire()
    limiter.record_refusal(2.0)
    limiter.record_refusal(9.0)
    limiter.acquire()
    assert clock.waits == [9.0]


def test_pauses_that_nobody_tells_double_up_to_the_longest(clock: Clock) -> None:
    limiter = RateLimiter(now=clock, wait=clock.wait, random=lambda: 0.0, cooldown_max_seconds=5)
    for _ in range(5):
        limiter.record_refusal(None)
        limiter.acquire()
    assert clock.waits == [1, 2, 4, 5, 5]


def test_a_success_forgets_the_refusals(clock: Clock) -> None:
    limiter = rate_limiter(clock)
    assert limiter.record_refusal(1.0) == 1
    limiter.acquire()
    assert limiter.record_refusal(1.0) == 2
    limiter.acquire()
    limiter.record_success()
    assert limiter.record_refusal(1.0) == 1


def test_a_pause_that_begins_while_one_waits_holds_for_it(clock: Clock) -> None:
    limiter = RateLimiter(2, now=clock, random=lambda: 0.0, wait=lambda seconds: interrupting(seconds))

    def interrupting(seconds: float) -> bool:
        if not clock.waits:
            limiter.record_refusal(5.0)
        return clock.wait(seconds)

    limiter.acquire()
    limiter.acquire()
    assert clock.waits == [0.5, 4.5]


def test_a_call_that_waited_out_a_pause_and_is_refused_begins_the_next_one(clock: Clock) -> None:
    limiter = rate_limiter(clock)
    for expected in (1, 2, 3):
        limiter.acquire()
        assert limiter.record_refusal(4.0) == expected
    assert limiter.paused_seconds == 13.5


def test_who_was_refused_before_its_turn_rests_as_well(clock: Clock) -> None:
    limiter = rate_limiter(clock)
    limiter.record_refusal(20.0)
    limiter.wait_for_cooldown()
    limiter.wait_for_cooldown()
    assert clock.waits == [20.5]


def test_a_stop_ends_all_waits(clock: Clock) -> None:
    limiter = rate_limiter(clock)
    limiter.stop()
    with pytest.raises(RunStoppedError):
        limiter.acquire()
    with pytest.raises(RunStoppedError):
        limiter.wait_for_cooldown()
    with pytest.raises(RunStoppedError):
        limiter.sleep(1)


def test_a_stop_wakes_who_waits() -> None:
    limiter = RateLimiter()
    limiter.stop()
    with pytest.raises(RunStoppedError):
        limiter.sleep(3600)
