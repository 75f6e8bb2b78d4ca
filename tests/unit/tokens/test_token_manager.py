from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from support.token_service import Answer, TokenService

from airflow_channel_provider.exceptions import (
    ChannelAmbiguousResultError,
    ChannelAuthenticationError,
    ChannelConfigurationError,
    ChannelError,
    ChannelNotSentError,
    ChannelPermissionError,
    ChannelRequestError,
    ChannelResponseError,
    ChannelTokenQuotaError,
)
from airflow_channel_provider.tokens.budget import Quota
from airflow_channel_provider.tokens.manager import TokenManager
from airflow_channel_provider.tokens.policy import RenewalRequest, Stage
from airflow_channel_provider.tokens.stores.memory import MemoryStore
from airflow_channel_provider.tokens.types import Token

SECRET = "c2VjcmV0LW9mLXRlc3RzXy0=="


@dataclass
class World:
    """One app, one store, a service, and a clock that only moves when told (or when somebody waits)."""

    now: float = 50_000.0
    masked: list[str] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    on_wait: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.store = MemoryStore(lambda: self.now)
        self.service = TokenService(lambda: self.now)

    def task(self, secret: str = SECRET, app_id: str | None = "app") -> TokenManager:
        """A task process: it remembers nothing, and shares only the store."""
        self.store.local_cache.clear()
        return TokenManager(
            base_url="https://service.test",
            app_id=app_id,
            secret=secret,
            store=self.store,
            exchange=self.service,
            on_secret=self.masked.append,
            label="Connection 'c'",
            sleep=self.sleep,
            clock=lambda: self.now,
        )

    def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.now += seconds
        self.on_wait()

    def kinds(self) -> list[str]:
        return [kind for _, kind, _ in self.service.log]


@pytest.fixture
def world() -> World:
    return World()


def raising(error: BaseException, kind: str | None = None) -> Callable[[str], None]:
    def trouble(asked: str) -> None:
        if kind in (None, asked):
            raise error

    return trouble


def test_every_task_uses_the_token_of_the_first(world: World) -> None:
    tokens = {world.task().get().access_token for _ in range(200)}
    assert tokens == {"access-0"}
    assert world.kinds() == ["issue"]


def test_each_scope_has_a_token_of_its_own(world: World) -> None:
    assert [world.task().get(c).scope for c in (None, "1", "2", "1")] == [
        "app",
        "channel:1",
        "channel:2",
        "channel:1",
    ]
    assert [channel for _, _, channel in world.service.log] == [None, "1", "2"]


