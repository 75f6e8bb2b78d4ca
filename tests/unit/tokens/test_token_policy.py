from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.renewals import COLD, EARLY, LATE, ME, NOW, QUOTA, REFUSAL, fail

from airflow_channel_provider.tokens import policy, stages, transitions
from airflow_channel_provider.tokens.budget import Charge, Ledger
from airflow_channel_provider.tokens.policy import (
    AlreadyRenewed,
    CachedFailure,
    QuotaExhausted,
    Renew,
    RenewalInProgress,
    RenewalRequest,
)
from airflow_channel_provider.tokens.record import AppRecord, Failure, Lease, TokenFacts
from airflow_channel_provider.tokens.stages import Stage


def spent(count: int, *, at: float = NOW - 100) -> Ledger:
    return Ledger(tuple(Charge(f"c{i}", at + i, "app", "issue") for i in range(count)))


@pytest.mark.parametrize(
    ("age", "scopes", "stage"),
    [
        (0, 1, Stage.FRESH),
        (1439.9, 1, Stage.FRESH),
        (1440, 1, Stage.EARLY),
        (1440, 6, Stage.EARLY),
        (1440, 7, Stage.FRESH),  # 7 scopes: the last 280 s
        (1520, 7, Stage.EARLY),
        (1599.9, 8, Stage.FRESH),  # 8 scopes: the last 200 s
        (1600, 8, Stage.EARLY),
        (1679.9, 9, Stage.FRESH),  # from 9 on: the last 120 s
        (1680, 9, Stage.EARLY),
        (1680, 25, Stage.EARLY),
        (1739.9, 1, Stage.EARLY),
        (1740, 1, Stage.LATE),
        (1799.9, 1, Stage.LATE),
        (1800, 1, Stage.EXPIRED),
        (-1000, 1, Stage.EXPIRED),  # of another clock
    ],
)
def test_what_the_age_of_a_token_asks_for(age: float, scopes: int, stage: Stage) -> None:
    assert stages.stage_of(NOW, NOW + 1800, NOW + age, scopes=scopes) is stage


@pytest.mark.parametrize(
    ("age", "stage"),
    [(7.9, Stage.FRESH), (8, Stage.EARLY), (9, Stage.LATE), (10, Stage.EXPIRED)],
)
def test_a_short_life_has_windows_in_proportion(age: float, stage: Stage) -> None:
    assert stages.stage_of(NOW, NOW + 10, NOW + age) is stage


@given(st.floats(1, 1e6), st.floats(0, 2), st.integers(1, 50))
def test_a_token_never_gets_younger(life: float, share: float, scopes: int) -> None:
    order = list(Stage)
    earlier = stages.stage_of(0, life, life * share, scopes=scopes)
    later = stages.stage_of(0, life, life * share + 1, scopes=scopes)
    assert order.index(later) >= order.index(earlier)


def claim(request: RenewalRequest, **record: Any) -> tuple[AppRecord | None, policy.Decision]:
    return policy.claim(AppRecord(**record), NOW, request, QUOTA)


def test_a_cold_start_is_issued_charged_and_leased_in_one_step() -> None:
    record, decision = claim(COLD)
    assert decision == Renew(refresh=False, requested_at=NOW)
    assert record is not None
    assert record.ledger.charges == (Charge("me", NOW + 12, "app", "issue"),)
    assert record.leases == {"app": Lease("me", "here", NOW + 20)}


@pytest.mark.parametrize(
    ("request_", "refresh"),
    [
        (EARLY, True),
        (LATE, True),
        (LATE._replace(stage=Stage.EXPIRED), False),  # a refresh that is refused plus an issue would cost two
        (COLD._replace(refused="old"), False),
    ],
)
def test_a_living_token_is_refreshed_anything_else_is_issued(request_: RenewalRequest, refresh: bool) -> None:
    assert claim(request_)[1] == Renew(refresh, NOW)


def test_a_refresh_token_known_to_be_refused_is_not_tried_again() -> None:
    failure = Failure(1, NOW - 1, refresh_refused=True)
    assert claim(LATE, failures={"app": failure})[1] == Renew(refresh=False, requested_at=NOW)


@pytest.mark.parametrize(
    ("lease", "alone", "expected"),
    [
        (Lease("other", "here", NOW + 5), False, RenewalInProgress(NOW + 5)),
        (Lease("other", "here", NOW + 5), True, Renew(False, NOW)),  # its process is dead
        (Lease("other", "there", NOW + 5), True, RenewalInProgress(NOW + 5)),  # of another host: may live
        (Lease("other", "there", NOW), False, Renew(False, NOW)),  # over
    ],
)
def test_a_lease_holds_until_it_ends_or_its_holder_does(
    lease: Lease, alone: bool, expected: policy.Decision
) -> None:
    record, decision = claim(COLD._replace(alone_on_host=alone), leases={"app": lease})
    assert decision == expected
    assert (record is None) == isinstance(expected, RenewalInProgress)


