from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_channel_provider.emulator.quota import FixedWindow, most_in_any_window


def test_window_opens_at_the_first_hit_and_lasts_its_whole_length() -> None:
    window = FixedWindow(10, 1800)
    assert [window.hit(1000.0 + n) for n in range(11)] == [True] * 10 + [False]
    assert (window.started_at(1010), window.ends_at(1010)) == (1000.0, 2800.0)
    assert not window.hit(2799.999)
    assert window.hit(2800.0)
    assert window.started_at(2800.0) == 2800.0


def test_clock_window_is_cut_at_multiples_of_its_length_whenever_it_is_hit() -> None:
    window = FixedWindow(1, 1800, anchor="clock")
    assert window.hit(3599.0)
    assert window.started_at(3599.0) == 1800.0
    assert not window.hit(3599.5)
    assert window.hit(3600.0)
    assert window.ends_at(3600.0) == 5400.0


def test_clock_window_lets_twice_the_limit_through_around_an_edge() -> None:
    window = FixedWindow(10, 1800, anchor="clock")
    times = [3599.0] * 10 + [3600.0] * 10
    assert all(window.hit(time) for time in times)
    assert most_in_any_window(times, 1800) == 20


@pytest.mark.parametrize(("counts_refused", "used"), [(False, 2), (True, 5)])
def test_refused_hits_are_counted_only_if_so_set(counts_refused: bool, used: int) -> None:
    window = FixedWindow(2, 60, counts_refused=counts_refused)
    assert [window.hit(0) for _ in range(5)] == [True, True, False, False, False]
    assert (window.used(0), window.remaining(0)) == (used, 0)


def test_marks_of_counted_hits_are_gone_with_their_window() -> None:
    window = FixedWindow(2, 60)
    for n in range(3):
        window.hit(n, {"n": n})
    assert window.marks(59.9) == [{"n": 0}, {"n": 1}]
    assert window.marks(60) == []
    assert (window.used(60), window.remaining(60), window.started_at(60)) == (0, 2, None)


def test_a_limit_of_zero_refuses_and_opens_no_window() -> None:
    window = FixedWindow(0, 60)
    assert not window.hit(5)
    assert window.started_at(5) is None


@pytest.mark.parametrize(
    ("times", "most"),
    [
        ([], 0),
        ([1.0], 1),
        ([0.0, 1800.0], 1),
        ([0.0, 1799.999], 2),
        ([0, 100, 200, 1900, 1950, 2000, 2050], 4),
        ([0.0] * 7, 7),
    ],
)
def test_most_in_any_window_counts_half_open_stretches(times: list[float], most: int) -> None:
    assert most_in_any_window(times, 1800) == most


@given(
    gaps=st.lists(st.integers(0, 40), max_size=80),
    limit=st.integers(1, 5),
    anchor=st.sampled_from(["first", "clock"]),
    counts_refused=st.booleans(),
)
def test_no_window_lets_more_than_its_limit_through(
    gaps: list[int], limit: int, anchor: str, counts_refused: bool
) -> None:
    window = FixedWindow(limit, 60, anchor=anchor, counts_refused=counts_refused)
    now, allowed = 1000, []
    for gap in gaps:
        now += gap
        if window.hit(now):
            allowed.append((window.started_at(now), now))
    starts = [start for start, _ in allowed]
    assert all(starts.count(start) <= limit for start in starts)
    assert all(start is not None and start <= time < start + 60 for start, time in allowed)
    assert most_in_any_window([time for _, time in allowed], 60) <= 2 * limit
