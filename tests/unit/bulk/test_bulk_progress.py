from __future__ import annotations

import pytest

from airflow_channel_provider.bulk.checkpoint import MemoryCheckpoints
from airflow_channel_provider.bulk.items import Item
from airflow_channel_provider.bulk.outcomes import FailedItem, ItemOutcome
from airflow_channel_provider.bulk.progress import (
    FailureLimit,
    ProgressReporter,
    duration,
    sentence,
    summary,
)
from airflow_channel_provider.bulk.run_state import RunState
from airflow_channel_provider.exceptions import ChannelTooManyFailuresError


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.warnings: list[str] = []

    def info(self, message: str, /, *args: object) -> None:
        self.lines.append(message % args)

    def warning(self, message: str, /, *args: object) -> None:
        self.warnings.append(message % args)


def settled(succeeded: int, failed: int = 0, *, clock: Clock | None = None) -> RunState:
    run_state = RunState(MemoryCheckpoints(), None, now=clock or Clock())
    settle(run_state, succeeded, failed)
    return run_state


def settle(run_state: RunState, succeeded: int, failed: int = 0) -> None:
    for number in range(succeeded):
        run_state.record(Item(number, number, str(number)), [])
    for number in range(failed):
        failure = FailedItem(number, str(number), ItemOutcome.FAILED, "ChannelRequestError", "no such chat")
        run_state.record(Item(number, number, str(number)), [failure])


def test_a_line_says_what_is_done_and_how_long_it_takes_yet() -> None:
    clock, log = Clock(), Log()
    run_state = settled(0, clock=clock)
    progress = ProgressReporter(
        "getUser", run_state, lambda: 4_000, FailureLimit(None), log, every_seconds=10, now=clock
    )
    settle(run_state, 990, 10)
    clock.now = 9.9
    progress.report()
    assert log.lines == []
    clock.now = 10
    progress.report()
    progress.report()
    assert log.lines == ["getUser: 1,000 done of 4,000 (25.0%), 10 failed, 100/s, 30 s left"]
    assert log.warnings == [f"Item {n} failed: ChannelRequestError: no such chat" for n in range(5)]


def test_rate_and_time_left_are_those_of_this_try() -> None:
    clock, store = Clock(), MemoryCheckpoints()
    first = RunState(store, None, now=clock)
    settle(first, 500)
    first.save()
    second = RunState(store, None, now=clock)
    progress = ProgressReporter("getUser", second, lambda: 1_000, FailureLimit(None), Log(), now=clock)
    settle(second, 100)
    clock.now = 10
    assert progress.line() == "getUser: 600 done of 1,000 (60.0%), 0 failed, 10/s, 40 s left"