def test_the_lease_of_another_scope_does_not_hold_up_this_one() -> None:
    decision = claim(COLD, leases={"channel:1": Lease("other", "there", NOW + 5)})[1]
    assert decision == Renew(False, NOW)


FRESH_FACTS = TokenFacts("newer", NOW - 10, NOW + 1790)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (COLD, AlreadyRenewed("newer")),
        (COLD._replace(held="old", refused="old"), AlreadyRenewed("newer")),
        (COLD._replace(refused="newer"), Renew(False, NOW)),
        (COLD._replace(missing="newer"), Renew(False, NOW)),
        (LATE._replace(held="newer"), Renew(True, NOW)),
    ],
)
def test_a_newer_token_of_somebody_else_is_taken_unless_it_is_no_use(
    request_: RenewalRequest, expected: policy.Decision
) -> None:
    assert claim(request_, tokens={"app": FRESH_FACTS})[1] == expected


@pytest.mark.parametrize(
    ("request_", "used", "expected"),
    [
        (COLD, 9, Renew(False, NOW)),
        (COLD, 10, QuotaExhausted(NOW - 100 + 1805, blocked=False)),
        (LATE, 9, Renew(True, NOW)),
        (EARLY, 6, Renew(True, NOW)),
        (EARLY, 7, QuotaExhausted(NOW - 100 + 1805, blocked=False)),  # 3 of 10 are kept for those in need
    ],
)
def test_the_budget_bounds_everyone_and_comfort_first(
    request_: RenewalRequest, used: int, expected: policy.Decision
) -> None:
    assert claim(request_, ledger=spent(used))[1] == expected


def test_a_block_by_the_service_holds_for_every_scope() -> None:
    assert claim(COLD, ledger=Ledger(blocked_until=NOW + 77))[1] == QuotaExhausted(NOW + 77, blocked=True)


@pytest.mark.parametrize(
    ("request_", "failure", "remembered"),
    [
        (COLD, Failure(1, NOW + 9), True),
        (COLD, Failure(1, NOW), False),
        (COLD, Failure(1, NOW + 9, REFUSAL, "mark"), True),
        (COLD, Failure(1, NOW + 9, REFUSAL, "mark of another secret"), False),
        (COLD._replace(ask_again=True), Failure(1, NOW + 9, REFUSAL, "mark"), False),
        (EARLY, Failure(1, NOW - 1), False),
        (EARLY, Failure(2, NOW - 1), True),  # two early tries, then the old token serves until late
        (LATE, Failure(2, NOW - 1), False),
    ],
)
def test_a_failure_is_remembered_for_all(
    request_: RenewalRequest, failure: Failure, remembered: bool
) -> None:
    decision = claim(request_, failures={"app": failure})[1]
    assert (decision == CachedFailure(failure)) is remembered


def test_an_outage_pauses_every_scope_and_probes_keep_room_for_its_end() -> None:
    outage = Failure(2, NOW + 9)
    assert claim(COLD, outage=outage)[1] == CachedFailure(outage)
    over = Failure(2, NOW - 1)
    tokens = {f"channel:{i}": TokenFacts("t", NOW - 10, NOW + 900) for i in range(8)}
    assert claim(COLD, outage=over, tokens=tokens, ledger=spent(4))[1] == Renew(False, NOW)
    assert isinstance(claim(COLD, outage=over, tokens=tokens, ledger=spent(5))[1], QuotaExhausted)


def charged(request: RenewalRequest = COLD, **record: Any) -> AppRecord:
    after, decision = claim(request, **record)
    assert isinstance(decision, Renew)
    assert after is not None
    return after


def test_success_settles_the_charge_and_lifts_every_obstacle() -> None:
    record = charged(failures={"app": Failure(1, NOW - 5)}, outage=Failure(1, NOW - 5))
    facts = TokenFacts("fp", NOW, NOW + 1800)
    record = transitions.succeeded(record, NOW + 1, COLD, facts, ME)
    assert record == AppRecord(ledger=Ledger((Charge("me", NOW + 1, "app", "issue"),)), tokens={"app": facts})


def test_troubles_are_spaced_further_and_further() -> None:
    record, pauses, now = charged(), [], NOW
    for _ in range(5):
        record = fail(COLD, record, now)
        pauses.append(record.failures["app"].until - now)
        now = record.failures["app"].until
    assert pauses == [2.0, 10.0, 60.0, 300.0, 300.0]
    assert record.outage == Failure(5, now, at=now - 300.0)


def test_a_request_that_never_left_is_given_back_but_spaced_all_the_same() -> None:
    record = fail(COLD, charged(), sent=False)
    assert record.ledger.charges == ()
    assert record.failures["app"].until == NOW + 1 + 2


def test_a_refusal_is_remembered_with_its_words_and_for_longer_each_time() -> None:
    record, pauses, now = charged(), [], NOW
    for _ in range(5):
        record = fail(COLD, record, now, error=REFUSAL)
        pauses.append(record.failures["app|mark"].until - now)
        now = record.failures["app|mark"].until
    assert pauses == [300.0, 600.0, 1200.0, 1800.0, 1800.0]
    assert record.failures["app|mark"].error == REFUSAL
    assert record.outage is None


