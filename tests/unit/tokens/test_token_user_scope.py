"""Tokens of a service that counts no token requests and whose refresh tokens outlive their access tokens."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import pytest
from support.token_service import TokenService

from airflow_channel_provider.exceptions import (
    ChannelAmbiguousResultError,
    ChannelAuthenticationError,
    ChannelNotSentError,
    ChannelRateLimitError,
)
from airflow_channel_provider.tokens import policy, stages, transitions
from airflow_channel_provider.tokens.budget import Charge, Ledger, Quota
from airflow_channel_provider.tokens.manager import TokenManager
from airflow_channel_provider.tokens.overview import overview_of
from airflow_channel_provider.tokens.policy import CachedFailure, Renew, RenewalRequest
from airflow_channel_provider.tokens.record import AppName, AppRecord, Failure, TokenFacts
from airflow_channel_provider.tokens.stages import Stage
from airflow_channel_provider.tokens.stores.memory import MemoryStore
from airflow_channel_provider.tokens.types import BENLLY

DAY = 86_400.0
YEAR = 365 * DAY
UNLIMITED = Quota.unlimited()
WALL = datetime(2026, 11, 24, 12, 0, 0, tzinfo=timezone.utc)
USER = RenewalRequest(scope="user", owner="me", host="here", stage=Stage.EXPIRED, secret_mark="mark")


# ---------------------------------------------------------------------------------------------------- no quota


def test_without_a_quota_a_request_may_be_sent_at_any_time_unless_the_service_blocks() -> None:
    ledger = Ledger(tuple(Charge(f"c{i}", 1000.0 + i, "user", "issue") for i in range(50)))
    assert ledger.available_at(1001.0, UNLIMITED) == 1001.0
    assert ledger.available_at(1001.0, UNLIMITED, keep_free=3) == 1001.0
    assert ledger._replace(blocked_until=1234.0).available_at(1001.0, UNLIMITED) == 1234.0


def test_the_ledger_only_holds_requests_on_their_way() -> None:
    ledger = Ledger()
    for i in range(1000):
        now = 1000.0 + i
        ledger = ledger.charge(f"c{i}", scope="user", kind="refresh", now=now, quota=UNLIMITED)
        ledger = ledger.settle(Charge(f"c{i}", 0.0, "user", "refresh"), now + 0.5)
    assert len(ledger.charges) == 1
    open_ones = Ledger()
    for i in range(30):
        open_ones = open_ones.charge(f"c{i}", scope="user", kind="issue", now=1000.0 + i, quota=UNLIMITED)
    assert [charge.at for charge in open_ones.charges] == [1000.0 + i + 12 for i in range(18, 30)]


def test_a_lost_record_assumes_nothing_spent() -> None:
    assert Ledger.half_spent(1000.0, UNLIMITED) == Ledger()


@pytest.mark.parametrize(
    ("told", "refusals", "pause"),
    [(40.0, 0, 40.0), (9e9, 0, 1805.0), (None, 0, 300.0), (None, 5, 300.0), (None, 6, 1805.0)],
)
def test_a_refusal_for_too_many_requests_is_waited_out(
    told: float | None, refusals: int, pause: float
) -> None:
    ledger = Ledger(refusals=refusals).refused(1000.0, UNLIMITED, told)
    assert ledger.blocked_until == 1000.0 + pause


# ---------------------------------------------------------------------------------------------------- a long life


@pytest.mark.parametrize(
    ("age", "stage"),
    [
        (0.0, Stage.FRESH),
        (292 * DAY - 1, Stage.FRESH),
        (292 * DAY, Stage.EARLY),
        (YEAR - 61, Stage.EARLY),
        (YEAR - 60, Stage.LATE),
        (YEAR, Stage.EXPIRED),
    ],
)
def test_a_token_of_a_year_may_be_renewed_in_its_last_73_days(age: float, stage: Stage) -> None:
    assert stages.stage_of(1000.0, 1000.0 + YEAR, 1000.0 + age) is stage


def test_early_tries_of_a_token_of_a_year_are_an_hour_apart_and_go_on() -> None:
    request = USER._replace(stage=Stage.EARLY, held="old")
    record = AppRecord(tokens={"user": TokenFacts("old", 0.0, YEAR)})
    now = 300 * DAY
    for count in range(1, 6):
        record = transitions.failed(
            record,
            now,
            request,
            (),
            sent=True,
            answered=False,
            refresh=True,
            life_seconds=YEAR,
            error=None,
        )
        failure = record.failure_of("user", "mark")
        assert failure is not None
        assert (failure.in_a_row, failure.until) == (count, now + 3600.0)
        assert isinstance(policy.claim(record, now + 3599, request, UNLIMITED)[1], CachedFailure)
        now += 3600.0
        assert policy.claim(record, now, request, UNLIMITED)[1] == Renew(refresh=True, requested_at=now)


@pytest.mark.parametrize(
    ("changes", "refresh"),
    [
        ({"outliving": True}, True),
        ({"outliving": True, "refused": "old"}, True),
        ({"outliving": True, "held": "old", "stage": Stage.LATE}, True),
        ({}, False),
        ({"refused": "old"}, False),
    ],
)
def test_a_refresh_token_that_outlives_its_access_token_is_shown(
    changes: dict[str, object], refresh: bool
) -> None:
    request = USER._replace(**changes)  # type: ignore[arg-type]
    _, decision = policy.claim(AppRecord(), 1000.0, request, UNLIMITED)
    assert decision == Renew(refresh=refresh, requested_at=1000.0)


def test_one_that_was_refused_is_not_shown_again() -> None:
    record = AppRecord(failures={"user": Failure(1, 0.0, refresh_refused=True)})
    _, decision = policy.claim(record, 1000.0, USER._replace(outliving=True), UNLIMITED)
    assert decision == Renew(refresh=False, requested_at=1000.0)


# ---------------------------------------------------------------------------------------------------- the manager


@dataclass
class World:
    """One user, one store, a service, and a clock that only moves when told (or when somebody waits)."""

    now: float = 50_000.0

    def __post_init__(self) -> None:
        self.store = MemoryStore(lambda: self.now)
        self.service = TokenService(lambda: self.now, limit=10**6, life_seconds=YEAR)

    def task(self, secret: str = "the secrets") -> TokenManager:
        """A task process: it remembers nothing, and shares only the store."""
        self.store.local_cache.clear()
        return TokenManager(
            base_url="https://benlly.test",
            app_id="7/abc",
            secret=secret,
            store=self.store,
            exchange=self.service,
            quota=UNLIMITED,
            service=BENLLY,
            label="Connection 'b'",
            sleep=self.sleep,
            clock=lambda: self.now,
            connection="b",
        )

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def kinds(self) -> list[str]:
        return [kind for _, kind, _ in self.service.log]


@pytest.fixture
def world() -> World:
    return World()


def refusing(kind: str, error: Exception | None = None) -> Callable[[str], None]:
    def trouble(asked: str) -> None:
        if asked == kind:
            raise error or ChannelAuthenticationError("refused", method=asked, http_status=401)

    return trouble


def test_the_one_token_belongs_to_the_scope_user(world: World) -> None:
    token = world.task().get()
    assert (token.scope, token.life_seconds) == ("user", YEAR)
    status = world.task().status()
    assert (status.limit, status.charges_left, [scope.scope for scope in status.scopes]) == (0, 0, ["user"])


def test_a_token_whose_time_is_over_is_refreshed(world: World) -> None:
    first = world.task().get()
    world.now += YEAR + 30 * DAY
    assert world.task().get() != first
    assert world.kinds() == ["issue", "refresh"]


def test_a_refused_token_is_refreshed_once_for_all(world: World) -> None:
    first = world.task().get()
    renewed = {world.task().get(rejected=first.fingerprint).fingerprint for _ in range(20)}
    assert len(renewed) == 1
    assert world.kinds() == ["issue", "refresh"]


def test_a_refused_refresh_is_followed_by_the_credentials_at_once(world: World) -> None:
    first = world.task().get()
    world.service.trouble = refusing("refresh")
    assert world.task().get(rejected=first.fingerprint) != first
    assert world.kinds() == ["issue", "refresh", "issue"]
    world.now += YEAR
    world.service.trouble = lambda kind: None
    world.task().get()
    assert world.kinds()[3:] == ["refresh"]  # the new pair's is good


def test_where_the_credentials_are_refused_too_everyone_learns_it_from_two_requests(world: World) -> None:
    first = world.task().get()
    world.service.trouble = lambda kind: refusing(kind)(kind)
    for _ in range(20):
        with pytest.raises(ChannelAuthenticationError, match="another login is tried at once"):
            world.task().get(rejected=first.fingerprint)
    assert world.kinds() == ["issue", "refresh", "issue"]
    world.service.trouble = lambda kind: None
    world.task("other secrets").get()
    assert world.kinds()[3:] == ["issue"]


def test_a_pair_that_is_lost_is_bought_with_the_credentials(world: World) -> None:
    world.task().get()
    world.store._blobs.clear()
    world.task().get()
    assert world.kinds() == ["issue", "issue"]


def test_a_pair_is_kept_for_twice_the_life_of_its_access_token(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[float] = []
    monkeypatch.setattr(world.store, "write_blob", lambda *arguments: kept.append(arguments[3]))
    world.task().get()
    assert kept == [2 * YEAR]


def test_a_dropped_token_is_refreshed(world: World) -> None:
    first = world.task().get()
    world.task().repository.update(lambda record, now: record.with_dropped_token("user"))
    assert world.task().get() != first
    assert world.kinds() == ["issue", "refresh"]


def test_an_early_renewal_that_goes_wrong_leaves_the_old_token(world: World) -> None:
    first = world.task().get()
    world.now += 300 * DAY
    world.service.trouble = refusing("refresh", ChannelAmbiguousResultError("lost"))
    assert world.task().get() == first
    assert world.task().get() == first
    assert world.kinds() == ["issue", "refresh"]


def test_a_process_looks_again_within_half_an_hour_however_long_a_token_lives(world: World) -> None:
    task = world.task()
    first = task.get()
    world.now += 1799
    assert task.get() is first
    task.repository.update(lambda record, now: record.with_dropped_token("user"))
    world.now += 2
    assert task.get() != first


def test_too_many_requests_block_everyone_until_told(world: World) -> None:
    world.service.trouble = refusing("issue", ChannelRateLimitError("429", retry_after_seconds=40.0))
    for _ in range(5):
        with pytest.raises(ChannelRateLimitError) as caught:
            world.task().get()
        assert caught.value.retry_after_seconds == 40.0
    assert world.kinds() == ["issue"]
    world.service.trouble = lambda kind: None
    world.now += 41
    world.task().get()


def test_a_passing_trouble_is_no_refusal(world: World) -> None:
    world.service.trouble = refusing("issue", ChannelAmbiguousResultError("lost"))
    with pytest.raises(ChannelNotSentError, match="scope user"):
        world.task().get()


def test_the_log_speaks_of_no_quota(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        world.task().get()
    assert caplog.messages == ["Token request: login for scope user, since no token is stored."]


def test_a_new_token_that_is_refused_again_and_again_is_not_renewed_for_ever(world: World) -> None:
    token = world.task().get()
    for _ in range(2):
        token = world.task().get(rejected=token.fingerprint)
    with pytest.raises(ChannelAuthenticationError, match="host and client of the connection"):
        world.task().get(rejected=token.fingerprint)
    assert world.kinds() == ["issue", "refresh", "refresh"]


# ---------------------------------------------------------------------------------------------------- the overview


def test_the_overview_tells_it_from_an_app_with_a_quota(world: World) -> None:
    task = world.task()
    token = task.get()
    task.get(rejected=token.fingerprint)
    snapshot = task.repository.snapshot()
    app = overview_of("key", snapshot.record, snapshot.now, Quota(), WALL)
    assert (app.service, app.app_id, app.connections) == ("Benlly", "7/abc", ("b",))
    assert (app.limit, app.left, app.slots, app.next_free_at, app.warnings) == (0, 0, (), None, ())
    (scope,) = app.scopes
    assert (scope.scope, scope.state, scope.life_seconds) == ("user", "fresh", YEAR)
    assert [entry.kind for entry in app.timeline] == ["issue", "refresh"]


def test_a_block_is_shown_without_a_word_of_the_quota() -> None:
    name = AppName("https://b", "7/abc", ("b",), "Benlly", True)
    record = AppRecord(ledger=Ledger(blocked_until=1060.0, refusals=1), name=name)
    app = overview_of("key", record, 1000.0, Quota(), WALL)
    assert app.warnings == ("The service refuses token requests for now; the next is sent at 12:01:00 UTC.",)


@pytest.mark.parametrize(
    ("record", "warning"),
    [
        (
            {"failures": {"user": Failure(1, 900.0, error={"class": "ChannelAuthenticationError"})}},
            "user: the login was refused: check login, password and client of the connection (once).",
        ),
        (
            {"failures": {"user": Failure(1, 900.0, error={"class": "ChannelPermissionError"})}},
            "user: the user may get no token with this client: check that both may use the service (once).",
        ),
    ],
)
def test_a_refusal_is_explained_in_the_words_of_the_service(record: dict[str, Any], warning: str) -> None:
    name = AppName("https://b", "7/abc", ("b",), "Benlly", True)
    app = overview_of("key", AppRecord(name=name, **record), 1000.0, Quota(), WALL)
    assert app.warnings == (warning,)


def test_the_name_survives_json() -> None:
    record = AppRecord(name=AppName("https://b", "7/abc", ("b",), "Benlly", True))
    assert AppRecord.from_json(record.to_json()) == record


def test_a_record_of_before_is_channel_talks() -> None:
    document = AppRecord(name=AppName("https://x", "app")).to_json()
    for added in ("service", "unlimited"):
        del document["name"][added]
    read = AppRecord.from_json(document)
    assert read is not None
    assert (read.name.service, read.name.unlimited) == ("Channel Talk", False)
