"""Waits in a real loop, over a hook with everything behind it replaced; nothing sleeps."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from importlib import import_module
from typing import Any

import pytest

from airflow_channel_provider.exceptions import (
    ChannelAuthenticationError,
    ChannelNotSentError,
    ChannelRateLimitError,
    ChannelRequestError,
    ChannelResponseError,
    ChannelTokenQuotaError,
)
from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
from airflow_channel_provider.triggers.channel_talk import (
    NativeFunctionTrigger,
    SharedHook,
    shared_hook_users,
)
from airflow_channel_provider.triggers.polling import pause_seconds

OPEN, CLOSED = (
    {"userChat": {"id": "c", "state": f"USER_CHAT_STATE_{state}"}} for state in ("OPENED", "CLOSED")
)


class Waiting:
    """What a test looks at of a trigger that has run."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.time = 1_700_000_000.0

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds
        await asyncio.sleep(0)

    def trigger(self, **kwargs: Any) -> NativeFunctionTrigger:
        trigger = NativeFunctionTrigger(
            **{
                "method": "getUserChat",
                "params": {"userChatId": "c"},
                "expect": {"userChat.state": "closed"},
                "poke_interval": 60.0,
                **kwargs,
            }
        )
        trigger._sleep, trigger._random, trigger._now = self.sleep, lambda: 0.5, lambda: self.time
        return trigger

    def run(self, **kwargs: Any) -> Any:
        return asyncio.run(self.events(self.trigger(**kwargs)))[0]

    async def events(self, *triggers: NativeFunctionTrigger) -> list[Any]:
        async def run(trigger: NativeFunctionTrigger) -> Any:
            (event,) = [event async for event in trigger.run()]
            return json.loads(json.dumps(event.payload))

        return await asyncio.gather(*map(run, triggers))


@pytest.fixture
def waiting(doors: Any, monkeypatch: pytest.MonkeyPatch) -> Waiting:
    waiting = Waiting()
    monkeypatch.setattr(SharedHook, "_new_hook", lambda self: doors.hook(channel_talk_conn_id=self.conn_id))
    monkeypatch.setattr(SharedHook, "now", lambda self: waiting.time)
    return waiting


def test_it_looks_until_the_answer_says_what_is_awaited(doors: Any, waiting: Waiting) -> None:
    doors.client.script = [OPEN, OPEN, CLOSED]
    found = {"userChat.state": "USER_CHAT_STATE_CLOSED"}
    assert waiting.run() == {"status": "met", "found": found}
    assert waiting.slept == [30.0, 60.0, 60.0]
    assert {params["userChatId"] for _, params, _ in doors.client.calls} == {"c"}
    assert shared_hook_users() == {}


def test_pauses_grow_where_they_are_to(doors: Any, waiting: Waiting) -> None:
    doors.client.script = [*[OPEN] * 6, CLOSED]
    waiting.run(backoff_since=waiting.time, max_interval=400.0)
    assert waiting.slept == [30.0, 60.0, 120.0, 240.0, 400.0, 400.0, 400.0]


def test_a_wait_that_is_started_again_goes_on_with_the_pauses_that_it_had(
    doors: Any, waiting: Waiting
) -> None:
    doors.client.script = [OPEN, CLOSED]
    waiting.run(backoff_since=waiting.time - 500.0)
    assert waiting.slept == [30.0, 480.0]


def test_a_failure_that_names_its_end_is_waited_out_whatever_the_pause(doors: Any, waiting: Waiting) -> None:
    doors.client.script = [ChannelRateLimitError("slow", retry_after_seconds=900), CLOSED]
    waiting.run(backoff_since=waiting.time - 500.0)
    assert waiting.slept == [30.0, 915.0]


@pytest.mark.parametrize(
    ("interval", "waited", "most", "pause"),
    [
        (60.0, None, None, 60.0),
        (60.0, None, 5.0, 60.0),
        (60.0, 0.0, None, 60.0),
        (60.0, 59.0, None, 60.0),
        (60.0, 60.0, None, 120.0),
        (60.0, 179.0, None, 120.0),
        (60.0, 180.0, None, 240.0),
        (60.0, 180.0, 100.0, 100.0),
        (60.0, -5.0, None, 60.0),
        (0.0, 0.0, None, 1.0),
        (0.5, 7.0, None, 8.0),
        (60.0, 1e18, 3600.0, 3600.0),
        (60.0, 1e300, None, 60.0 * 2.0**40),
    ],
)
def test_how_long_a_pause_is(interval: float, waited: float | None, most: float | None, pause: float) -> None:
    assert pause_seconds(interval, waited_seconds=waited, max_seconds=most) == pause


