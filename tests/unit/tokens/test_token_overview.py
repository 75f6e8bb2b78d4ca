from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_channel_provider.tokens import history
from airflow_channel_provider.tokens.budget import Charge, Ledger, Quota
from airflow_channel_provider.tokens.history import Outcome, TokenRequest
from airflow_channel_provider.tokens.overview import AppOverview, ScopeOverview, overview_of
from airflow_channel_provider.tokens.record import AppName, AppRecord, Failure, Lease, TokenFacts

NOW = 100_000.0
WALL = datetime(2026, 11, 24, 12, 0, 0, tzinfo=timezone.utc)
QUOTA = Quota()
FRESH = TokenFacts("fp", NOW - 600, NOW + 1200)
SECRET_REFUSED = Failure(1, NOW + 240, {"class": "ChannelAuthenticationError"}, "mark", at=NOW - 60)


def at(seconds: float) -> datetime:
    return WALL + timedelta(seconds=seconds)


def look(**record: Any) -> AppOverview:
    return overview_of("key", AppRecord(**record), NOW, QUOTA, WALL)


def scope(facts: TokenFacts | None = None, **record: Any) -> ScopeOverview:
    tokens = {"app": facts} if facts else {}
    (found,) = look(tokens=tokens, **record).scopes
    return found


def charges(count: int, *, age: float = 100.0) -> Ledger:
    return Ledger(tuple(Charge(f"c{i}", NOW - age - i, "app", "issue") for i in range(count)))


def test_a_new_app_has_all_of_its_quota_and_nothing_to_say() -> None:
    app = look(name=AppName("https://x", "my-app", ("c",)))
    assert (app.left, app.limit, app.next_free_at, app.next_renewal) == (10, 10, None, None)
    assert [slot.state for slot in app.slots] == ["free"] * 10
    assert (app.scopes, app.timeline, app.warnings) == ((), (), ())
    assert (app.app_id, app.base_url, app.connections) == ("my-app", "https://x", ("c",))


@pytest.mark.parametrize(
    ("left", "state"),
    [
        (1200.0, "fresh"),
        (361.0, "fresh"),
        (360.0, "early"),
        (60.0, "late"),
        (0.0, "expired"),
        (-500.0, "expired"),
    ],
)
def test_the_state_of_a_token_is_the_policys(left: float, state: str) -> None:
    found = scope(TokenFacts("fp", NOW + left - 1800, NOW + left))
    assert found.state == state
    assert found.expires_at == at(left)
    assert found.renewal_at == (at(left - 360) if left > 0 else None)
    assert found.late_at == (at(left - 60) if left > 0 else None)


def test_a_dropped_token_has_no_renewal_of_its_own() -> None:
    found = scope(FRESH._replace(dropped=True))
    assert (found.state, found.renewal_at, found.late_at) == ("dropped", None, None)


def test_a_scope_that_is_being_fetched_for_the_first_time_is_shown() -> None:
    found = scope(leases={"app": Lease("me", "host", NOW + 5)})
    assert (found.state, found.renewing, found.expires_at) == ("missing", True, None)
    assert not scope(leases={"app": Lease("me", "host", NOW)}).renewing


def test_slots_say_when_each_comes_back() -> None:
    ledger = Ledger(
        (
            Charge("open", NOW + 12, "channel:1", "issue"),
            Charge("old", NOW - 1805, "app", "issue"),
            Charge("spent", NOW - 1800, "app", "refresh"),
            Charge("lost-0", NOW - 10, "", "lost"),
        )
    )
    slots = look(ledger=ledger).slots
    assert [(slot.state, slot.scope, slot.kind, slot.free_at) for slot in slots[:3]] == [
        ("spent", "app", "refresh", at(5)),
        ("assumed", "", "lost", at(1795)),
        ("open", "channel:1", "issue", at(1817)),
    ]
    assert [slot.state for slot in slots[3:]] == ["free"] * 7


def test_the_first_renewal_of_all_scopes_is_named() -> None:
    tokens = {"app": FRESH, "channel:1": TokenFacts("fp", NOW - 900, NOW + 900)}
    assert look(tokens=tokens).next_renewal == ("channel:1", at(540))


def test_the_timeline_has_every_request_of_the_day() -> None:
    rows = history.add_request(
        (), TokenRequest("1", NOW - 60, "app", "issue", "no token is stored", "dag.task")
    )
    rows = history.set_outcome(rows, "1", NOW - 59, Outcome.REFUSED, "ChannelAuthenticationError")
    (entry,) = look(history=rows).timeline
    assert (entry.at, entry.outcome, entry.detail, entry.seconds) == (
        at(-60),
        "refused",
        "ChannelAuthenticationError",
        1.0,
    )
    assert (entry.why, entry.asked_by) == ("no token is stored", "dag.task")


