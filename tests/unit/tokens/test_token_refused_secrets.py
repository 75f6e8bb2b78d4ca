"""Whether a refusal means an App Secret, and so every scope, or one channel: the service words both alike."""

from __future__ import annotations

import itertools

from support.renewals import COLD, LATE, NOW, QUOTA, REFUSAL, fail

from airflow_channel_provider.tokens import policy, transitions
from airflow_channel_provider.tokens.policy import CachedFailure, Renew, RenewalRequest
from airflow_channel_provider.tokens.record import AppRecord, TokenFacts


def test_the_refusals_of_two_app_secrets_are_remembered_side_by_side() -> None:
    other = COLD._replace(secret_mark="another mark")
    record = fail(COLD, AppRecord(), NOW, error=REFUSAL)
    record = fail(other, record, NOW, error=REFUSAL)
    for request in (COLD, other):
        assert isinstance(policy.claim(record, NOW + 1, request, QUOTA)[1], CachedFailure)


def issue(record: AppRecord, request: RenewalRequest, now: float) -> AppRecord:
    after, decision = policy.claim(record, now, request, QUOTA)
    assert decision == Renew(False, now)
    assert after is not None
    return after


def refused_issue(record: AppRecord, scope: str, now: float = NOW, mark: str = "mark") -> AppRecord:
    request = COLD._replace(scope=scope, secret_mark=mark)
    return fail(request, issue(record, request, now), now, error=REFUSAL)


def granted_issue(record: AppRecord, scope: str, now: float, mark: str = "mark") -> AppRecord:
    request = COLD._replace(scope=scope, secret_mark=mark)
    return transitions.succeeded(
        issue(record, request, now), now, request, TokenFacts("good", now, now + 1800), ()
    )


def test_a_refused_app_token_means_the_secret_and_stops_every_scope() -> None:
    record = refused_issue(AppRecord(), "app")
    other = COLD._replace(scope="channel:1")
    assert policy.claim(record, NOW + 1, other, QUOTA)[1] == CachedFailure(record.failures["app|mark"])
    assert policy.claim(record, NOW + 1, other._replace(secret_mark="corrected"), QUOTA)[1] == Renew(
        False, NOW + 1
    )
    assert policy.claim(record, NOW + 301, other, QUOTA)[1] == Renew(False, NOW + 301)


def test_one_refused_channel_is_that_channel_two_are_the_secret() -> None:
    record = refused_issue(AppRecord(), "channel:1")
    assert record.refused_secrets() == {}
    record = refused_issue(record, "channel:2", NOW + 1)
    assert record.refused_secrets() == {"mark": record.failures["channel:2|mark"]}
    third = COLD._replace(scope="channel:3")
    assert policy.claim(record, NOW + 2, third, QUOTA)[1] == CachedFailure(record.failures["channel:2|mark"])


def test_a_token_bought_since_shows_that_the_secret_is_good() -> None:
    record = refused_issue(AppRecord(), "channel:1")
    record = granted_issue(record, "channel:9", NOW + 1)
    record = refused_issue(record, "channel:2", NOW + 2)
    assert record.refused_secrets() == {}
    # What was refused before stays remembered: it is the channel.
    first = COLD._replace(scope="channel:1")
    assert policy.claim(record, NOW + 299, first, QUOTA)[1] == CachedFailure(
        record.failures["channel:1|mark"]
    )
    assert refused_issue(record, "channel:1", NOW + 300).failures["channel:1|mark"].until == NOW + 900


def test_a_token_bought_with_another_secret_shows_nothing() -> None:
    record = refused_issue(AppRecord(), "channel:1")
    record = granted_issue(record, "channel:1", NOW + 1, "the good one")
    record = refused_issue(record, "channel:2", NOW + 2)
    record = granted_issue(record, "channel:2", NOW + 3, "the good one")
    third = COLD._replace(scope="channel:3")
    assert policy.claim(record, NOW + 4, third, QUOTA)[1] == CachedFailure(record.failures["channel:2|mark"])
    assert policy.claim(record, NOW + 4, third._replace(secret_mark="the good one"), QUOTA)[1] == Renew(
        False, NOW + 4
    )


def test_a_refresh_shows_nothing_of_the_secret() -> None:
    """A secret was reissued, and a process that still has the old one holds a token."""
    record = refused_issue(AppRecord(), "channel:1")
    living = LATE._replace(scope="channel:9")
    facts = TokenFacts("next", NOW + 1, NOW + 1801)
    record = transitions.succeeded(record, NOW + 1, living, facts, (), refresh=True)
    record = refused_issue(record, "channel:2", NOW + 2)
    assert record.refused_secrets() == {"mark": record.failures["channel:2|mark"]}


def test_a_secret_that_is_refused_again_is_remembered_for_longer_whichever_scope_asks() -> None:
    record = refused_issue(refused_issue(AppRecord(), "channel:1"), "channel:2")
    now, pauses = NOW, []
    for number in range(3, 9):
        pauses.append(record.refused_secrets()["mark"].until - now)
        now += pauses[-1]
        record = refused_issue(record, f"channel:{number}", now)
    assert pauses == [300.0, 600.0, 1200.0, 1800.0, 1800.0, 1800.0]
    # Then it is accepted, and at once for every scope.
    now = record.refused_secrets()["mark"].until
    record = granted_issue(record, "channel:2", now)
    assert record.refused_secrets() == {}
    assert policy.claim(record, now, COLD, QUOTA)[1] == Renew(False, now)


def test_each_of_several_wrong_secrets_is_remembered_for_every_scope() -> None:
    record = AppRecord()
    for scope, mark in itertools.product(("channel:1", "channel:2"), ("old", "older", "oldest")):
        record = refused_issue(record, scope, mark=mark)
    assert set(record.refused_secrets()) == {"old", "older", "oldest"}
    record = granted_issue(record, "channel:3", NOW, "good")
    for mark in ("old", "older", "oldest"):
        request = COLD._replace(scope="channel:4", secret_mark=mark)
        assert isinstance(policy.claim(record, NOW + 1, request, QUOTA)[1], CachedFailure)


def test_a_refused_secret_does_not_stop_a_refresh_which_does_not_show_it() -> None:
    record = refused_issue(AppRecord(), "app")
    living = LATE._replace(scope="channel:1")
    assert policy.claim(record, NOW + 1, living, QUOTA)[1] == Renew(True, NOW + 1)
