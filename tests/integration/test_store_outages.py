"""A store that goes away, comes back, forgets, or is not what it should be: what it may cost, and what it says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import sqlalchemy as sa
from support.backends import Backend, RedisBackend, SqlBackend
from support.fleet import fork, manager
from support.servers import RedisServer

from airflow_channel_provider.emulator import EmulatorProcess
from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelNotSentError
from airflow_channel_provider.tokens import policy
from airflow_channel_provider.tokens.stores.base import CachedToken
from airflow_channel_provider.tokens.stores.redis import RedisStore
from airflow_channel_provider.tokens.stores.sql import SqlStore
from airflow_channel_provider.tokens.stores.sql_session import SqlTarget
from tools.demo.ports import free_port


@pytest.fixture(scope="module")
def running() -> Iterator[EmulatorProcess]:
    with EmulatorProcess() as emulator:
        yield emulator


@pytest.fixture
def service(running: EmulatorProcess) -> EmulatorProcess:
    running.reset()
    return running


def forget_to_look_away(task: Any) -> None:
    """Let the process look at the store again, as it does when its token grows old."""
    for key, cached in task.repository.store.local_cache.items():
        task.repository.store.local_cache[key] = CachedToken(cached.token, 0.0, cached.ends_at)


def test_a_token_in_hand_is_used_while_the_store_is_down(killable: Any, service: EmulatorProcess) -> None:
    task = killable.manager(service.url)
    token = task.get()
    killable.server.kill()
    assert task.get() == token
    forget_to_look_away(task)
    assert task.get() == token
    killable.server.start()
    forget_to_look_away(task)
    assert task.get() == token
    assert service.stats()["token_requests"] == 1


def test_a_token_that_was_refused_is_not_used_because_the_store_is_down(
    killable: Any, service: EmulatorProcess
) -> None:
    task = killable.manager(service.url)
    token = task.get()
    killable.server.kill()
    with pytest.raises(ChannelNotSentError):
        task.get(rejected=token.fingerprint)
    assert service.stats()["token_requests"] == 1


def test_without_the_store_no_token_request_is_sent_and_the_error_names_it(
    killable: Any, service: EmulatorProcess
) -> None:
    killable.manager(service.url).get("ch-1")
    killable.server.kill()
    with pytest.raises(
        ChannelNotSentError, match=r"token store (redis|sql|s3)://tests\S* can't be"
    ) as caught:
        killable.manager(service.url).get("ch-2")
    assert "No token request was sent" in caught.value.message
    assert service.stats()["token_requests"] == 1


def test_nothing_is_forgotten_when_the_server_crashes(killable: Any, service: EmulatorProcess) -> None:
    token = killable.manager(service.url).get()
    killable.server.kill()
    killable.server.start()
    assert killable.manager(service.url).get() == token
    assert killable.manager(service.url).status().charges_used == 1


def test_a_connection_that_died_is_made_again(killable: Any, service: EmulatorProcess) -> None:
    task = killable.manager(service.url)
    task.get()
    for _ in range(2):
        task.repository.snapshot()
        killable.server.kill()
        killable.server.start()
        assert task.status().charges_used == 1
    task.repository.store.update("doc", lambda snapshot: ({"n": 1}, None))
    assert service.stats()["token_requests"] == 1


def test_a_server_that_crashes_during_a_token_request_costs_no_uncharged_one(
    killable: Any, service: EmulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "LEASE_SECONDS", 1.0)
    task = killable.manager(service.url)
    issue = task.context.exchange.issue

    def crash(channel_id: str | None) -> Any:
        killable.server.kill()
        answer = issue(channel_id)
        killable.server.start()
        return answer

    task.context.exchange.issue = crash
    token = task.get()
    assert killable.manager(service.url).get() == token
    assert service.stats()["token_requests"] == 1
    assert killable.manager(service.url).status().charges_used == 1


def test_a_token_that_could_not_be_stored_is_used_by_who_bought_it(
    killable: Any, service: EmulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "LEASE_SECONDS", 0.5)
    task = killable.manager(service.url)
    issue = task.context.exchange.issue

    def crash(channel_id: str | None) -> Any:
        killable.server.kill()
        return issue(channel_id)

    task.context.exchange.issue = crash
    token = task.get()
    killable.server.start()
    assert task.get() == token
    other = killable.manager(service.url).get()
    assert other != token
    assert service.stats()["token_requests"] == 2
    assert killable.manager(service.url).status().charges_used == 2


def test_a_redis_that_keeps_nothing_starts_half_spent(service: EmulatorProcess) -> None:
    with RedisServer(append_only=False) as server:
        backend = RedisBackend(server, window_seconds=1800.0)
        backend.manager(service.url).get()
        server.kill()
        server.start()
        status = backend.manager(service.url).status()
        assert (status.charges_used, status.charges_left) == (5, 5)
        backend.manager(service.url).get()
        assert backend.manager(service.url).status().charges_used == 6


def test_a_redis_that_is_older_than_the_window_has_forgotten_nothing(service: EmulatorProcess) -> None:
    with RedisServer() as server:
        assert RedisBackend(server, window_seconds=60.0).manager(service.url).status().charges_used == 5
        time.sleep(1.1)
        assert RedisBackend(server, window_seconds=1.0).manager(service.url).status().charges_used == 0


def test_a_cluster_is_used_by_its_slots(service: EmulatorProcess) -> None:
    from redis.cluster import RedisCluster

    # By itself a node would talk to others 10,000 ports above its own, where there may be none.
    with RedisServer("--cluster-enabled", "yes", "--cluster-port", str(free_port())) as server:
        node: Any = RedisBackend(server).client()
        node.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        until = time.monotonic() + 30
        while "cluster_state:ok" not in str(node.execute_command("CLUSTER", "INFO")):
            assert time.monotonic() < until
            time.sleep(0.05)

        def connect() -> RedisCluster:
            return RedisCluster(host="127.0.0.1", port=server.port)

        def work(channel: str | None) -> str:
            store = RedisStore(connect, window_seconds=0.0)
            return manager(service.url, store).get(channel).fingerprint

        children = [fork(lambda: work("ch-1")) for _ in range(4)]
        assert len({child.join() for child in children}) == 1
        assert isinstance(work(None), str)
        assert service.stats()["token_requests"] == 2
        assert len(RedisStore(connect).documents()) == 1


@pytest.mark.parametrize("password", [None, "of-another-server"])
def test_a_redis_that_wants_another_password_is_a_configuration_error(password: str | None) -> None:
    with RedisServer("--requirepass", "correct") as server:
        store = RedisStore(
            lambda: redis.Redis(port=server.port, password=password), address="redis://my_redis"
        )
        with pytest.raises(
            ChannelConfigurationError, match=r"\[channel_talk\] store: .*redis://my_redis"
        ) as caught:
            store.load("doc")
        assert "of-another-server" not in str(caught.value)


def test_a_list_in_place_of_a_redis_document_or_token_is_no_crash(service: EmulatorProcess) -> None:
    with RedisServer() as server:
        backend = RedisBackend(server)
        backend.client().lpush("channel_talk:{doc}:document", "x")
        backend.client().lpush("channel_talk:{doc}:token:name", "x")
        store = backend.store()
        assert store.load("doc").lost
        assert store.read_blob("doc", "name") is None
        store.update("doc", lambda snapshot: ({"n": 1}, None))
        store.write_blob("doc", "name", b"sealed", 60)
        assert store.load("doc").state == {"n": 1}
        assert store.read_blob("doc", "name") == b"sealed"


def test_no_transaction_is_open_while_a_token_request_is_on_its_way(
    on_postgres: SqlBackend, service: EmulatorProcess
) -> None:
    task = on_postgres.manager(service.url)
    issue, states = task.context.exchange.issue, []

    def watched(channel_id: str | None) -> Any:
        states.extend(
            on_postgres.execute(
                "select state from pg_stat_activity where application_name = 'airflow-channel-provider'"
            )
        )
        return issue(channel_id)

    task.context.exchange.issue = watched  # type: ignore[method-assign]
    task.get()
    assert states == [("idle",)]
    held = "select count(*) from pg_stat_activity where application_name = 'airflow-channel-provider'"
    assert on_postgres.execute(held) == [(0,)]


def test_a_user_who_may_not_create_tables_is_told_which(on_postgres: SqlBackend) -> None:
    on_postgres.execute("drop role if exists poor; create role poor login")
    url = sa.engine.make_url(on_postgres.url).set(username="poor")
    store = SqlStore(lambda: SqlTarget(url), address="sql://my_db")
    with pytest.raises(ChannelConfigurationError, match="channel_talk_document and channel_talk_token"):
        store.load("doc")
    store.rest()


@pytest.mark.parametrize("path", ["/nowhere/tokens.db", "/proc/self/status"])
def test_a_file_that_sqlite_cannot_use_is_a_configuration_error(path: str) -> None:
    store = SqlStore(lambda: SqlTarget(f"sqlite:///{path}"), address="sql://my_file")
    with pytest.raises(ChannelConfigurationError, match=r"\[channel_talk\] store: .*sql://my_file"):
        store.update("doc", lambda snapshot: ({}, None))


def test_a_stepped_clock_of_the_host_grants_nothing_in_sqlite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqlBackend(f"sqlite:///{tmp_path}/tokens.db").store()
    store.update("doc", lambda snapshot: ({}, None))
    before, real_time = store.load("doc").now, time.time
    monkeypatch.setattr("time.time", lambda: real_time() + 7200)
    assert store.load("doc").now == pytest.approx(before, abs=60)
    store.rest()


def test_an_answer_that_got_lost_does_not_apply_a_change_twice(served: Backend) -> None:
    store = served.store()
    store.update("doc", lambda snapshot: ({"n": 1}, None))
    served.lose_next_answer()
    counted: list[int] = []

    def change(snapshot: Any) -> tuple[dict[str, int], int]:
        counted.append(snapshot.state["n"] + 1)
        return {"n": counted[-1]}, counted[-1]

    assert store.update("doc", change) == 2
    assert counted == [2]
    assert served.store().load("doc").state == {"n": 2}
