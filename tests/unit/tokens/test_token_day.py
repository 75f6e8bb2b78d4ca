"""A day of tasks in seconds, against a service that counts in a fixed window: no eleventh request, no refusal."""

from __future__ import annotations

import itertools
import logging
import random
from collections import Counter
from dataclasses import dataclass

import pytest
from support.bucket_in_memory import BucketInMemory
from support.fuzzing import THOROUGH
from support.token_service import Answer, ParsedOnceStore, TokenService, busiest_window, parse_records_once

from airflow_channel_provider.exceptions import ChannelTokenQuotaError
from airflow_channel_provider.tokens.manager import TokenManager
from airflow_channel_provider.tokens.stores.s3 import S3Store

pytestmark = [pytest.mark.any_airflow, pytest.mark.fuzz]

DAY_SECONDS = 86_400


@pytest.fixture(autouse=True)
def _brief(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of token requests: none has a line in the log, and the record holds the last ten."""
    caplog.set_level(logging.ERROR, "airflow_channel_provider")
    monkeypatch.setattr("airflow_channel_provider.tokens.record.KEPT_ROWS", 10)
    parse_records_once(monkeypatch)


@dataclass
class Day:
    """
    Tasks that start all day long, each a process of its own.

    :param scopes: how many scopes share the quota; all of them are cold at the start of the day.
    :param every_seconds: how often a task of each scope starts.
    :param latency_seconds: of a token request, half of it on the way there.
    :param in_bucket: the tokens are in a bucket, whose clock knows whole seconds only.
    """

    scopes: int
    anchor: str
    every_seconds: float = 60.0
    latency_seconds: float = 0.4
    seed: int = 0
    in_bucket: bool = False

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.began_at = self.now = 1_700_000_000 + self.random.uniform(0, 1800)
        self.service = TokenService(lambda: self.now, anchor=self.anchor)
        self.store = self.bucket() if self.in_bucket else ParsedOnceStore(lambda: self.now)
        self.tasks = 0
        self.without_token: Counter[int] = Counter()

    def bucket(self) -> S3Store:
        bucket = BucketInMemory(lambda: self.now)
        return S3Store(lambda: bucket, "bucket")

    def issue(self, channel_id: str | None) -> Answer:
        self.now += self.latency_seconds / 2
        answer = self.service.issue(channel_id)
        self.now += self.latency_seconds / 2
        return answer

    def refresh(self, refresh_token: str) -> Answer:
        self.now += self.latency_seconds / 2
        answer = self.service.refresh(refresh_token)
        self.now += self.latency_seconds / 2
        return answer

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def run(self) -> Day:
        app = TokenManager(
            base_url="https://service.test",
            app_id="app",
            secret="a secret of no one",
            store=self.store,
            exchange=self,
            sleep=self.sleep,
            clock=lambda: self.now,
        )
        starts_at = self.began_at
        while starts_at < self.began_at + DAY_SECONDS:
            self.now = max(self.now, starts_at + self.random.uniform(0, self.every_seconds))
            for scope in self.random.sample(range(self.scopes), self.scopes):
                self.store.local_cache.clear()
                self.tasks += 1
                try:
                    app.get(None if scope == 0 else str(scope))
                except ChannelTokenQuotaError:
                    self.without_token[scope] += 1
            starts_at += self.every_seconds
        return self


def held_day(scopes: int, anchor: str) -> Day:
    """Run a day, and hold it to what every such day promises."""
    day = Day(scopes, anchor).run()
    assert day.tasks == scopes * DAY_SECONDS / 60
    assert day.service.refusals == 0
    assert busiest_window(day.service.times()) <= 10
    share_without = sum(day.without_token.values()) / day.tasks
    assert share_without <= (0 if scopes <= 5 else 0.001 if scopes <= 9 else 0.01)
    return day


@pytest.mark.promise(name="quota")
@pytest.mark.parametrize(
    ("scopes", "anchor"),
    # Those that the page names are held where it is compared with them.
    itertools.product([1, 5, 6, 8, 9, 10], ["first", "clock"]) if THOROUGH else [(9, "first"), (10, "clock")],
)
def test_a_day_never_sends_an_eleventh_request_and_never_meets_a_refusal(scopes: int, anchor: str) -> None:
    held_day(scopes, anchor)


@pytest.mark.promise(name="quota")
@pytest.mark.parametrize("scopes", [1, 5])
def test_a_day_in_a_bucket_is_like_any_other(scopes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    day = Day(scopes, "first", every_seconds=120.0, in_bucket=True)
    monkeypatch.setattr("airflow_channel_provider.tokens.stores.s3.steady", lambda: day.now)
    monkeypatch.setattr("time.time", lambda: day.now)
    monkeypatch.setattr("time.sleep", day.sleep)
    day.run()
    assert day.service.refusals == 0
    assert busiest_window(day.service.times()) <= 10
    assert sum(day.without_token.values()) / day.tasks <= 0.001


def test_a_day_of_one_scope_costs_what_the_arithmetic_says() -> None:
    day = Day(1, "first").run()
    # A renewal when 1,440 s are over, at the first task after it: at most 86,400 / 1,440 of them.
    assert 57 <= len(day.service.log) <= 60
    assert [kind for _, kind, _ in day.service.log[1:]] == ["refresh"] * (len(day.service.log) - 1)


def test_a_slow_service_changes_nothing() -> None:
    day = Day(8, "first", latency_seconds=11.0).run()
    assert day.service.refusals == 0
    assert busiest_window(day.service.times()) <= 10


def test_without_a_ledger_the_same_day_would_be_refused() -> None:
    """The test of the test: a task that issues its own token meets the quota within the first window."""
    day = Day(1, "first")
    for _ in range(10):
        day.issue(None)
    with pytest.raises(ChannelTokenQuotaError):
        day.issue(None)
