"""How tasks share one token: who renews it and when, who waits, and what it costs."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from support.token_service import Answer

from airflow_channel_provider.exceptions import (
    ChannelNotSentError,
    ChannelTokenQuotaError,
)
from airflow_channel_provider.tokens.budget import Quota
from airflow_channel_provider.tokens.policy import RenewalRequest
from airflow_channel_provider.tokens.stages import Stage
from airflow_channel_provider.tokens.types import Token

if TYPE_CHECKING:
    from support.token_world import World


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


@pytest.mark.promise(name="secrets")
def test_a_stored_refresh_token_is_masked_by_the_process_that_sends_it(world: World) -> None:
    world.task().get()
    world.masked.clear()
    world.task().get()
    assert world.masked == ["access-0"]
    masked_before = []
    world.service.trouble = lambda kind: masked_before.append((kind, tuple(world.masked)))
    world.now += 1441
    world.task().get()
    assert [(kind, masked[-1]) for kind, masked in masked_before] == [("refresh", "refresh-0")]


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


def test_an_answer_without_access_token_is_exchanged_once_and_charged_twice(world: World) -> None:
    world.service.issue = lambda channel_id: Answer("", "refresh-x", 1800)  # type: ignore[method-assign]
    world.service._refresh_tokens["refresh-x"] = None
    assert world.task().get().access_token == "access-0"
    assert world.task().status().charges_used == 2
    assert world.kinds() == ["refresh"]


def test_a_refused_token_is_replaced_once_for_everyone_who_held_it(world: World) -> None:
    refused = world.task().get().fingerprint
    assert {world.task().get(rejected=refused).access_token for _ in range(20)} == {"access-1"}
    assert world.kinds() == ["issue", "issue"]


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
