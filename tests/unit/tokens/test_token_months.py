"""Two months in which nothing goes well, and each attempt that is allowed is made: nothing that counts overflows."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from support.token_service import busiest_window

from airflow_channel_provider.tokens import policy, transitions
from airflow_channel_provider.tokens.budget import Charge, Ledger, Quota
from airflow_channel_provider.tokens.policy import CachedFailure, QuotaExhausted, Renew, RenewalRequest
from airflow_channel_provider.tokens.record import AppRecord, Failure, TokenFacts
from airflow_channel_provider.tokens.stages import Stage
from airflow_channel_provider.tokens.validation import MOST_COUNTED

pytestmark = pytest.mark.promise(name="quota")

DAY = 86_400.0
QUOTA = Quota()
REFUSAL = {"class": "ChannelPermissionError", "message": "not installed"}

Outcome = Callable[[AppRecord, float, RenewalRequest, tuple[Charge, ...]], AppRecord]


def refused(record: AppRecord, now: float, request: RenewalRequest, charges: tuple[Charge, ...]) -> AppRecord:
    return transitions.failed(
        record,
        now,
        request,
        charges,
        sent=True,
        answered=True,
        refresh=False,
        life_seconds=1800.0,
        error=REFUSAL,
    )


def unanswered(
    record: AppRecord, now: float, request: RenewalRequest, charges: tuple[Charge, ...]
) -> AppRecord:
    return transitions.failed(
        record,
        now,
        request,
        charges,
        sent=True,
        answered=False,
        refresh=False,
        life_seconds=1800.0,
        error=None,
    )


def for_quota(
    record: AppRecord, now: float, request: RenewalRequest, charges: tuple[Charge, ...]
) -> AppRecord:
    return transitions.refused_for_quota(record, now, request, charges, QUOTA, 1.0)


def a_time_of(outcome: Outcome, days: int) -> tuple[list[float], AppRecord]:
    """Ask whenever the record allows it; return when that was, and the last record."""
    record, now = AppRecord(), 1_700_000_000.0
    sent: list[float] = []
    end = now + days * DAY
    while now < end:
        request = RenewalRequest("app", f"o{len(sent)}", "host", Stage.EXPIRED, secret_mark="mark")
        after, decision = policy.claim(record, now, request, QUOTA)
        if isinstance(decision, Renew):
            assert after is not None
            sent.append(now)
            now += 0.2
            charge = Charge(request.owner, 0.0, "app", "issue")
            record = outcome(after, now, request, (charge,))
        elif isinstance(decision, CachedFailure):
            now = max(now + 1.0, decision.failure.until)
        else:
            assert isinstance(decision, QuotaExhausted)
            now = max(now + 1.0, decision.at)
    return sent, record


@pytest.mark.parametrize(
    ("outcome", "days", "least", "most"),
    [(refused, 60, 2_860, 2_900), (unanswered, 10, 2_800, 2_900), (for_quota, 60, 2_860, 2_900)],
)
def test_refusals_of_two_months_keep_to_their_pauses_and_are_remembered(
    outcome: Outcome, days: int, least: int, most: int
) -> None:
    sent, record = a_time_of(outcome, days)
    assert least <= len(sent) <= most
    assert busiest_window(sent) <= QUOTA.limit
    assert AppRecord.from_json(record.to_json()) == record
    later = sent[len(sent) // 2 :]
    assert min(b - a for a, b in pairwise(later)) >= 299.0


@pytest.mark.parametrize("count", [1024, 1025, 2000, MOST_COUNTED])
def test_a_refusal_after_a_thousand_others_is_remembered_for_half_an_hour(count: int) -> None:
    request = RenewalRequest("app", "o", "host", Stage.EXPIRED, secret_mark="mark")
    before = AppRecord(failures={"app|mark": Failure(count, 0.0, REFUSAL, "mark")})
    (failure,) = refused(before, 10_000.0, request, ()).failures.values()
    assert (failure.in_a_row, failure.until) == (min(count + 1, MOST_COUNTED), 11_800.0)


def test_nothing_else_that_counts_overflows() -> None:
    request = RenewalRequest("app", "o", "host", Stage.EXPIRED, refused="old", secret_mark="mark")
    most = MOST_COUNTED
    facts = TokenFacts("old", 0.0, 1800.0, replacements=most, refresh_refusals=most)
    before = AppRecord(
        ledger=Ledger(refusals=most),
        tokens={"app": facts},
        failures={"app": Failure(most, 0.0, refresh_refused=True)},
        outage=Failure(most, 0.0),
    )
    bought = transitions.succeeded(before, 100.0, request, TokenFacts("new", 100.0, 1900.0), ())
    assert (bought.tokens["app"].replacements, bought.tokens["app"].refresh_refusals) == (most, most)
    assert policy.refused_again(before, 100.0, "app", "old") == facts
    assert policy.refused_again(before, 1800.0, "app", "old") is None
    failed = unanswered(before, 100.0, request, ())
    assert failed.outage == Failure(most, 400.0, at=100.0)
    ledger = for_quota(before, 100.0, request, ()).ledger
    assert (ledger.refusals, ledger.blocked_until) == (most, 100.0 + QUOTA.silence_seconds)
