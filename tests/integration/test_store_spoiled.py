"""What somebody else left in a store, in each of them: the quota holds, and the next task that may write heals it."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.backends import Backend, RedisBackend, SqlBackend
from support.fuzzing import cases
from support.spoiled import Spoiler, Tasks, spoiled_at, spoilers

from airflow_channel_provider.hooks import _overviews
from airflow_channel_provider.tokens.stores import document as document_format
from airflow_channel_provider.tokens.stores.base import Anew
from airflow_channel_provider.tokens.stores.memory import MemoryStore

pytestmark = pytest.mark.promise(name="plausible")

INDEX = "channel_talk:documents"


def example() -> str:
    store = MemoryStore()
    tasks = Tasks(lambda: store, time.monotonic)
    tasks.get("before")
    return store._documents[tasks.app]


EXAMPLE = example()


def document_of(tasks: Tasks) -> str:
    """Return what stands in the store, as a host of another boot would have written it."""
    snapshot = tasks.task().repository.snapshot()
    return document_format.pack(snapshot.record.to_json(), snapshot.now).decode()


def tasks_over(backend: Backend) -> Tasks:
    store = backend.store()
    return Tasks(lambda: store, time.monotonic)


def begin_anew(backend: Backend, tasks: Tasks) -> None:
    """Make the store hold the document of one task and nothing else."""
    backend.empty()
    tasks.service.log.clear()
    tasks.service = type(tasks.service)(tasks.clock, limit=tasks.service.limit)
    assert tasks.get("before") == "access-0"
    assert len(tasks.service.log) == 1, "empty() of this backend left a token"


@pytest.mark.fuzz
@cases(6)
@given(spoiler=spoilers(EXAMPLE))
def test_any_document_heals(shared: Backend, spoiler: Spoiler) -> None:
    tasks = tasks_over(shared)
    begin_anew(shared, tasks)
    shared.overwrite(tasks.app, spoiler(document_of(tasks)))
    tasks.check(began_with=1)


@pytest.mark.parametrize(
    ("path", "fragment"),
    [
        (("clock", "now"), "1e300"),
        (("clock", "now"), "4e9"),
        (("clock", "steady"), "NaN"),
        (("state", "ledger", "blocked_until"), "9" * 400),
    ],
    ids=range(4),
)
def test_a_time_out_of_all_bounds_heals(shared: Backend, path: tuple[str, ...], fragment: str) -> None:
    tasks = tasks_over(shared)
    begin_anew(shared, tasks)
    shared.overwrite(tasks.app, spoiled_at(document_of(tasks), path, fragment))
    tasks.check(began_with=1)


def test_what_is_replaced_unbelieved_is_set_aside(backend: Backend) -> None:
    store = backend.store()
    for n in range(3):
        state: dict[str, Any] = {"n": n}
        store.update("doc", lambda snapshot, state=state: (state, None))  # type: ignore[misc]
    assert backend.set_aside("doc") is None
    store.update("doc", lambda snapshot: (Anew(n=3), None))
    found = backend.set_aside("doc")
    assert found is not None
    assert json.loads(found)["state"] == {"n": 2}
    assert store.load("doc").state == {"n": 3}
    assert list(store.documents()).count("doc") == 1


def test_a_token_can_be_dropped(backend: Backend) -> None:
    store = backend.store()
    for name in ("one", "other"):
        store.write_blob("doc", name, b"sealed", 60)
    for _ in range(2):
        store.drop_blob("doc", "one")
        assert (store.read_blob("doc", "one"), store.read_blob("doc", "other")) == (None, b"sealed")


def test_an_index_of_another_type_keeps_no_new_app_from_its_token(on_redis: RedisBackend) -> None:
    tasks = tasks_over(on_redis)
    begin_anew(on_redis, tasks)
    known = tasks.app
    client = on_redis.client()
    client.delete(INDEX)
    client.rpush(INDEX, "not ours")
    assert list(on_redis.store().documents()) == [known]
    on_redis.store().update("new", lambda snapshot: ({"n": 1}, None))
    assert sorted(on_redis.store().documents()) == sorted([known, "new"])
    assert client.lrange(f"{INDEX}:unreadable", 0, -1) == [b"not ours"]
    client.sadd(INDEX, b"\xff\xfe")
    assert [app.key for app in _overviews.overviews(on_redis.store()) if app.key == known] == [known]


def test_a_key_of_another_type_is_set_aside_and_heals(on_redis: RedisBackend) -> None:
    tasks = tasks_over(on_redis)
    begin_anew(on_redis, tasks)
    client, key = on_redis.client(), f"channel_talk:{{{tasks.app}}}:document"
    client.delete(key)
    client.rpush(key, "not ours")
    tasks.check(began_with=1)
    aside_key = f"channel_talk:{{{tasks.app}}}:unreadable"
    assert client.lrange(aside_key, 0, -1) == [b"not ours"]
    assert 0 < client.ttl(aside_key) <= 7 * 86_400


@pytest.mark.fuzz
@cases(10)
@given(content=st.binary(max_size=60))
def test_any_bytes_in_redis_heal(on_redis: RedisBackend, content: bytes) -> None:
    tasks = tasks_over(on_redis)
    begin_anew(on_redis, tasks)
    on_redis.client().set(f"channel_talk:{{{tasks.app}}}:document", content)
    tasks.check(began_with=1)


@pytest.mark.fuzz
@cases(10)
@given(content=st.binary(max_size=60))
def test_any_bytes_in_sqlite_heal(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    backend = SqlBackend(f"sqlite:///{tmp_path_factory.mktemp('spoiled')}/tokens.db")
    tasks = tasks_over(backend)
    begin_anew(backend, tasks)
    for kind in ("text", "blob"):
        begin_anew(backend, tasks)
        backend.execute(f"update channel_talk_document set body = cast(x'{content.hex()}' as {kind})")
        tasks.check(began_with=1)
    backend.rest()


def test_a_version_at_its_end_goes_on(on_sql: SqlBackend) -> None:
    store = on_sql.store()
    store.update("doc", lambda snapshot: ({"n": 1}, None))
    on_sql.execute("update channel_talk_document set version = 9223372036854775807")
    store.update("doc", lambda snapshot: ({"n": 2}, None))
    assert store.load("doc").state == {"n": 2}
