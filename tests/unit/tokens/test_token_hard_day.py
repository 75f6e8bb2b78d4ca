"""
The same day with everything that goes wrong: what the service must never see, and what tasks may expect all the same.

Up to 5,000 task starts an hour over 1 to 12 scopes; hosts whose clocks differ and jump; a store and a service that are
away for a while; a second client that nobody told us of; refused refreshes; an App Secret that is reissued at noon; a
second connection with an outdated one.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from support.fuzzing import THOROUGH
from support.token_service import Answer, ParsedOnceStore, TokenService, busiest_window, parse_records_once

from airflow_channel_provider.exceptions import (
    ChannelAmbiguousResultError,
    ChannelAuthenticationError,
    ChannelError,
    ChannelNotSentError,
    ChannelTokenQuotaError,
)
from airflow_channel_provider.tokens.manager import TokenManager
from airflow_channel_provider.tokens.stores.base import Change, Snapshot
from airflow_channel_provider.tokens.types import Token

pytestmark = [pytest.mark.any_airflow, pytest.mark.fuzz]

HOUR, DAY = 3600.0, 86_400.0
HOSTS = 4


class FailingStore(ParsedOnceStore):
    """A store that is away from time to time."""

    away = False

    def load(self, document: str) -> Snapshot:
        self._must_be_there()
        return super().load(document)

    def update(self, document: str, change: Change[Any]) -> Any:
        self._must_be_there()
        return super().update(document, change)

    def read_blob(self, document: str, name: str) -> bytes | None:
        self._must_be_there()
        return super().read_blob(document, name)

    def _must_be_there(self) -> None:
        if self.away:
            raise ChannelNotSentError("the store is away")


@pytest.fixture(autouse=True)
def _brief(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of token requests: none has a line in the log, and the record holds the last ten."""
    caplog.set_level(logging.ERROR, "airflow_channel_provider")
    monkeypatch.setattr("airflow_channel_provider.tokens.record.KEPT_ROWS", 10)
    parse_records_once(monkeypatch)


@dataclass
class HardDay:
    """
    One day.

    :param foreign: token requests that somebody else makes in each window.
    :param refresh_refused: share of refreshes that the service refuses.
    :param skew: clocks of the hosts differ by up to 30 s, and each jumps once.
    :param outages: (start, end) of the service, in hours.
    :param store_outages: the same of the store.
    :param reissued_at: hour at which the App Secret is reissued; the connection follows ten minutes later.
    :param outdated: App Secrets of further connections, with each of which as many tasks start; all are refused.
    """

    scopes: int
    anchor: str = "first"
    foreign: int = 0
    refresh_refused: float = 0.0
    skew: bool = False
    outages: tuple[tuple[float, float], ...] = ()
    store_outages: tuple[tuple[float, float], ...] = ()
    reissued_at: float | None = None
    outdated: tuple[str, ...] = ()
    starts_per_hour: int = 5000
    seed: int = 0
    without_token: Counter[int] = field(default_factory=Counter)
    starts: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(f"{self.seed}-{self.scopes}")
        self.began_at = self.now = 1_700_000_000 + self.random.uniform(0, 1800)
        self.service = TokenService(lambda: self.now, anchor=self.anchor)
        self.store = FailingStore(lambda: self.now)
        self.good_secret, self.secret = "the first", "the first"
        self.sent: list[float] = []
        self.refused_secrets: Counter[str] = Counter()
        self.alive: set[str] = set()
        self.host_clock_steps = [0.0] * HOSTS

    # ------------------------------------------------------------------------------------------------ the service

    def exchange(self, secret: str) -> Any:
        day = self

        class Exchange:
            def issue(self, channel_id: str | None) -> Answer:
                return day.request(lambda: day.service.issue(channel_id), secret=secret)

            def refresh(self, refresh_token: str) -> Answer:
                return day.request(lambda: day.service.refresh(refresh_token), refresh=True)

        return Exchange()

    def request(
        self, act: Callable[[], Answer], *, secret: str | None = None, refresh: bool = False
    ) -> Answer:
        self.now += 0.2
        self.sent.append(self.now)
        hour = (self.now - self.began_at) / HOUR
        if any(start <= hour < end for start, end in self.outages):
            self.now += 5
            raise ChannelAmbiguousResultError("no answer")
        answer = act()
        self.now += 0.2
        is_wrong = secret is not None and secret != self.good_secret
        if is_wrong or (refresh and self.random.random() < self.refresh_refused):
            self.refused_secrets[secret or ""] += is_wrong
            raise ChannelAuthenticationError("refused", http_status=200)
        self.alive.add(answer.access_token)
        return answer

    # ------------------------------------------------------------------------------------------------ the tasks

    def manager(self, host: int, secret: str) -> TokenManager:
        return TokenManager(
            base_url="https://service.test",
            app_id="app",
            secret=secret,
            store=self.store,
            exchange=self.exchange(secret),
            sleep=self.sleep,
            clock=lambda: self.now + self.host_clock_steps[host],
        )

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def start_task(self, scope: int) -> None:
        """One task: a token, one call with it, and once more if the service refuses it."""
        self.starts += 1
        host, channel = self.random.randrange(HOSTS), None if scope == 0 else str(scope)
        for outdated in self.outdated:
            with contextlib.suppress(ChannelError):
                self.manager(host, outdated).get(channel, wait_seconds=0)
        manager = self.manager(host, self.secret)
        try:
            token = manager.get(channel)
            if not self.accepts(token):
                token = manager.get(channel, rejected=token.fingerprint)
            if not self.accepts(token):
                raise ChannelAuthenticationError("the call was refused")
        except ChannelError:
            self.without_token[scope] += 1

    def accepts(self, token: Token) -> bool:
        return token.access_token in self.alive and token.expires_at > self.now - 60

    def disturb(self) -> None:
        """What the outside world does, once a minute."""
        hour = (self.now - self.began_at) / HOUR
        away = any(start <= hour < end for start, end in self.store_outages)
        if away or self.store.away:
            self.store.local_cache.clear()
        self.store.away = away
        if self.reissued_at is not None and hour >= self.reissued_at and self.good_secret == "the first":
            self.good_secret = "the second"
            self.alive.clear()
            self.store.local_cache.clear()
        if (
            self.good_secret == "the second"
            and self.secret == "the first"
            and hour >= (self.reissued_at or 0) + 1 / 6
        ):
            self.secret = "the second"
        if self.skew and self.random.random() < 0.005:
            self.host_clock_steps[self.random.randrange(HOSTS)] = self.random.uniform(-7200, 7200)
            self.store.local_cache.clear()
        if self.random.random() < self.foreign / 30:
            try:
                self.service.issue("somebody else's")
            except ChannelTokenQuotaError:
                self.service.refusals -= 1

    def run(self) -> HardDay:
        pause = HOUR / self.starts_per_hour
        starts_at, next_minute = self.began_at, self.began_at
        if self.skew:
            self.host_clock_steps = [self.random.uniform(-30, 30) for _ in range(HOSTS)]
        while starts_at < self.began_at + DAY:
            self.now = max(self.now, starts_at)
            if self.now >= next_minute:
                self.disturb()
                next_minute += 60
            self.start_task(self.random.randrange(self.scopes))
            starts_at += pause
        return self

    # ------------------------------------------------------------------------------------------------ the decision

    def usable(self, scope: int) -> float:
        return 1 - self.without_token[scope] / (self.starts / self.scopes)


