"""Redis behind sentinels: the master dies during a token request, and a replica takes over with the count."""

from __future__ import annotations

import json
import logging
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import redis
from support.fleet import fork, manager, together
from support.servers import RedisServer, Server, program

from airflow_channel_provider.emulator import EmulatorProcess
from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.hooks import _stores
from airflow_channel_provider.tokens.stores.redis import RedisStore

PASSWORD = "of-the-servers"
START_SECONDS = 60.0


class Sentinel(Server):
    """
    One sentinel.

    :param master: what it watches.
    """

    def __init__(self, master: RedisServer) -> None:
        super().__init__()
        self._program = program("redis-server", server="redis", package="redis-server")
        lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"dir {self.directory}",
            f"sentinel monitor mymaster 127.0.0.1 {master.port} 2",
            f"sentinel auth-pass mymaster {PASSWORD}",
            "sentinel down-after-milliseconds mymaster 1000",
            "sentinel failover-timeout mymaster 5000",
        ]
        (self.directory / "sentinel.conf").write_text("\n".join(lines) + "\n")

    def command(self) -> list[str]:
        return [self._program, str(self.directory / "sentinel.conf"), "--sentinel"]

    def answers(self) -> bool:
        try:
            return bool(self.client().ping())
        except redis.RedisError:
            return False

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, socket_timeout=5)

    def master(self) -> dict[str, Any]:
        client: Any = self.client()
        found: dict[str, Any] = client.sentinel_masters()["mymaster"]
        return found


class Guarded:
    """A master, a replica and three sentinels that know of each other."""

    def __init__(self, stack: ExitStack) -> None:
        login = ("--requirepass", PASSWORD, "--masterauth", PASSWORD)
        self.master = stack.enter_context(RedisServer(*login))
        self.replica = stack.enter_context(
            RedisServer(*login, "--replicaof", f"127.0.0.1 {self.master.port}")
        )
        self.sentinels = [stack.enter_context(Sentinel(self.master)) for _ in range(3)]
        until = time.monotonic() + START_SECONDS
        while not (self._is_synced() and all(map(self._is_complete, self.sentinels))):
            assert time.monotonic() < until
            time.sleep(0.1)

    def _is_synced(self) -> bool:
        replica: Any = redis.Redis(port=self.replica.port, password=PASSWORD)
        return bool(replica.info("replication")["master_link_status"] == "up")

    @staticmethod
    def _is_complete(sentinel: Sentinel) -> bool:
        found = sentinel.master()
        return (int(found["num-slaves"]), int(found["num-other-sentinels"])) == (1, 2)

    def connection(self, **extra: Any) -> str:
        """The Airflow connection, as JSON; its own port leads nowhere."""
        places = [f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels]
        named = {"sentinels": places, "master_name": "mymaster", **extra}
        return json.dumps({"conn_type": "redis", "host": "", "password": PASSWORD, "extra": named})


@pytest.fixture
def guarded() -> Iterator[Guarded]:
    with ExitStack() as stack:
        yield Guarded(stack)


@pytest.fixture
def service() -> Iterator[EmulatorProcess]:
    with EmulatorProcess({"token_latency_seconds": 0.15}) as emulator:
        yield emulator


@pytest.fixture(autouse=True)
def _opened_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_stores, "_opened", {})
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__TOKEN_QUOTA_WINDOW_SECONDS", "1")  # the servers are young


def opened() -> RedisStore:
    """Open the store as a new process does."""
    _stores._opened.clear()
    store = _stores.open_store("redis://guarded")
    assert isinstance(store, RedisStore)
    return store


def test_a_master_that_dies_during_a_token_request_takes_no_charge_with_it(
    guarded: Guarded, service: EmulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_GUARDED", guarded.connection())
    manager(service.url, opened()).get("ch-1")
    process = guarded.master._process
    assert process is not None
    pid = process.pid

    def lead() -> str:
        task = manager(service.url, opened())
        issue = task.context.exchange.issue

        def kill_and_issue(channel_id: str | None) -> Any:
            os.kill(pid, signal.SIGKILL)
            return issue(channel_id)

        task.context.exchange.issue = kill_and_issue  # type: ignore[method-assign]
        return task.get().fingerprint

    leader = fork(lead)
    process.wait(60)
    outcome = together(6, lambda i: manager(service.url, opened()).get().fingerprint)
    led = leader.join()
    assert outcome.errors() == []
    assert isinstance(led, str), led
    assert len({led, *outcome.results}) <= 2  # the lease may have run out meanwhile
    sent = service.stats()["token_requests"]
    assert sent <= 3
    assert manager(service.url, opened()).status().charges_used >= sent
    for sentinel in guarded.sentinels:
        assert int(sentinel.master()["port"]) == guarded.replica.port


def test_a_write_waits_for_a_replica_and_says_where_there_is_none(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_GUARDED", guarded.connection(sentinel_kwargs={"socket_timeout": 3}))
    store = opened()
    with caplog.at_level(logging.WARNING):
        store.update("doc", lambda snapshot: ({"n": 1}, None))
        assert caplog.records == []
        on_replica = redis.Redis(port=guarded.replica.port, password=PASSWORD)
        assert on_replica.get("channel_talk:{doc}:document") is not None
        guarded.replica.stop()
        store.update("doc", lambda snapshot: ({"n": 2}, None))
    assert "No replica of the token store redis://guarded has acknowledged" in caplog.text
    assert store.load("doc").state == {"n": 2}


@pytest.mark.parametrize(
    "extra",
    [
        {"sentinels": []},
        {"sentinels": ["no-port"]},
        {"sentinels": 5},
        {"sentinels": "host:26379"},
        {"sentinels": ["host:26379"], "master_name": 5},
    ],
    ids=str,
)
def test_an_extra_that_names_no_sentinels_is_refused(monkeypatch: pytest.MonkeyPatch, extra: Any) -> None:
    conn = {"conn_type": "redis", "host": "h", "password": PASSWORD, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_GUARDED", json.dumps(conn))
    with pytest.raises(
        ChannelConfigurationError, match=r"redis://guarded must name sentinels .*master_name"
    ) as told:
        opened().load("doc")
    assert PASSWORD not in str(told.value)
