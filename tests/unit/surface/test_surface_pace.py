"""The decisions about the rate limit that the tasks of a channel share: exact, and without a clock."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_channel_provider.pace import (
    MOST_AT_ONCE,
    Pace,
    Pause,
    Permits,
    Seen,
    given_back,
    learned,
    taken,
)

KNOWN = Pace(limit=1000, left=1000, window=160, ends_at=160.0, length_seconds=60.0, takers=("a",))


def take(pace: Pace, now: float, taker: str = "a", most: int = MOST_AT_ONCE) -> tuple[Pace, Permits]:
    pace, found = taken(pace, now, taker=taker, most=most)
    assert isinstance(found, Permits)
    return pace, found


def test_nothing_is_known_so_each_process_sends_one_request() -> None:
    pace, permits = take(Pace(), 100.0)
    assert (permits.count, permits.first_at) == (1, 100.0)
    assert take(pace, 100.0, "b")[1].count == 1


def test_the_first_answer_says_the_limit_and_what_is_on_its_way_is_kept_back() -> None:
    pace = replace(Pace(), takers=("a", "b"))
    pace = learned(pace, Seen(1000, 999, 160, 160.0), 100.0)
    assert (pace.limit, pace.left, pace.ends_at, pace.length_seconds) == (1000, 995, 160.0, 60.0)


def test_permits_are_given_once_and_in_smaller_parts_to_more_processes() -> None:
    pace, first = take(KNOWN, 100.0)
    assert (first.count, first.gap_seconds, pace.left) == (50, 0.0, 950)
    pace, second = take(replace(pace, takers=tuple("abcdefgh")), 100.0)
    assert (second.count, pace.left) == (750 // 32, 950 - 23)
    assert take(KNOWN, 100.0, most=1)[1].count == 1


def test_below_the_share_what_is_left_is_spread_over_what_is_left_of_the_window() -> None:
    pace, permits = take(replace(KNOWN, left=199), 100.0)
    assert permits == Permits(4, 100.0, 0.3, 160.0, 160)
    assert pace.next_at == pytest.approx(101.2)
    pace, permits = take(pace, 100.0, "b")
    assert permits.first_at == pytest.approx(101.2)
    assert permits.gap_seconds == pytest.approx((160 - 101.2) / 196)


def test_the_last_permit_may_be_used_before_the_window_ends() -> None:
    pace, now = replace(KNOWN, left=199), 100.0
    moments: list[float] = []
    while pace.left:
        pace, permits = take(pace, now)
        moments += [permits.first_at + n * permits.gap_seconds for n in range(permits.count)]
    assert len(moments) == 199
    assert moments == sorted(moments)
    assert moments[-1] < 160.0
    assert taken(pace, now, taker="a", most=1)[1] == Pause(160.0)


def test_after_the_end_a_window_is_assumed_until_an_answer_names_it() -> None:
    pace, permits = take(replace(KNOWN, left=0, takers=("a", "b")), 160.0)
    assert (pace.left, pace.is_assumed, permits.is_assumed) == (996 - permits.count, True, True)
    assert (pace.ends_at, pace.takers) == (220.0, ("a",))
    named = learned(pace, Seen(1000, 999, 221, 221.0), 160.5)
    assert (named.left, named.window, named.ends_at, named.is_assumed) == (pace.left, 221, 221.0, False)
    assert learned(pace, Seen(1000, 0, 160, 220.0), 160.5) == pace


def test_a_window_that_ended_earlier_than_it_was_thought_begins_with_what_the_answer_says() -> None:
    pace = learned(replace(KNOWN, left=3, takers=("a", "b")), Seen(1000, 998, 220, 219.5), 159.5)
    assert (pace.left, pace.window, pace.takers, pace.length_seconds) == (994, 220, (), 60.0)


def test_what_others_have_used_is_not_given_again() -> None:
    assert learned(KNOWN, Seen(1000, 300, 160, 160.0), 101.0).left == 300
    assert learned(replace(KNOWN, left=200), Seen(1000, 300, 160, 160.0), 101.0).left == 200


def test_a_late_answer_of_a_window_before_changes_nothing() -> None:
    assert learned(KNOWN, Seen(1000, 0, 100, 161.0), 101.0) == KNOWN
    assert learned(KNOWN, Seen(1000, 0, 161, 100.0), 101.0) == KNOWN


@pytest.mark.parametrize("known", [KNOWN, Pace(), Pace(limit=0)])
def test_a_refusal_that_says_how_long_to_wait_stops_all_for_so_long(known: Pace) -> None:
    pace = learned(known, Seen(1, 0, 0, 102.0), 101.0)
    assert taken(pace, 101.0, taker="b", most=9)[1] == Pause(102.0)
    assert learned(pace, Seen(1, 0, 0, 101.5), 101.1) == pace
    after, permits = take(pace, 102.0, most=9)
    assert (after.window, permits.ends_at) == (known.window, take(known, 102.0, most=9)[1].ends_at)


def test_a_refusal_may_say_to_wait_beyond_the_window() -> None:
    pace = learned(KNOWN, Seen(1, 0, 0, 170.0), 101.0)
    assert taken(pace, 161.0, taker="b", most=9)[1] == Pause(170.0)
    assert take(pace, 170.0)[1].is_assumed


def test_a_service_that_says_nothing_of_limits_is_not_slowed_down() -> None:
    pace = learned(Pace(), Seen(0, 0, 0, 0.0), 100.0)
    assert take(pace, 100.0, most=7)[1] == Permits(7, 100.0, 0.0, 160.0, 0)
    assert learned(KNOWN, Seen(0, 0, 0, 0.0), 100.0) == KNOWN


def test_what_is_given_back_may_be_taken_again_in_the_same_window_only() -> None:
    pace = replace(KNOWN, left=10)
    assert given_back(pace, 160, 5, 100.0).left == 15
    assert given_back(pace, 160, 5_000, 100.0).left == 1000
    assert given_back(pace, 100, 5, 100.0) == pace
    assert given_back(pace, 160, 5, 160.0) == pace
    assert given_back(Pace(), 0, 5, 100.0) == Pace()


def test_a_limit_of_a_few_requests_leaves_some_for_each_window() -> None:
    pace = Pace(limit=4, left=0, window=160, ends_at=160.0, length_seconds=60.0, takers=tuple("abcdefgh"))
    pace, permits = take(pace, 160.0)
    assert permits.count + pace.left == 2


@pytest.mark.parametrize(
    "state",
    [
        None,
        {},
        {**KNOWN.to_json(), "left": 1001},
        {**KNOWN.to_json(), "left": -1},
        {**KNOWN.to_json(), "left": "many"},
        {**KNOWN.to_json(), "ends_at": float("nan")},
        {**KNOWN.to_json(), "length_seconds": -1},
        {**KNOWN.to_json(), "paused_until": float("inf")},
        {**KNOWN.to_json(), "takers": None},
        {**KNOWN.to_json(), "limit": -5, "left": 0},
    ],
)
def test_what_can_not_be_true_counts_as_unknown(state: Any) -> None:
    assert Pace.from_json(state) == Pace()


def test_it_is_stored_as_it_is() -> None:
    assert Pace.from_json(KNOWN.to_json()) == KNOWN
