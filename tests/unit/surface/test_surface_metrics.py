from __future__ import annotations

import logging
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from airflow_channel_provider import metrics
from airflow_channel_provider.exceptions import (
    ChannelAmbiguousResultError,
    ChannelAuthenticationError,
    ChannelNotSentError,
    ChannelPermissionError,
    ChannelRateLimitError,
    ChannelTokenQuotaError,
)
from airflow_channel_provider.tokens.exchange import TokenEvent, TokenEventKind
from airflow_channel_provider.tokens.manager import TokenManager

if TYPE_CHECKING:
    from support.fresh_process import FreshProcess

DTO = {"botName": "bot", "plainText": "hi", "requestId": "mine"}


class FakeStats:
    def __init__(self) -> None:
        self.counted: list[tuple[str, dict[str, str]]] = []
        self.timed: list[tuple[str, float | timedelta, dict[str, str]]] = []

    def incr(self, stat: str, count: int = 1, *, tags: dict[str, str]) -> None:
        self.counted += [(stat.removeprefix("channel_talk."), tags)] * count

    def timing(self, stat: str, dt: float | timedelta, *, tags: dict[str, str]) -> None:
        self.timed.append((stat.removeprefix("channel_talk."), dt, tags))

    def of(self, name: str) -> list[dict[str, str]]:
        return [tags for counted, tags in self.counted if counted == name]


@pytest.fixture
def stats(monkeypatch: pytest.MonkeyPatch) -> FakeStats:
    fake = FakeStats()
    monkeypatch.setattr(metrics, "_statistics", lambda: fake)
    return fake


# Calls


def test_call_is_counted_and_timed_by_its_method(doors: Any, stats: FakeStats) -> None:
    doors.hook().call("getChannel")
    tags = {"method": "getChannel", "outcome": "success"}
    assert stats.counted == [("call", tags)]
    ((name, took, its_tags),) = stats.timed
    assert (name, its_tags) == ("call.duration", tags)
    assert isinstance(took, timedelta)
    assert timedelta(0) <= took < timedelta(minutes=1)


def test_function_of_an_app_is_counted_as_well(doors: Any, stats: FakeStats) -> None:
    doors.hook().call_app_function("app-2", "sum", {"a": 1})
    assert stats.of("call") == [{"method": "sum", "outcome": "success"}]


def test_failed_call_is_counted_with_its_error(doors: Any, stats: FakeStats) -> None:
    doors.client.script = [ChannelPermissionError("not yours")]
    with pytest.raises(ChannelPermissionError):
        doors.hook().call("getChannel")
    assert stats.of("call") == [{"method": "getChannel", "outcome": "ChannelPermissionError"}]


def test_call_without_a_token_is_counted_with_what_it_lacked(doors: Any, stats: FakeStats) -> None:
    doors.manager.error = ChannelTokenQuotaError("quota", retry_after_seconds=900.0)
    with pytest.raises(ChannelTokenQuotaError):
        doors.hook().call("getChannel")
    assert stats.of("call") == [{"method": "getChannel", "outcome": "ChannelTokenQuotaError"}]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ChannelRateLimitError("x", retry_after_seconds=1.0), "rate_limit"),
        (ChannelNotSentError("x"), "not_sent"),
        (ChannelAmbiguousResultError("x"), "unclear_outcome"),
        (ChannelAuthenticationError("x", method="writeUserChatMessage"), "token_refused"),
    ],
    ids=repr,
)
def test_each_repetition_is_counted_with_its_reason(
    doors: Any, stats: FakeStats, error: Exception, reason: str
) -> None:
    doors.client.script = [error, {"message": {"id": "m"}}]
    doors.hook().call("writeUserChatMessage", {"userChatId": "c", "dto": DTO})
    assert len(doors.client.calls) == 2
    assert stats.of("call.retried") == [{"method": "writeUserChatMessage", "reason": reason}]
    assert stats.of("call") == [{"method": "writeUserChatMessage", "outcome": "success"}]