def test_a_running_process_does_not_even_look(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    task = world.task()
    first = task.get()
    world.now += 899
    with monkeypatch.context() as patched:
        patched.setattr(world.store, "load", lambda document: pytest.fail("looked"))
        assert task.get() is first
    world.now += 100
    second = task.get()  # looks, and knows how long it need not look again
    world.now += 440
    monkeypatch.setattr(world.store, "load", lambda document: pytest.fail("looked"))
    assert task.get() is second


@pytest.mark.promise(name="secrets")
def test_tokens_are_masked_before_anybody_has_them(world: World) -> None:
    world.task().get()
    assert world.masked[:2] == ["access-0", "refresh-0"]


def test_an_early_token_is_refreshed_once_and_the_rotated_refresh_token_is_used_next(world: World) -> None:
    world.task().get()
    for _ in range(3):
        world.now += 1441
        world.task().get()
        world.task().get()
    assert world.kinds() == ["issue", "refresh", "refresh", "refresh"]
    assert world.service.refusals == 0


def test_an_expired_token_is_issued_anew(world: World) -> None:
    world.task().get()
    world.now += 1800
    assert world.task().get().access_token == "access-1"
    assert world.kinds() == ["issue", "issue"]


def test_life_counts_from_before_the_request_was_sent(world: World) -> None:
    issue = world.service.issue

    def slow(channel_id: str | None) -> Answer:
        world.now += 9
        return issue(channel_id)

    world.service.issue = slow  # type: ignore[method-assign]
    token = world.task().get()
    assert (token.issued_at, token.expires_at) == (50_000.0, 51_800.0)


def test_a_token_just_issued_is_returned_however_short_its_life(world: World) -> None:
    world.service.life_seconds = 0.5
    issue = world.service.issue

    def slow(channel_id: str | None) -> Answer:
        world.now += 2
        return issue(channel_id)

    world.service.issue = slow  # type: ignore[method-assign]
    assert world.task().get().access_token == "access-0"


@pytest.mark.parametrize(
    "trouble",
    [
        ChannelNotSentError("unreachable"),
        ChannelAmbiguousResultError("no answer"),
        ChannelResponseError("garbage"),
        ChannelRequestError("server error", http_status=500),
        ChannelRequestError("bad request", http_status=400),
        ChannelAuthenticationError("refused", http_status=200),
        ChannelTokenQuotaError("quota", http_status=200),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("age", [1500, 1750])
def test_a_living_token_is_served_whatever_its_renewal_meets(
    world: World, trouble: ChannelError, age: int, caplog: pytest.LogCaptureFixture
) -> None:
    world.task().get()
    world.now += age
    world.service.trouble = raising(trouble)
    assert world.task().get().access_token == "access-0"
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert world.kinds() == ["issue", "refresh"]
    for _ in range(20):
        assert world.task().get().access_token == "access-0"
    # A refresh token that is refused shortly before the end leaves one thing to try, once.
    tries_issue = age == 1750 and type(trouble) in (ChannelAuthenticationError, ChannelRequestError)
    tries_issue = tries_issue and trouble.http_status != 500
    assert world.kinds() == ["issue", "refresh"] + ["issue"] * tries_issue


def test_an_early_renewal_is_tried_twice_and_then_left_until_it_is_due(world: World) -> None:
    world.task().get()
    world.service.trouble = raising(ChannelRequestError("server error", http_status=500))
    tried_at = []
    for second in range(1440, 1740, 10):
        world.now = 50_000.0 + second
        before = len(world.service.log)
        world.task().get()
        if len(world.service.log) > before:
            tried_at.append(second)
    assert tried_at == [1440, 1560]


def test_a_refused_refresh_token_is_replaced_by_an_issue_before_the_token_ends(world: World) -> None:
    world.task().get()
    world.now += 1741
    world.service.trouble = raising(ChannelAuthenticationError("refused", http_status=200), "refresh")
    assert world.task().get().access_token == "access-0"
    assert world.task().get().access_token == "access-1"
    assert world.kinds() == ["issue", "refresh", "issue"]


def test_a_wrong_secret_costs_one_request_for_all_tasks_and_says_the_same_to_each(world: World) -> None:
    world.service.trouble = raising(
        ChannelAuthenticationError("The App Secret was refused.", http_status=200, code=3)
    )
    messages = set()
    for _ in range(100):
        with pytest.raises(ChannelAuthenticationError) as caught:
            world.task().get()
        messages.add(str(caught.value).partition(" until ")[0])
        assert (caught.value.code, caught.value.http_status) == (3, 200)
    assert messages == {"The App Secret was refused. The refusal is remembered for all tasks"}
    assert len(world.service.log) == 1


def test_a_corrected_secret_is_tried_at_once(world: World) -> None:
    world.service.trouble = raising(ChannelAuthenticationError("refused", http_status=200))
    with pytest.raises(ChannelAuthenticationError):
        world.task("a wrong secret").get()
    world.service.trouble = lambda kind: None
    assert world.task().get().access_token == "access-0"


def test_a_person_may_ask_again_in_spite_of_a_remembered_refusal(world: World) -> None:
    world.service.trouble = raising(ChannelPermissionError("not installed", http_status=200))
    with pytest.raises(ChannelPermissionError):
        world.task().get("1")
    world.service.trouble = lambda kind: None
    with pytest.raises(ChannelPermissionError):
        world.task().get("1")
    assert world.task().get("1", ask_again=True).access_token == "access-0"


def test_a_service_in_trouble_is_asked_less_and_less_and_the_error_says_when(world: World) -> None:
    world.service.trouble = raising(ChannelRequestError("server error", http_status=503))
    asked_at = []
    for second in range(400):
        world.now = 50_000.0 + second
        before = len(world.service.log)
        with pytest.raises(ChannelNotSentError) as caught:
            world.task().get()
        assert caught.value.retry_at is not None
        if len(world.service.log) > before:
            asked_at.append(second)
    assert asked_at == [0, 2, 12, 72, 372]


@pytest.mark.promise(name="quota")
def test_the_eleventh_request_is_never_sent(world: World) -> None:
    for channel in range(10):
        world.task().get(str(channel))
    world.now += 60
    with pytest.raises(ChannelTokenQuotaError) as caught:
        world.task().get("10")
    assert len(world.service.log) == 10
    assert caught.value.retry_after_seconds == pytest.approx(1745.0)
    in_29_minutes = datetime.now(timezone.utc) + timedelta(seconds=1745)
    assert caught.value.retry_at is not None
    assert abs((caught.value.retry_at - in_29_minutes).total_seconds()) < 5
    world.now += 1745
    assert world.task().get("10").scope == "channel:10"
    assert world.service.refusals == 0


def test_a_quota_refusal_that_names_its_end_is_remembered_for_every_scope(world: World) -> None:
    world.service.trouble = raising(
        ChannelTokenQuotaError("quota", http_status=429, retry_after_seconds=120.0)
    )
    with pytest.raises(ChannelTokenQuotaError) as caught:
        world.task().get()
    assert caught.value.retry_after_seconds == pytest.approx(120.0)
    world.service.trouble = lambda kind: None
    world.now += 119
    with pytest.raises(ChannelTokenQuotaError):
        world.task().get("1")
    assert len(world.service.log) == 1
    world.now += 1
    assert world.task().get("1").access_token == "access-0"


def test_an_answer_without_access_token_is_exchanged_once_and_charged_twice(world: World) -> None:
    world.service.issue = lambda channel_id: Answer("", "refresh-x", 1800)  # type: ignore[method-assign]
    world.service._refresh_tokens["refresh-x"] = None
    assert world.task().get().access_token == "access-0"
    assert world.task().status().charges_used == 2
    assert world.kinds() == ["refresh"]


def test_two_answers_without_access_token_are_an_error_not_a_loop(world: World) -> None:
    world.service.issue = lambda channel_id: Answer("", "refresh-x", 1800)  # type: ignore[method-assign]
    world.service.refresh = lambda refresh_token: Answer("", "refresh-y", 1800)  # type: ignore[method-assign]
    with pytest.raises(ChannelNotSentError):
        world.task().get()
    assert world.task().status().charges_used == 2


def test_a_refused_token_is_replaced_once_for_everyone_who_held_it(world: World) -> None:
    refused = world.task().get().fingerprint
    assert {world.task().get(rejected=refused).access_token for _ in range(20)} == {"access-1"}
    assert world.kinds() == ["issue", "issue"]


def test_replacements_that_are_refused_too_are_not_replaced_for_ever(world: World) -> None:
    refused = world.task().get().fingerprint
    for _ in range(2):
        refused = world.task().get(rejected=refused).fingerprint
    for _ in range(20):
        with pytest.raises(ChannelAuthenticationError, match="in a row that had replaced a refused one"):
            world.task().get(rejected=refused)
    assert len(world.service.log) == 3
    world.now += 300
    assert world.task().get(rejected=refused).access_token == "access-3"


@pytest.mark.parametrize(("times", "requests"), [(1, 1), (3, 1), (100, 0)])
def test_a_process_that_is_stopped_after_its_charge_does_not_send(
    world: World, times: int, requests: int
) -> None:
    """It tries again while it may wait: 60 s here."""
    task = world.task()
    claim = task.repository.claim
    stops: list[float] = []

    def stopped(*args: Any) -> Any:
        found = claim(*args)
        if len(stops) < times:
            stops.append(world.now)
            world.now += 6
        return found

    task.repository.claim = stopped  # type: ignore[method-assign, assignment]
    if requests:
        assert task.get().access_token == "access-0"
    else:
        with pytest.raises(ChannelNotSentError, match="held up"):
            task.get()
        assert len(stops) == 10
    assert len(world.service.log) == requests
    assert world.task().status().charges_used == requests
    assert world.task().get().access_token == "access-0"


def test_an_old_token_that_ended_during_its_failing_renewal_is_not_handed_out(world: World) -> None:
    world.task().get()
    world.now += 1795

    def slow_trouble(kind: str) -> None:
        world.now += 12
        raise ChannelAmbiguousResultError("no answer")

    world.service.trouble = slow_trouble
    with pytest.raises(ChannelNotSentError):
        world.task().get()


def test_a_lost_record_stays_half_spent_while_nobody_may_renew(world: World) -> None:
    task = world.task()
    task.repository.quota = Quota(limit=1)
    world.store._documents[task.repository.app] = "{}"
    with pytest.raises(ChannelTokenQuotaError):
        task.get()
    world.now += 1805
    assert task.get().access_token == "access-0"


def test_trouble_of_the_store_in_the_middle_does_not_make_the_call_ambiguous(world: World) -> None:
    task = world.task()
    task.context.exchange.issue = raising(ChannelAmbiguousResultError("no answer"))  # type: ignore[method-assign, assignment]

    def broken(*args: object) -> None:
        raise ChannelNotSentError("the store is away")

    claim = task.repository.claim

    def then_break(*args: Any) -> Any:
        found = claim(*args)
        world.store.update = broken  # type: ignore[method-assign, assignment]
        return found

    task.repository.claim = then_break  # type: ignore[method-assign, assignment]
    with pytest.raises(ChannelNotSentError, match="no token for scope app"):
        task.get()


def test_a_task_waits_for_the_one_that_renews_and_takes_its_token(world: World) -> None:
    leader = world.task()
    request = RenewalRequest("app", "leader", world.store.host, Stage.EXPIRED)
    leader.repository.claim(request)

    def store_token() -> None:
        if len(world.waited) == 3:
            leader.repository.write_token(Token("of the leader", "r", world.now, world.now + 1800, "app"))

    world.on_wait = store_token
    assert world.task().get().access_token == "of the leader"
    assert len(world.waited) == 3
    assert max(world.waited) <= 0.05
    assert world.service.log == []


def test_a_lease_whose_holder_vanished_runs_out_and_is_taken_over(world: World) -> None:
    world.task().repository.claim(RenewalRequest("app", "vanished", world.store.host, Stage.EXPIRED))
    assert world.task().get().access_token == "access-0"
    assert 20.0 <= world.now - 50_000.0 <= 20.1
    assert world.task().status().charges_used == 2


def test_a_wait_has_an_end(world: World) -> None:
    world.task().repository.claim(RenewalRequest("app", "slow", world.store.host, Stage.EXPIRED))
    with pytest.raises(ChannelNotSentError, match="longer than this one may wait"):
        world.task().get(wait_seconds=3)
    assert 3.0 <= world.now - 50_000.0 <= 3.1


def test_nobody_waits_for_an_early_renewal(world: World) -> None:
    held = world.task().get().fingerprint
    world.now += 1500
    world.task().repository.claim(RenewalRequest("app", "slow", world.store.host, Stage.EARLY, held=held))
    assert world.task().get().access_token == "access-0"
    assert world.waited == []


def test_a_token_that_the_record_names_but_nobody_can_open_is_bought_again(world: World) -> None:
    world.task().get()
    world.store._blobs.clear()
    assert world.task().get().access_token == "access-1"


def test_an_interrupted_request_gives_the_lease_back_and_keeps_the_charge(world: World) -> None:
    world.service.trouble = raising(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        world.task().get()
    world.service.trouble = lambda kind: None
    assert world.task().get().access_token == "access-0"
    assert world.waited == []
    assert world.task().status().charges_used == 2


def test_a_fault_of_our_own_is_spaced_like_any_other_trouble(world: World) -> None:
    asked_at = []
    for second in range(100):
        world.now = 50_000.0 + second
        task = world.task()
        task.repository.write_token = raising(ZeroDivisionError())  # type: ignore[method-assign, assignment]
        before = len(world.service.log)
        with pytest.raises((ZeroDivisionError, ChannelNotSentError)):
            task.get()
        if len(world.service.log) > before:
            asked_at.append(second)
    assert asked_at == [0, 2, 12, 72]


def test_a_token_that_cannot_be_stored_serves_its_process_and_keeps_its_charge(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise ChannelNotSentError("disk full")

    monkeypatch.setattr(world.store, "write_blob", full)
    assert world.task().get().access_token == "access-0"
    assert world.task().status().charges_used == 1


def test_no_request_is_sent_when_its_charge_cannot_be_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object) -> None:
        raise ChannelConfigurationError("read-only")

    monkeypatch.setattr(world.store, "update", broken)
    with pytest.raises(ChannelConfigurationError):
        world.task().get()
    assert world.service.log == []


def test_a_warm_token_is_served_from_a_store_that_cannot_be_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.task().get()

    def broken(*args: object) -> None:
        raise ChannelConfigurationError("read-only")

    monkeypatch.setattr(world.store, "update", broken)
    world.now += 1700
    assert world.task().get().access_token == "access-0"


def test_a_foreign_document_counts_as_half_spent(world: World) -> None:
    task = world.task()
    world.store._documents[task.repository.app] = '{"format": 99}'
    assert task.status().charges_left == 5
    task.get()
    assert task.status().charges_left == 4


def test_peek_and_status_never_send(world: World) -> None:
    task = world.task()
    assert task.peek() is None
    assert task.status().scopes == ()
    token = task.get()
    world.now += 100
    assert task.peek() == token
    assert (task.age_seconds(token), task.remaining_seconds(token)) == (100.0, 1700.0)
    status = task.status()
    assert (status.charges_used, status.charges_left, status.limit, status.blocked_until) == (1, 9, 10, None)
    assert [(s.scope, s.age_seconds, s.remaining_seconds) for s in status.scopes] == [("app", 100.0, 1700.0)]
    world.now += 1700
    assert task.peek() is None
    assert len(world.service.log) == 1


def test_a_reissued_secret_starts_anew_but_keeps_the_count(world: World) -> None:
    world.task().get()
    world.task("a new secret").get()
    assert world.task().status().charges_used == 2


def test_another_quota_can_be_set(world: World) -> None:
    task = world.task()
    task.repository.quota = Quota(limit=1, window_seconds=30.0)
    task.get()
    with pytest.raises(ChannelTokenQuotaError, match="all 1 token requests"):
        task.get("1")


def test_one_line_says_what_each_request_was_for(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world.task().get()
    world.now += 1500
    world.task().get()
    first, second = (record.getMessage() for record in caplog.records)
    assert (
        first
        == "Token request: issueToken for scope app, since no token is stored; 9 of 10 requests of this window left."
    )
    assert second.startswith(
        "Token request: refreshToken for scope app, since the last token ends in 300 s (issued 1500 s ago); 8 of 10 "
    )