def test_a_refused_refresh_leads_to_an_issue_at_once() -> None:
    record = fail(LATE, charged(LATE), refresh=True, error=REFUSAL)
    assert record.failures["app"] == Failure(1, NOW + 1, None, "mark", refresh_refused=True, at=NOW + 1)
    assert policy.claim(record, NOW + 1, LATE, QUOTA)[1] == Renew(refresh=False, requested_at=NOW + 1)


def test_early_tries_are_two_minutes_apart() -> None:
    assert fail(EARLY, charged(EARLY), refresh=True).failures["app"].until == NOW + 1 + 120


def test_a_quota_refusal_blocks_the_app_and_gives_the_lease_back() -> None:
    record = transitions.refused_for_quota(charged(), NOW + 1, COLD, ME, QUOTA, 60.0)
    assert record.ledger.blocked_until == NOW + 61
    assert record.leases == {}


def test_an_interrupted_request_keeps_its_charge() -> None:
    record = transitions.abandoned(charged(), NOW + 1, COLD, ME)
    # No answer came, so the service may still count it until the longest request is over.
    assert record == AppRecord(ledger=Ledger((Charge("me", NOW + 12, "app", "issue"),)))


def test_a_withdrawn_request_leaves_nothing_behind() -> None:
    assert transitions.withdrawn(charged(), COLD, ME[0]) == AppRecord()


def test_an_exchange_needs_a_slot_of_its_own() -> None:
    after = transitions.exchange_charge(charged(), NOW + 1, COLD, ME, "second", QUOTA)
    assert after is not None
    assert [(c.id, c.at, c.kind) for c in after.ledger.charges] == [
        ("me", NOW + 1, "issue"),
        ("second", NOW + 13, "refresh"),
    ]
    assert transitions.exchange_charge(charged(ledger=spent(9)), NOW + 1, COLD, ME, "second", QUOTA) is None


@pytest.mark.parametrize(
    ("replacements", "age", "again"),
    [
        (0, 1, False),
        (1, 1, False),  # a token can be revoked twice
        (2, 299, True),
        (2, 300, False),
        (3, 599, True),
        (3, 600, False),
        (9, 1799, True),
        (9, 1800, False),
    ],
)
def test_the_third_replacement_in_a_row_has_to_wait_and_each_further_one_longer(
    replacements: int, age: float, again: bool
) -> None:
    facts = TokenFacts("fp", NOW - age, NOW + 1800, replacements=replacements)
    record = AppRecord(tokens={"app": facts})
    assert (policy.refused_again(record, NOW, "app", "fp") is facts) is again
    assert policy.refused_again(record, NOW, "app", "another") is None


def test_replacements_are_counted_until_a_token_is_renewed_for_its_age() -> None:
    record, counts = AppRecord(tokens={"app": TokenFacts("old", NOW - 100, NOW + 1700)}), []
    for refused in ("old", "old", None, "old"):
        request = COLD._replace(refused=refused)
        facts = TokenFacts("old", NOW, NOW + 1800)
        record = transitions.succeeded(record, NOW, request, facts, ())
        counts.append(record.tokens["app"].replacements)
    assert counts == [1, 2, 0, 1]


def test_requests_that_do_not_even_leave_are_tried_again_within_half_a_minute() -> None:
    record, now, pauses = charged(), NOW, []
    for _ in range(5):
        record = fail(COLD, record, now, sent=False)
        pauses.append(record.failures["app"].until - now)
        now = record.failures["app"].until
    assert pauses == [2.0, 10.0, 30.0, 30.0, 30.0]
    assert record.outage == Failure(5, now, at=now - 30.0)


def test_after_two_refused_refreshes_in_a_row_a_scope_is_only_issued_until_a_refresh_has_worked() -> None:
    record = AppRecord()
    for round_ in range(3):
        now = NOW + 2000 * round_
        held = TokenFacts(f"fp{round_}", now - 1750, now + 50, refresh_refusals=min(round_, 2))
        record = record._replace(tokens={"app": held})
        request = LATE._replace(held=held.fingerprint)
        after, decision = policy.claim(record, now, request, QUOTA)
        assert decision == Renew(round_ < 2, now)
        assert after is not None
        if round_ < 2:
            after = transitions.failed(
                after,
                now,
                request,
                ME,
                sent=True,
                answered=True,
                refresh=True,
                life_seconds=1800,
                error=REFUSAL,
            )
        record = transitions.succeeded(after, now, request, TokenFacts("new", now, now + 1800), ME)
        assert record.tokens["app"].refresh_refusals == min(round_ + 1, 2)
    record = transitions.succeeded(record, now, LATE, TokenFacts("new", now, now + 1800), ME, refresh=True)
    assert record.tokens["app"].refresh_refusals == 0
