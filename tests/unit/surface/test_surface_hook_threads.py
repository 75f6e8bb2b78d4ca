"""What threads that share a hook see: everything behind it is opened once, whoever comes first."""

from __future__ import annotations

import os
import pickle
import pkgutil
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from support.fleet import fork

from airflow_channel_provider.api import transport
from airflow_channel_provider.contract.model import RetryClass
from airflow_channel_provider.exceptions import (
    ChannelAmbiguousResultError,
    ChannelNotSentError,
    ChannelRateLimitError,
)
from airflow_channel_provider.hooks import _stores
from airflow_channel_provider.hooks._pace import shared_pace
from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
from airflow_channel_provider.tokens.stores.memory import MemoryStore

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


def a_hook() -> Callable[[], Any]:
    hook = ChannelTalkHook()
    return lambda: hook.settings.conn_id


def a_hook_of_its_own() -> Callable[[], Any]:
    return lambda: ChannelTalkHook().settings.conn_id


def a_transport() -> Callable[[], Any]:
    door = transport.Transport("http://127.0.0.1:9")
    return lambda: door._open().proxies


def a_store() -> Callable[[], Any]:
    return lambda: _stores.open_store("memory://", for_tokens=False).address


def a_pace() -> Callable[[], Any]:
    store = MemoryStore()
    return lambda: shared_pace(store, "http://127.0.0.1:9", "key")._document


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize(
    ("opening", "step"),
    [
        (a_hook, "airflow_channel_provider.hooks._base.find_connection"),
        (a_hook_of_its_own, "airflow_channel_provider.hooks._base.find_connection"),
        (a_transport, "airflow_channel_provider.api.transport._ProcessSession.__init__"),
        (a_store, "airflow_channel_provider.tokens.stores.memory.MemoryStore.__init__"),
        (a_pace, "airflow_channel_provider.hooks._pace.SharedPace.__init__"),
    ],
)
def test_a_child_does_not_wait_for_a_thread_of_its_parent(
    opening: Callable[[], Callable[[], Any]], step: str, channel_talk: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parent is forked while one of its threads opens the same thing, and stands in a step of that."""
    monkeypatch.setattr(_stores, "_opened", {})
    open_ = opening()
    parent, stands, goes_on = os.getpid(), threading.Event(), threading.Event()
    owner, name = step.rsplit(".", 1)
    real = getattr(pkgutil.resolve_name(owner), name)

    def slow(*args: Any, **options: Any) -> Any:
        if os.getpid() == parent:
            stands.set()
            goes_on.wait(30)
        return real(*args, **options)

    monkeypatch.setattr(step, slow)

    def open_soon() -> Any:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(20)
        return open_()

    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(open_)
        assert stands.wait(30)
        child = fork(open_soon)
        inherited = child.join()
        goes_on.set()
        assert child.status == 0
        assert inherited == found.result(30)


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