@pytest.mark.parametrize(
    ("scopes", "anchor"),
    [
        *((n, "first") for n in (range(1, 13) if THOROUGH else (1, 5, 8, 9, 10, 11, 12))),
        *((n, "clock") for n in ((1, 8, 12) if THOROUGH else (12,))),
    ],
)
def test_alone_with_the_app_no_request_is_refused_and_eight_scopes_are_always_usable(
    scopes: int, anchor: str
) -> None:
    quick = 400 if scopes in USABLE else 120
    per_hour = quick if not THOROUGH else 5000 if scopes in (1, 8) and anchor == "first" else 400
    day = HardDay(scopes, anchor, skew=True, starts_per_hour=per_hour).run()
    assert day.starts == pytest.approx(24 * per_hour, rel=0.01)
    assert busiest_window(day.sent) <= 10
    assert day.service.refusals == 0
    # What the documentation says of 9 to 12.
    assert min(day.usable(scope) for scope in range(scopes)) >= USABLE.get(scopes, 0.999)


USABLE = {9: 0.995, 10: 0.99, 11: 0.80, 12: 0.70}

TROUBLES: dict[str, dict[str, Any]] = {
    "a second client": {"foreign": 1},
    "a busy second client": {"foreign": 3},
    "refreshes are refused": {"refresh_refused": 1.0},
    "some refreshes are refused": {"refresh_refused": 0.3},
    "the service is away": {"outages": ((3, 3.1), (9, 10), (20, 23))},
    "the store is away": {"store_outages": ((3, 3.05), (9, 9.5))},
    "the secret is reissued": {"reissued_at": 12.0},
    "all of it": {
        "foreign": 2,
        "refresh_refused": 0.2,
        "skew": True,
        "outages": ((3, 3.2), (9, 10)),
        "store_outages": ((5, 5.1),),
        "reissued_at": 12.0,
    },
}


EXPECTED = {
    ("a second client", 5): 0.99,
    ("a busy second client", 1): 0.999,
    ("refreshes are refused", 5): 0.999,
    ("refreshes are refused", 8): 0.95,
    ("the service is away", 1): 0.80,  # 4.1 of 24 hours, and the token lives on into each
    ("the store is away", 8): 0.97,  # 0.55 of 24 hours; whoever has a token in hand goes on
    ("the secret is reissued", 5): 0.98,  # ten minutes until the connection follows
}
"""What share of the tasks has a token all the same, whatever their scope."""


@pytest.mark.parametrize(
    ("trouble", "scopes"),
    sorted({*EXPECTED, *itertools.product(TROUBLES, (5, 12) if THOROUGH else (12,))}),
)
def test_whatever_happens_we_never_charge_more_than_ten_in_a_window(trouble: str, scopes: int) -> None:
    per_hour = 400 if THOROUGH or (trouble, scopes) in EXPECTED else 120
    day = HardDay(scopes, starts_per_hour=per_hour, **TROUBLES[trouble]).run()
    assert busiest_window(day.sent) <= 10
    if not day.foreign:
        assert day.service.refusals == 0
    assert min(day.usable(scope) for scope in range(scopes)) >= EXPECTED.get((trouble, scopes), 0)


@pytest.mark.promise(name="quota")
@pytest.mark.parametrize(("outdated", "usable"), [(("one",), 0.999), (("one", "another"), 0.97)])
def test_an_outdated_secret_costs_what_its_pauses_say_and_starves_nobody(
    outdated: tuple[str, ...], usable: float
) -> None:
    """Two requests, since the first may mean its channel, then after 5, 10 and 20 minutes and every 30."""
    day = HardDay(7, outdated=outdated, starts_per_hour=400).run()
    assert set(day.refused_secrets) == set(outdated)
    assert 49 <= min(day.refused_secrets.values()) <= max(day.refused_secrets.values()) <= 51
    assert busiest_window(day.sent) <= 10
    assert min(day.usable(scope) for scope in range(day.scopes)) >= usable
