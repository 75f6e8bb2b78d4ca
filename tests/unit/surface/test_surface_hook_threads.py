"""What threads that share a hook see: everything behind it is opened once, whoever comes first."""

from __future__ import annotations

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from airflow_channel_provider.contract.model import RetryClass
from airflow_channel_provider.exceptions import (
    ChannelAmbiguousResultError,
    ChannelNotSentError,
    ChannelRateLimitError,
)
from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook

if TYPE_CHECKING:
    from unit.surface.conftest import Doors

THREADS = 16
OPENED = ("settings", "_transport", "client", "manager", "_policy", "_token_user")


@pytest.mark.parametrize("name", OPENED)
def test_threads_that_come_at_once_get_the_same(name: str, channel_talk: None) -> None:
    hook = ChannelTalkHook()
    together = threading.Barrier(THREADS)

    def ask(number: int) -> Any:
        together.wait(30)
        return getattr(hook, name)

    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(ask, range(THREADS)))
    assert {id(one) for one in found} == {id(found[0])}
    hook.close()


def test_a_copy_opens_its_own(channel_talk: None) -> None:
    hook = ChannelTalkHook()
    assert hook.settings is not None
    copy = pickle.loads(pickle.dumps(hook))
    assert copy.settings == hook.settings
    assert copy.settings is not hook.settings


class Gate:
    def __init__(self) -> None:
        self.passed = 0
        self.slept: list[float] = []

    def acquire(self) -> None:
        self.passed += 1

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def paced(doors: Doors, gate: Gate) -> ChannelTalkHook:
    hook = ChannelTalkHook(rate_limiter=gate)
    hook.__dict__.update(manager=doors.manager, client=doors.client)
    return hook


def test_each_request_goes_through_the_gate_and_pauses_are_the_gates(doors: Doors) -> None:
    gate = Gate()
    doors.client.script = [ChannelNotSentError("no route"), ChannelNotSentError("no route"), {"user": {}}]
    paced(doors, gate).call("getUser", {"userId": "u"})
    assert (gate.passed, len(gate.slept)) == (3, 2)


def test_a_rate_limit_is_left_to_who_paces(doors: Doors) -> None:
    gate = Gate()
    doors.client.script = [ChannelRateLimitError("slow", retry_after_seconds=1), {"user": {}}]
    with pytest.raises(ChannelRateLimitError):
        paced(doors, gate).call("getUser", {"userId": "u"})
    assert (gate.passed, gate.slept) == (1, [])


def test_the_caller_may_know_better_than_the_catalogue(doors: Doors) -> None:
    params = {"channelId": "ch-1", "tableName": "t", "rows": [{"n": 1}]}
    doors.client.script = [ChannelAmbiguousResultError("lost"), {"acceptedRowCount": 1}]
    with pytest.raises(ChannelAmbiguousResultError):
        paced(doors, Gate()).call("upsertAppDataTableRows", params)
    doors.client.script = [ChannelAmbiguousResultError("lost"), {"acceptedRowCount": 1}]
    hook = paced(doors, Gate())
    call = hook.prepare("upsertAppDataTableRows", params)._replace(retry_class=RetryClass.IDEMPOTENT)
    assert hook.send(call) == {"acceptedRowCount": 1}
