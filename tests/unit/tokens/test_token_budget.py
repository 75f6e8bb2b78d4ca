from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.token_service import busiest_window

from airflow_channel_provider.tokens.budget import Charge, Ledger, Quota

QUOTA = Quota()


def ledger_with(*stamps: float) -> Ledger:
    return Ledger(tuple(Charge(f"c{i}", at, "app", "issue") for i, at in enumerate(stamps)))


def test_an_open_charge_counts_until_the_longest_request_could_have_been_counted() -> None:
    ledger = Ledger().charge("a", scope="app", kind="issue", now=100.0, quota=QUOTA)
    assert ledger.charges == (Charge("a", 112.0, "app", "issue"),)


def test_the_answer_stamps_the_charge_again_even_when_it_came_later_than_allowed() -> None:
    ledger = Ledger().charge("a", scope="app", kind="issue", now=100.0, quota=QUOTA)
    charge = Charge("a", 0.0, "app", "issue")
    assert ledger.settle(charge, 101.5).charges == (Charge("a", 101.5, "app", "issue"),)
    assert ledger.settle(charge, 140.0).charges[0].at == 140.0


def test_without_an_answer_the_later_stamp_counts() -> None:
    ledger = Ledger().charge("a", scope="app", kind="issue", now=100.0, quota=QUOTA)
    charge = Charge("a", 0.0, "app", "issue")
    assert ledger.settle(charge, 100.1, answered=False).charges[0].at == 112.0
    assert ledger.settle(charge, 140.0, answered=False).charges[0].at == 140.0


def test_a_charge_that_lost_its_slot_on_the_way_gets_one_again() -> None:
    charge = Charge("late", 0.0, "app", "issue")
    assert ledger_with(100.0).settle(charge, 5000.0).live(5000.0, QUOTA) == (
        Charge("late", 5000.0, "app", "issue"),
    )


def test_a_refund_removes_only_its_own_charge() -> None:
    ledger = Ledger().charge("a", scope="app", kind="issue", now=1.0, quota=QUOTA)
    ledger = ledger.charge("b", scope="app", kind="refresh", now=2.0, quota=QUOTA)
    assert [charge.id for charge in ledger.refund("a").charges] == ["b"]


def test_a_slot_comes_back_a_window_and_a_margin_after_its_stamp() -> None:
    ledger = ledger_with(1000.0)
    assert ledger.left(1000.0 + 1804.9, QUOTA) == 9
    assert ledger.left(1000.0 + 1805.0, QUOTA) == 10


@pytest.mark.parametrize(
    ("used", "keep_free", "expected"),
    [
        (0, 0, 1000.0),
        (9, 0, 1000.0),
        (10, 0, 100.0 + 1805.0),  # the oldest has to go
        (6, 3, 1000.0),  # 7 used, 3 free after it
        (7, 3, 100.0 + 1805.0),
        (9, 3, 102.0 + 1805.0),  # three have to go
        (0, 10, 1000.0),  # a reserve of everything never forbids the first request
    ],
)
def test_when_the_next_request_may_be_sent(used: int, keep_free: int, expected: float) -> None:
    ledger = ledger_with(*(100.0 + i for i in range(used)))
    assert ledger.available_at(1000.0, QUOTA, keep_free=keep_free) == expected


def test_a_block_outlasts_free_slots_and_an_accepted_request_lifts_it() -> None:
    ledger = Ledger(blocked_until=500.0)
    assert ledger.available_at(400.0, QUOTA) == 500.0
    assert ledger.left(400.0, QUOTA) == 0
    assert ledger.accepted().available_at(400.0, QUOTA) == 400.0


def test_a_refusal_that_names_its_end_is_believed() -> None:
    assert ledger_with(90.0).refused(100.0, QUOTA, 42.0).blocked_until == 142.0


def test_a_refusal_that_our_own_charges_explain_ends_with_the_oldest_of_them() -> None:
    ledger = ledger_with(*(90.0 + i for i in range(10))).refused(100.0, QUOTA, None)
    assert ledger.blocked_until == 90.0 + 1805.0


def test_an_unexplained_refusal_is_probed_six_times_and_then_left_alone_for_a_window() -> None:
    ledger, now, pauses = Ledger(), 0.0, []
    for _ in range(8):
        ledger = ledger.refused(now, QUOTA, None)
        pauses.append(ledger.blocked_until - now)
        now = ledger.blocked_until
    assert pauses == [300.0] * 6 + [1805.0] * 2
    assert ledger.accepted().refused(now, QUOTA, None).blocked_until == now + 300.0


@pytest.mark.parametrize("told", [0.0, -30.0])
def test_a_refusal_that_names_the_past_explains_nothing(told: float) -> None:
    assert Ledger().refused(100.0, QUOTA, told).blocked_until == 400.0


def test_a_refusal_that_names_a_day_is_believed_for_a_window() -> None:
    assert Ledger().refused(100.0, QUOTA, 86_400.0).blocked_until == 100.0 + 1805.0


def test_short_waits_that_never_help_get_longer() -> None:
    ledger, now, pauses = Ledger(), 0.0, []
    for _ in range(6):
        ledger = ledger.refused(now, QUOTA, 1.0)
        pauses.append(ledger.blocked_until - now)
        now = ledger.blocked_until
    assert pauses == [1.0, 5.0, 10.0, 20.0, 40.0, 80.0]


def test_a_later_block_is_never_shortened() -> None:
    assert Ledger(blocked_until=900.0).refused(100.0, QUOTA, 5.0).blocked_until == 900.0


def test_a_lost_ledger_counts_as_half_spent() -> None:
    ledger = Ledger.half_spent(100.0, QUOTA)
    assert ledger.left(100.0, QUOTA) == 5
    assert ledger.left(100.0 + 1805.0, QUOTA) == 10


steps = st.lists(
    st.tuples(
        st.one_of(st.floats(0, 20), st.floats(0, 700)),  # seconds until the next attempt
        st.floats(0, 12),  # how long its answer takes
        st.sampled_from(["answered", "orphaned", "refunded"]),
        st.sampled_from([0, 0, 0, 3]),  # slots to keep free
    ),
    max_size=120,
)


@settings(max_examples=150, deadline=None)
@given(steps)
def test_no_stretch_of_a_window_ever_sees_more_than_ten_requests(
    attempts: list[tuple[float, float, str, int]],
) -> None:
    ledger, now, counted = Ledger(), 0.0, []
    for i, (pause, latency, fate, keep_free) in enumerate(attempts):
        now += pause
        if ledger.available_at(now, QUOTA, keep_free=keep_free) > now:
            continue
        ledger = ledger.charge(str(i), scope="app", kind="issue", now=now, quota=QUOTA)
        if fate == "refunded":
            ledger = ledger.refund(str(i))
            continue
        # The service may count the request at any snapshot until the answer; the latest is the worst for what follows.
        counted.append(now + latency)
        if fate == "answered":
            now += latency
            ledger = ledger.settle(Charge(str(i), 0.0, "app", "issue"), now)
    assert busiest_window(counted) <= 10


@given(st.lists(st.floats(0, 4000), max_size=30), st.integers(0, 9))
def test_available_at_is_the_first_moment_at_which_it_says_now(stamps: list[float], keep_free: int) -> None:
    ledger = ledger_with(*stamps)
    at = ledger.available_at(4000.0, QUOTA, keep_free=keep_free)
    assert ledger.available_at(at, QUOTA, keep_free=keep_free) == at
    if at > 4000.0:
        assert ledger.available_at(at - 0.01, QUOTA, keep_free=keep_free) > at - 0.01