def test_without_a_number_to_expect_nothing_is_said_of_the_time_left() -> None:
    clock = Clock()
    progress = ProgressReporter(
        "getUser", settled(5, clock=clock), lambda: None, FailureLimit(None), Log(), now=clock
    )
    assert progress.line().startswith("getUser: 5 done, 0 failed, ")
    assert "left" not in progress.line()


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (89, "89 s"), (90, "2 min"), (3_600, "60 min"), (9_000, "2.5 h")]
)
def test_durations_are_said_as_people_do(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_summary_adds_up_and_names_the_dead_letters_only_where_there_are_some() -> None:
    clock = Clock()
    run_state = settled(7, 3, clock=clock)
    clock.now = 2.0
    made = summary("getUser", run_state, paused_seconds=1.26, dead_letter="s3://b/f.jsonl")
    assert made["items"] == 10 == sum(made[outcome.value] for outcome in ItemOutcome)
    assert (made["dead_letter"], made["paused_seconds"], made["items_per_second"]) == (
        "s3://b/f.jsonl",
        1.3,
        5.0,
    )
    assert len(made["first_errors"]) == 3
    assert summary("x", settled(7), paused_seconds=0, dead_letter="s3://b/f.jsonl")["dead_letter"] is None


def test_the_log_gets_the_summary_as_a_sentence() -> None:
    clock, store = Clock(), MemoryCheckpoints()
    first = RunState(store, None, now=clock)
    settle(first, 1_500, 2)
    first.save()
    second = RunState(store, None, now=clock)
    settle(second, 8)
    clock.now = 2.0
    made = summary("getUser", second, paused_seconds=30.0, dead_letter="s3://b/f.jsonl")
    assert sentence(made) == (
        "getUser: 1,510 items in 2 s (755.0/s): 1,508 succeeded, 2 failed; 1,502 were done by earlier tries; "
        "this try waited 30 s for rate limits; the items that failed are in s3://b/f.jsonl"
    )
    nothing = RunState(MemoryCheckpoints(), None, now=clock)
    made = summary("getUser", nothing, paused_seconds=0, dead_letter=None)
    assert sentence(made) == "getUser: 0 items in 0 s: 0 succeeded"


@pytest.mark.parametrize(
    ("most", "succeeded", "failed", "at_end", "stops"),
    [
        (None, 0, 1_000, True, False),
        (10, 0, 10, False, False),
        (10, 0, 11, False, True),
        (0, 50, 1, False, True),
        (0.5, 50, 50, False, False),
        (0.5, 49, 51, False, True),
        (0.5, 0, 99, False, False),
        (0.5, 0, 99, True, True),
        (0.5, 0, 0, True, False),
        (1.0, 0, 500, True, False),
        (1, 0, 2, False, True),
    ],
)
def test_a_limit_is_a_count_or_a_share(
    most: float | None, succeeded: int, failed: int, at_end: bool, stops: bool
) -> None:
    run_state = settled(succeeded, failed)
    if not stops:
        FailureLimit(most).check(run_state, at_end=at_end)
        return
    with pytest.raises(ChannelTooManyFailuresError, match=r"ChannelRequestError: no such chat") as raised:
        FailureLimit(most).check(run_state, at_end=at_end)
    assert ("no further items are sent" in str(raised.value)) is not at_end


def second_try(before: tuple[int, int], now: tuple[int, int]) -> RunState:
    store = MemoryCheckpoints()
    first = RunState(store, None)
    settle(first, *before)
    first.save()
    second = RunState(store, None)
    settle(second, *now)
    return second


@pytest.mark.parametrize(
    ("most", "before", "now", "at_end", "stops"),
    [
        (0.5, (99, 0), (0, 1), True, False),
        (0.5, (0, 10), (0, 0), True, True),
        (0.5, (0, 200), (99, 1), True, True),
        (5, (0, 6), (0, 0), True, True),
        (5, (0, 6), (0, 0), False, True),
        (5, (9, 3), (9, 2), False, False),
        # On the way, what an earlier try has lost does not stop one that does well.
        (0.5, (0, 200), (0, 0), False, False),
        (0.5, (0, 200), (60, 40), False, False),
        (0.5, (0, 200), (0, 99), False, False),
        (0.5, (0, 200), (40, 60), False, True),
        (0.5, (900, 0), (0, 100), False, False),
    ],
)
def test_a_limit_counts_all_tries(
    most: float, before: tuple[int, int], now: tuple[int, int], at_end: bool, stops: bool
) -> None:
    run_state = second_try(before, now)
    if not stops:
        FailureLimit(most).check(run_state, at_end=at_end)
        return
    failed, done = before[1] + now[1], sum(before) + sum(now)
    with pytest.raises(ChannelTooManyFailuresError, match=f"^{failed} of {done} items failed"):
        FailureLimit(most).check(run_state, at_end=at_end)


@pytest.mark.parametrize(
    ("most", "at_end", "dead_letter", "remedy"),
    [
        (0.5, False, "f.jsonl", "To continue with the rest, mend the cause and clear the task; to send all"),
        (5, False, None, "To continue with the rest, set a higher max_failures; to send all"),
        (5, True, None, "sends nothing more when it is cleared: to send all"),
        (
            0.5,
            True,
            "f.jsonl",
            "is cleared: to send what failed, run a task with path='f.jsonl'; to send all",
        ),
    ],
)
def test_a_limit_says_what_to_do(most: float, at_end: bool, dead_letter: str | None, remedy: str) -> None:
    with pytest.raises(ChannelTooManyFailuresError) as raised:
        FailureLimit(most, dead_letter).check(settled(0, 200), at_end=at_end)
    assert f"{remedy} items again, set resume=False." in str(raised.value)