@pytest.mark.parametrize(
    ("record", "warning"),
    [
        (
            {"ledger": charges(10)},
            "All 10 token requests are spent; the next is free at 12:28:16 UTC. Tasks that hold a living token go on.",
        ),
        (
            {"ledger": charges(3)._replace(blocked_until=NOW + 300)},
            "The service refuses token requests for its quota; the next is sent at 12:05:00 UTC.",
        ),
        (
            {"ledger": charges(3)._replace(blocked_until=NOW + 300)},
            (
                "By our own count 7 requests were left when it refused: something else uses the same app. Lower the "
                "option [channel_talk] token_quota by what that needs."
            ),
        ),
        (
            {"failures": {"app|mark": SECRET_REFUSED}},
            (
                "The App Secret of a connection was refused at 11:59:00 UTC. Correct it there, if it is still the "
                "same; another App Secret is tried at once."
            ),
        ),
        (
            {"outage": Failure(3, NOW + 60)},
            "The service does not answer token requests (3 in a row); the next is sent at 12:01:00 UTC.",
        ),
        (
            {"outage": Failure(3, NOW - 60)},
            "The service does not answer token requests (3 in a row); the next is sent when a task needs a token.",
        ),
        (
            {"ledger": Ledger.half_spent(NOW, QUOTA)},
            (
                "The store is new, was restarted or lost its count of token requests: half of the quota counts as "
                "spent for at most one window."
            ),
        ),
        (
            {"tokens": {f"channel:{i}": FRESH for i in range(9)}},
            "9 scopes share this quota; 8 is the safe number: tasks may wait for tokens.",
        ),
        (
            {"tokens": {f"channel:{i}": FRESH for i in range(11)}},
            "11 scopes share this quota; 8 is the safe number: tasks will wait for tokens.",
        ),
        (
            {"failures": {"channel:1|mark": Failure(2, NOW + 60, error={"class": "ChannelPermissionError"})}},
            (
                "channel:1: the app is not installed on the channel, or may not act there: install it (2 times in a "
                "row); the next attempt is possible at 12:01:00 UTC."
            ),
        ),
        ({"failures": {"app": Failure(1, NOW - 1)}}, "app: failed once."),
        (
            {"failures": {"app": Failure(1, NOW + 2, refresh_refused=True)}},
            "app: the refresh token was refused; the next attempt is possible at 12:00:02 UTC.",
        ),
    ],
)
def test_warnings_in_words(record: dict[str, Any], warning: str) -> None:
    assert warning in look(**record).warnings


def test_eight_scopes_are_no_reason_to_warn() -> None:
    assert look(tokens={f"channel:{i}": FRESH for i in range(8)}).warnings == ()


def test_it_is_plain_json_with_times_that_name_their_zone() -> None:
    app = look(tokens={"app": FRESH}, ledger=charges(1))
    document = json.loads(json.dumps(app.as_json()))
    assert document["now"] == "2026-11-24T12:00:00+00:00"
    assert document["scopes"][0]["expires_at"] == "2026-11-24T12:20:00+00:00"
    assert document["next_renewal"] == ["app", "2026-11-24T12:14:00+00:00"]
    assert document["slots"][0]["free_at"] == "2026-11-24T12:28:25+00:00"


def test_a_secret_that_was_refused_before_the_last_token_is_no_problem_any_more() -> None:
    expired = TokenFacts("fp", NOW - 2000, NOW - 200)
    refusal = Failure(1, NOW, {"class": "authentication"}, "another-secret")
    earlier = {"app|another-secret": refusal._replace(at=NOW - 3000)}
    later = {"app|another-secret": refusal._replace(at=NOW - 100)}
    assert look(tokens={"app": expired}, failures=earlier).warnings == ()
    assert len(look(tokens={"app": expired}, failures=later).warnings) == 1


def test_a_refused_secret_is_named_while_it_is_remembered_and_until_a_token_follows() -> None:
    long_ago = {"app|mark": SECRET_REFUSED._replace(until=NOW - 1, at=NOW - 301)}
    for failures, issued_at, is_named in (
        ({"app|mark": SECRET_REFUSED}, NOW - 10, True),  # with another secret
        (long_ago, NOW - 900, True),
        (long_ago, NOW - 10, False),
        ({"channel:1|mark": SECRET_REFUSED}, NOW - 900, False),  # perhaps just this channel
    ):
        facts = TokenFacts("fp", issued_at, issued_at + 1800)
        warnings = look(tokens={"channel:2": facts}, failures=failures).warnings
        assert any("App Secret of a connection" in warning for warning in warnings) is is_named