def test_each_try_with_a_young_token_is_a_repetition(doors: Any, stats: FakeStats) -> None:
    doors.manager.age = 1.0
    doors.client.script = [ChannelAuthenticationError("x", method="getChannel")] * 4 + ["result"]
    doors.hook().call("getChannel")
    assert len(doors.client.calls) == 5
    assert stats.of("call.retried") == [{"method": "getChannel", "reason": "token_refused"}] * 4


def test_call_that_is_answered_at_once_has_no_repetition(doors: Any, stats: FakeStats) -> None:
    doors.hook().call("getChannel")
    assert stats.of("call.retried") == []


# Tokens


@pytest.mark.parametrize("kind", [TokenEventKind.ISSUED, TokenEventKind.REFRESHED])
def test_token_that_is_bought_is_counted_by_scope(stats: FakeStats, kind: TokenEventKind) -> None:
    metrics.token_event(TokenEvent(kind, "app"))
    assert stats.counted == [(f"token.{kind.value}", {"scope": "app"})]


def test_refusal_is_counted_with_its_reason(stats: FakeStats) -> None:
    metrics.token_event(TokenEvent(TokenEventKind.REFUSED, "app", reason="ChannelTokenQuotaError"))
    assert stats.of("token.refused") == [{"scope": "app", "reason": "ChannelTokenQuotaError"}]


def test_wait_for_a_token_is_told_in_seconds_as_its_name_says(stats: FakeStats) -> None:
    metrics.token_event(TokenEvent(TokenEventKind.WAITED, "app", seconds=2.5))
    assert stats.timed == [("token.waited_seconds", 2.5, {"scope": "app"})]


def test_hook_lets_its_manager_count(
    channel_talk: None, monkeypatch: pytest.MonkeyPatch, stats: FakeStats
) -> None:
    from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook

    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", "memory://")
    manager: TokenManager = ChannelTalkHook().manager
    manager.context.on_event(TokenEvent(TokenEventKind.ISSUED, "channel:ch-1"))
    assert stats.of("token.issued") == [{"scope": "channel_ch-1"}]


# Airflow's statistics


def test_tag_is_made_of_what_every_backend_accepts(stats: FakeStats) -> None:
    with metrics.timed_call("a=1,b c|d:é" + "x" * 300):
        pass
    (tags,) = stats.of("call")
    assert re.fullmatch(r"a_1_b_c_d__x{89}", tags["method"])


def test_no_backend_can_fail_a_call(
    doors: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> Any:
        raise OSError("no such host")

    monkeypatch.setattr(metrics, "_statistics", broken)
    caplog.set_level(logging.DEBUG, logger=metrics.__name__)
    doors.client.script = ["result"]
    assert doors.hook().call("getChannel") == "result"
    assert "A metric could not be sent" in caplog.text


def test_nothing_is_told_where_airflow_has_no_statistics(doors: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_statistics", lambda: None)
    doors.client.script = ["result"]
    assert doors.hook().call("getChannel") == "result"


def test_statistics_of_airflow_take_what_is_told() -> None:
    stats = metrics._statistics.__wrapped__()
    assert stats is not None
    stats.incr("channel_talk.call", tags={"method": "m"})
    stats.timing("channel_talk.call.duration", timedelta(seconds=1), tags={"method": "m"})


OLDER_AIRFLOW = """
import sys
import airflow.providers.common.compat.sdk
sys.modules["airflow.sdk.observability"] = None
class Stats: pass
sys.modules["airflow.stats"] = type(sys)("airflow.stats")
sys.modules["airflow.stats"].Stats = Stats
from airflow_channel_provider import metrics
assert metrics._statistics() is Stats
metrics._statistics.cache_clear()
sys.modules["airflow.stats"] = None
assert metrics._statistics() is None
"""


def test_older_airflow_has_its_statistics_elsewhere(fresh_process: FreshProcess) -> None:
    fresh_process.run(OLDER_AIRFLOW)
