"""What a failed request, a refusal or a store in trouble means for the tasks that need a token."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from support.token_service import Answer
from support.token_world import World, raising

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
from airflow_channel_provider.tokens.policy import RenewalRequest
from airflow_channel_provider.tokens.record import AppRecord
from airflow_channel_provider.tokens.repository import RecordSnapshot
from airflow_channel_provider.tokens.stages import Stage
from airflow_channel_provider.tokens.stores.base import Change, Snapshot


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


def test_two_answers_without_access_token_are_an_error_not_a_loop(world: World) -> None:
    world.service.issue = lambda channel_id: Answer("", "refresh-x", 1800)  # type: ignore[method-assign]
    world.service.refresh = lambda refresh_token: Answer("", "refresh-y", 1800)  # type: ignore[method-assign]
    with pytest.raises(ChannelNotSentError):
        world.task().get()
    assert world.task().status().charges_used == 2


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


def stops_after_its_charge(task: TokenManager, stop: Callable[[], None]) -> None:
    claim = task.repository.claim

    def stopped(request: RenewalRequest) -> Any:
        found = claim(request)
        stop()
        return found

    task.repository.claim = stopped  # type: ignore[method-assign]


def stops_between_the_clock_of_the_store_and_its_charge(task: TokenManager, stop: Callable[[], None]) -> None:
    update = task.repository.store.update

    def stopped(document: str, change: Change[Any]) -> Any:
        def late(snapshot: Snapshot) -> Any:
            stop()
            return change(snapshot)

        return update(document, late)

    task.repository.store.update = stopped  # type: ignore[method-assign]


def waits_for_the_store(task: TokenManager, stop: Callable[[], None]) -> None:
    update = task.repository.store.update

    def stopped(document: str, change: Change[Any]) -> Any:
        stop()
        return update(document, change)

    task.repository.store.update = stopped  # type: ignore[method-assign]


@pytest.mark.promise(name="quota")
@pytest.mark.parametrize(
    "stops",
    [stops_after_its_charge, stops_between_the_clock_of_the_store_and_its_charge, waits_for_the_store],
)
@pytest.mark.parametrize(("times", "requests"), [(1, 1), (3, 1), (100, 0)])
def test_a_process_that_is_stopped_around_its_charge_does_not_send(
    world: World, times: int, requests: int, stops: Callable[[TokenManager, Callable[[], None]], None]
) -> None:
    """It tries again while it may wait: 60 s here."""
    task = world.task()
    stopped_at: list[float] = []

    def stop() -> None:
        if len(stopped_at) < times:
            stopped_at.append(world.now)
            world.now += 6

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(world.store, "update", world.store.update)
        stops(task, stop)
        if requests:
            assert task.get().access_token == "access-0"
        else:
            with pytest.raises(ChannelNotSentError, match="held up"):
                task.get()
            assert 60 <= world.now - 50_000.0 <= 66
    assert len(world.service.log) == requests
    assert world.task().status().charges_used == requests
    assert world.task().get().access_token == "access-0"


def test_a_claim_that_others_overtake_again_and_again_is_as_old_as_its_last_look(world: World) -> None:
    task, update = world.task(), world.store.update

    def swapped(document: str, change: Change[Any]) -> Any:
        for _ in range(10):
            change(world.store.load(document))
            world.now += 4
        return update(document, change)

    task.repository.store.update = swapped  # type: ignore[method-assign]
    assert task.get().access_token == "access-0"
    assert world.service.times() == [50_040.0]


@pytest.mark.promise(name="quota")
@pytest.mark.parametrize("seconds", [6, 1830])
def test_a_process_that_is_stopped_after_its_second_charge_does_not_send(
    world: World, seconds: float
) -> None:
    task = world.task()
    task.context.exchange.issue = lambda channel_id: Answer("", "refresh-x", 1800)  # type: ignore[method-assign]
    update = task.repository.update

    def stopped(change: Callable[[AppRecord, float], AppRecord]) -> RecordSnapshot:
        found = update(change)
        task.repository.update = update  # type: ignore[method-assign]
        world.now += seconds
        return found

    task.repository.update = stopped  # type: ignore[method-assign]
    with pytest.raises(ChannelNotSentError, match="held up before it could send"):
        task.get()
    assert world.service.log == []
    assert world.task().status().charges_used == 1  # the first was sent


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


def test_a_lease_whose_holder_vanished_runs_out_and_is_taken_over(world: World) -> None:
    world.task().repository.claim(RenewalRequest("app", "vanished", world.store.host, Stage.EXPIRED))
    assert world.task().get().access_token == "access-0"
    assert 20.0 <= world.now - 50_000.0 <= 20.1
    assert world.task().status().charges_used == 2


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