def test_what_serialize_returns_makes_the_same_trigger_again(waiting: Waiting) -> None:
    trigger = waiting.trigger(channel_id="ch-2", repeatable=True, tolerated_failures=3)
    path, kwargs = trigger.serialize()
    module, _, name = path.rpartition(".")
    again = getattr(import_module(module), name)(**json.loads(json.dumps(kwargs)))
    assert type(again) is NativeFunctionTrigger
    assert again.serialize() == trigger.serialize()


@pytest.mark.promise(name="secrets")
def test_arguments_hold_no_secret(doors: Any, waiting: Waiting) -> None:
    doors.client.script = [CLOSED]
    trigger = waiting.trigger()
    event = asyncio.run(waiting.events(trigger))
    left = json.dumps([trigger.serialize(), event]) + repr(trigger)
    for secret in ("access-", "refresh", "c2VjcmV0"):
        assert secret not in left


def test_a_rate_limit_is_waited_out_without_a_thread(doors: Any, waiting: Waiting) -> None:
    moment = datetime.now(tz=timezone.utc) + timedelta(seconds=900)
    doors.client.script = [ChannelRateLimitError("x", retry_at=moment), CLOSED]
    assert waiting.run(tolerated_failures=0)["status"] == "met"
    assert 900 < waiting.slept[1] < 920
    assert doors.slept == []


def test_failures_are_borne_and_then_told(doors: Any, waiting: Waiting) -> None:
    failure = ChannelRequestError("broken.", http_status=500)
    doors.client.script = [failure]
    event = waiting.run(tolerated_failures=2)
    assert (event["status"], event["error"], event["http_status"]) == ("failed", "ChannelRequestError", 500)
    assert "3 polls in a row failed" in event["message"]
    assert waiting.slept == [30.0, 60.0, 60.0]
    assert shared_hook_users() == {}


def test_a_poll_that_succeeds_resets_the_tolerance(doors: Any, waiting: Waiting) -> None:
    bad = [ChannelResponseError("html", http_status=403)] * 2
    doors.client.script = [*bad, OPEN, *bad, CLOSED]
    assert waiting.run(tolerated_failures=2)["status"] == "met"
    assert len(waiting.slept) == 6


def test_what_nothing_can_help_ends_the_wait_at_once(doors: Any, waiting: Waiting) -> None:
    doors.client.script = [ChannelRequestError("no such chat", http_status=404)]
    assert waiting.run()["error"] == "ChannelRequestError"
    assert waiting.slept == [30.0]


def test_a_predicate_that_is_missing_here_ends_the_wait(waiting: Waiting) -> None:
    event = waiting.run(expect=None, predicate="not.installed.here")
    assert event["error"] == "ChannelConfigurationError"
    assert "can't be imported here" in event["message"]


# One door for many


