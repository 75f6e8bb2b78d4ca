"""What a token manager tells about itself."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from support.token_service import TokenService

from airflow_channel_provider.exceptions import (
    ChannelAuthenticationError,
    ChannelNotSentError,
    ChannelTokenQuotaError,
)
from airflow_channel_provider.tokens.exchange import TokenEvent, TokenEventKind
from airflow_channel_provider.tokens.manager import TokenManager
from airflow_channel_provider.tokens.policy import LEASE_SECONDS, RenewalRequest
from airflow_channel_provider.tokens.stages import Stage
from airflow_channel_provider.tokens.stores.memory import MemoryStore

ISSUED = TokenEvent(TokenEventKind.ISSUED, "app")
REFRESHED = TokenEvent(TokenEventKind.REFRESHED, "app")


class World:
    """One app, one store, a service, and a clock that moves when somebody waits."""

    def __init__(self) -> None:
        self.now = 50_000.0
        self.told: list[TokenEvent] = []
        self.store = MemoryStore(lambda: self.now)
        self.service = TokenService(lambda: self.now)

    def task(self) -> TokenManager:
        self.store.local_cache.clear()
        return TokenManager(
            base_url="https://service.test",
            app_id="app",
            secret="c2VjcmV0",
            store=self.store,
            exchange=self.service,
            sleep=self.sleep,
            clock=lambda: self.now,
            on_event=self.told.append,
        )

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def trouble(self, error: Exception) -> None:
        def refuse(kind: str) -> None:
            raise error

        self.service.trouble = refuse


@pytest.fixture
def world() -> World:
    return World()


def test_each_token_request_is_told_once_by_who_sent_it(world: World) -> None:
    for _ in range(5):
        world.task().get()
    assert world.told == [ISSUED]
    world.now += 1500
    for _ in range(5):
        world.task().get()
    assert world.told == [ISSUED, REFRESHED]


@pytest.mark.parametrize(
    "error", [ChannelAuthenticationError("wrong secret"), ChannelTokenQuotaError("quota")], ids=repr
)
def test_refusal_is_told_once_however_many_raise_it(world: World, error: Exception) -> None:
    world.trouble(error)
    for _ in range(5):
        with pytest.raises(type(error)):
            world.task().get()
    assert world.told == [TokenEvent(TokenEventKind.REFUSED, "app", reason=type(error).__name__)]


def test_request_that_never_left_is_neither_issued_nor_refused(world: World) -> None:
    world.trouble(ChannelNotSentError("no route"))
    with pytest.raises(ChannelNotSentError):
        world.task().get()
    assert world.told == []


def test_wait_for_another_task_is_told_with_its_length(world: World) -> None:
    task = world.task()
    # Somebody else has been charged and given the lease, and dies.
    task.repository.claim(RenewalRequest("app", "somebody", "another host", Stage.EXPIRED))
    before = world.now
    task.get()
    waited = TokenEvent(TokenEventKind.WAITED, "app", seconds=world.now - before)
    assert world.told == [ISSUED, waited]
    assert LEASE_SECONDS - 1 < waited.seconds < LEASE_SECONDS + 5


def test_wait_in_vain_is_told_as_well(world: World) -> None:
    task = world.task()
    task.repository.claim(RenewalRequest("app", "somebody", "another host", Stage.EXPIRED))
    with pytest.raises(ChannelNotSentError):
        task.get(wait_seconds=3.0)
    assert [event.kind for event in world.told] == [TokenEventKind.WAITED]


def test_each_request_leaves_one_line_with_fields_for_machines(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="airflow_channel_provider.tokens")
    world.task().get()
    world.now += 2000
    world.task().get()
    token = world.task().get()
    world.task().get(rejected=token.fingerprint)
    fields: list[Any] = [vars(record) for record in caplog.records]
    names = ("token_request", "scope", "why", "old_age_seconds", "quota_left", "quota_limit")
    assert [tuple(line[name] for name in names) for line in fields] == [
        ("issueToken", "app", "no token is stored", None, 9, 10),
        ("issueToken", "app", "the last token expired 200 s ago", 2000.0, 9, 10),
        ("issueToken", "app", "the service refused the last token", 0.0, 8, 10),
    ]
    for line, record in zip(fields, caplog.records, strict=True):
        assert line["why"] in record.getMessage()
        assert f"{line['quota_left']} of 10" in record.getMessage()
        assert (line["old_age_seconds"] is None) is ("issued" not in record.getMessage())