def test_many_waits_share_one_hook_and_a_few_threads(
    doors: Any, waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[ChannelTalkHook] = []
    threads: set[int] = set()
    seen: list[dict[str, int]] = []

    def new_hook(shared: SharedHook) -> ChannelTalkHook:
        made.append(doors.hook())
        return made[-1]

    def call_native(*_: Any, **__: Any) -> Any:
        threads.add(threading.get_ident())
        seen.append(shared_hook_users())
        return CLOSED

    monkeypatch.setattr(SharedHook, "_new_hook", new_hook)
    doors.client.call_native = call_native
    triggers = [waiting.trigger() for _ in range(200)]
    events = asyncio.run(waiting.events(*triggers))
    assert [event["status"] for event in events] == ["met"] * 200
    assert len(made) == 1
    assert len(threads) <= 4
    assert threading.get_ident() not in threads
    assert seen[0] == {"channel_talk_default": 200}
    assert shared_hook_users() == {}


@pytest.mark.parametrize(
    ("error", "most_calls"),
    [
        (ChannelRateLimitError("x", retry_after_seconds=100_000.0), 4),
        (ChannelTokenQuotaError("x", retry_after_seconds=100_000.0), 50),
    ],
)
def test_a_rate_limit_that_one_wait_meets_is_respected_by_all(
    doors: Any, waiting: Waiting, error: ChannelRateLimitError, most_calls: int
) -> None:
    async def sleep_for_ever(seconds: float) -> None:
        waiting.slept.append(seconds)
        await asyncio.sleep(0 if seconds < 100 else 3600)

    async def wait() -> None:
        triggers = [waiting.trigger() for _ in range(50)]
        for one in triggers:
            one._sleep = sleep_for_ever
        running = asyncio.create_task(waiting.events(*triggers))
        while len(waiting.slept) < 100:
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    doors.client.script = [error]
    asyncio.run(wait())
    assert 0 < len(doors.client.calls) <= most_calls
    assert all(seconds >= 100_000 for seconds in waiting.slept[50:])
    if isinstance(error, ChannelTokenQuotaError):
        assert len(doors.client.calls) == most_calls


def test_each_connection_has_a_door_of_its_own(doors: Any, waiting: Waiting, set_connection: Any) -> None:
    set_connection("other", conn_type="channel_talk", host="127.0.0.1", password="b3RoZXI=")
    doors.client.script = [CLOSED]
    seen: list[dict[str, int]] = []
    original = doors.client.call_native

    def call_native(*args: Any, **kwargs: Any) -> Any:
        seen.append(shared_hook_users())
        return original(*args, **kwargs)

    doors.client.call_native = call_native
    triggers = [
        waiting.trigger(channel_id="ch-1", channel_talk_conn_id=conn_id)
        for conn_id in ("channel_talk_default", "other", "other")
    ]
    asyncio.run(waiting.events(*triggers))
    assert {"channel_talk_default": 1, "other": 2} in seen


def test_a_wait_that_is_cancelled_gives_its_part_back(doors: Any, waiting: Waiting) -> None:
    doors.client.script = [OPEN]

    async def cancel() -> dict[str, int]:
        running = [asyncio.create_task(waiting.events(waiting.trigger())) for _ in range(2)]
        while len(doors.client.calls) < 4:
            await asyncio.sleep(0)
        running[0].cancel()
        await asyncio.gather(running[0], return_exceptions=True)
        left = shared_hook_users()
        running[1].cancel()
        await asyncio.gather(running[1], return_exceptions=True)
        return left

    assert asyncio.run(cancel()) == {"channel_talk_default": 1}
    assert shared_hook_users() == {}


def test_the_last_wait_closes_the_hook(doors: Any, waiting: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = threading.Event()
    monkeypatch.setattr(ChannelTalkHook, "close", lambda self: closed.set())
    doors.client.script = [CLOSED]
    waiting.run()
    assert closed.wait(10)


REFUSED = ChannelAuthenticationError("refused", http_status=401)


def test_a_secret_that_was_changed_meanwhile_is_taken_up(
    doors: Any, waiting: Waiting, set_connection: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[ChannelTalkHook] = []

    def new_hook(shared: SharedHook) -> ChannelTalkHook:
        made.append(doors.hook())
        doors.manager.error = None if len(made) > 1 else doors.manager.error
        return made[-1]

    def call_native(*_: Any, **__: Any) -> Any:
        if len(made) == 1:
            # The old secret buys nothing any more, and the connection has another one by now.
            set_connection(
                conn_type="channel_talk", password="bmV3LXNlY3JldA==", extra={"channel_id": "ch-1"}
            )
            doors.manager.error = REFUSED
            raise REFUSED
        return CLOSED

    monkeypatch.setattr(SharedHook, "_new_hook", new_hook)
    doors.client.call_native = call_native
    assert waiting.run()["status"] == "met"
    assert made[0].settings.secret != made[-1].settings.secret


def test_a_secret_that_is_still_wrong_ends_the_wait(doors: Any, waiting: Waiting) -> None:
    doors.manager.error = REFUSED
    assert waiting.run()["error"] == "ChannelAuthenticationError"
    assert len(doors.manager.gets) == 1


def test_a_trigger_that_can_not_look_up_its_connection_yet_tries_again(
    waiting: Waiting, doors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [OSError("the api-server is away"), ChannelNotSentError("no token"), None]

    def new_hook(shared: SharedHook) -> ChannelTalkHook:
        failure = failures.pop(0)
        if failure is not None:
            raise failure
        hook: ChannelTalkHook = doors.hook()
        return hook

    monkeypatch.setattr(SharedHook, "_new_hook", new_hook)
    doors.client.script = [CLOSED]
    assert waiting.run()["status"] == "met"


def test_failures_that_are_to_be_silent_end_no_wait(doors: Any, waiting: Waiting) -> None:
    mistake, html = (
        ChannelRequestError("no such chat", http_status=404),
        ChannelResponseError("html", http_status=403),
    )
    doors.client.script = [mistake, html, html, html, mistake, OPEN, CLOSED]
    assert waiting.run(silent_fail=True, tolerated_failures=2)["status"] == "met"
    assert waiting.slept == [30.0, *[60.0] * 6]


def test_a_limit_is_waited_out_where_failures_are_silent(doors: Any, waiting: Waiting) -> None:
    until = datetime.now(tz=timezone.utc) + timedelta(seconds=900)
    doors.client.script = [ChannelRateLimitError("x", retry_at=until), CLOSED]
    waiting.run(silent_fail=True, tolerated_failures=0)
    assert waiting.slept[0] == 30.0
    assert max(waiting.slept) > 500.0


def test_silent_failures_travel_only_where_they_are_asked_for(waiting: Waiting) -> None:
    path, kwargs = waiting.trigger(silent_fail=True).serialize()
    assert kwargs["silent_fail"] is True
    assert NativeFunctionTrigger(**json.loads(json.dumps(kwargs))).serialize() == (path, kwargs)
    assert "silent_fail" not in waiting.trigger().serialize()[1]
