"""What every store promises, whatever it is made of."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from support.backends import BACKENDS, Backend, RedisBackend
from support.fleet import CROWD, fork, together

from airflow_channel_provider.hooks._stores import STORE_KINDS
from airflow_channel_provider.tokens.stores import document as document_format
from airflow_channel_provider.tokens.stores import sql_tables
from airflow_channel_provider.tokens.stores.base import HostLock, Snapshot, TokenStore


def write(store: TokenStore, state: dict[str, Any], document: str = "doc") -> None:
    store.update(document, lambda snapshot: (state, None))


def seen(store: TokenStore, document: str = "doc") -> Snapshot:
    return store.update(document, lambda snapshot: (None, snapshot))


def add_one(store: TokenStore) -> int:
    def change(snapshot: Snapshot) -> tuple[dict[str, Any], int]:
        n = (snapshot.state or {"n": 0})["n"] + 1
        return {"n": n}, n

    return store.update("doc", change)


def test_each_kind_of_store_is_among_them() -> None:
    assert {backend.scheme for backend in BACKENDS.values()} == set(STORE_KINDS)


def test_a_document_that_nobody_has_written_is_new_and_not_lost(backend: Backend) -> None:
    for snapshot in (backend.store().load("doc"), seen(backend.store())):
        assert (snapshot.state, snapshot.lost) == (None, False)
    assert backend.store().read_blob("doc", "name") is None


def test_what_is_written_is_read_by_all(backend: Backend) -> None:
    state = {"n": 1, "text": "한국어 'quoted' \\ %s :name", "list": [1.5, None, {}]}
    write(backend.store(), state)
    write(backend.store(), {"n": 2}, "another")
    assert backend.store().load("doc").state == state
    assert seen(backend.store()).state == state
    assert seen(backend.store(), "another").state == {"n": 2}


def test_a_change_that_writes_nothing_or_fails_leaves_all_as_it_was(backend: Backend) -> None:
    store = backend.store()
    write(store, {"n": 1})
    assert store.update("doc", lambda snapshot: (None, "result")) == "result"
    with pytest.raises(ZeroDivisionError):
        store.update("doc", lambda snapshot: ({"n": 1 // 0}, None))
    assert add_one(store) == 2


@pytest.mark.parametrize("dies", [False, True], ids=["hangs", "dies"])
def test_a_reader_never_waits_for_a_writer(shared: Backend, *, dies: bool) -> None:
    write(shared.store(), {"n": 1})
    inside, entered = os.pipe()
    released, release = os.pipe()

    def hang(snapshot: Snapshot) -> tuple[None, None]:
        os.write(entered, b".")
        os.read(released, 1)
        return None, None

    writer = fork(lambda: shared.store().update("doc", hang))
    assert os.read(inside, 1) == b"."
    if dies:
        writer.kill()
        writer.join()
    assert shared.store().load("doc").state == {"n": 1}
    if not dies:
        os.write(release, b".")
        writer.join()
    assert add_one(shared.store()) == 2
    for end in (inside, entered, released, release):
        os.close(end)


def test_a_thread_that_reads_never_waits_for_one_that_writes(backend: Backend) -> None:
    store = backend.store()
    write(store, {"n": 1})
    reader = backend.store()
    found = store.update("doc", lambda snapshot: (None, reader.load("doc")))
    assert found.state == {"n": 1}


def test_no_change_of_a_crowd_is_lost(shared: Backend) -> None:
    def add_twice(i: int) -> list[int]:
        store = shared.store()
        return [add_one(store), add_one(store)]

    processes = CROWD // 2
    outcome = together(processes, add_twice)
    assert outcome.errors() == []
    assert sorted(n for pair in outcome.results for n in pair) == list(range(1, 2 * processes + 1))
    assert seen(shared.store()).state == {"n": 2 * processes}


def test_no_change_of_threads_that_share_a_store_is_lost(backend: Backend) -> None:
    store, counted = backend.store(), []
    threads = [threading.Thread(target=lambda: counted.append(add_one(store))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(counted) == list(range(1, 21))


def test_its_clock_is_one_for_all_and_goes_as_time_does(backend: Backend) -> None:
    write(backend.store(), {})
    moments, asked, told = [], [], []
    looks: list[Callable[[], Snapshot]] = [lambda: backend.store().load("doc"), lambda: seen(backend.store())]
    for look in looks * 5:
        asked.append(time.monotonic())
        moments.append(look().now)
        told.append(time.monotonic())
        time.sleep(0.02)
    assert moments == sorted(moments)
    # It looked at its clock at some moment between question and answer.
    step = backend.clock_step_seconds
    assert asked[-1] - told[0] - step <= moments[-1] - moments[0] <= told[-1] - asked[0] + step
    if backend.is_shared():
        assert moments[0] == pytest.approx(time.time(), abs=60)


def test_its_clock_is_never_behind_what_was_written(served: Backend) -> None:
    write(served.store(), {"n": 1})
    ahead = time.time() + 500
    served.overwrite("doc", document_format.pack({"n": 2}, ahead).decode())
    assert served.store().load("doc").now == pytest.approx(ahead, abs=0.001)
    assert add_one(served.store()) == 3
    assert seen(served.store()).now == pytest.approx(ahead, abs=0.001)


def test_a_clock_of_the_server_ignores_that_of_the_client(
    served: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_time = time.time
    before = served.store().load("doc").now
    monkeypatch.setattr("time.time", lambda: real_time() + 7200)
    assert served.store().load("doc").now == pytest.approx(before, abs=60)


def test_a_token_is_replaced_as_a_whole(backend: Backend) -> None:
    sealed = [bytes(range(256)), b"", os.urandom(5000)]
    for blob in sealed:
        backend.store().write_blob("doc", "name", blob, 60)
        assert backend.store().read_blob("doc", "name") == blob
    backend.store().write_blob("doc", "other", b"other", 60)
    assert backend.store().read_blob("doc", "name") == sealed[-1]
    assert backend.store().read_blob("another", "name") is None


def test_the_same_token_may_be_written_twice(backend: Backend) -> None:
    for _ in range(2):
        backend.store().write_blob("doc", "name", b"sealed", 60)
    assert backend.store().read_blob("doc", "name") == b"sealed"


def test_a_crowd_that_stores_a_token_leaves_one_of_theirs(shared: Backend) -> None:
    def store(i: int) -> None:
        shared.store().write_blob("doc", "name", bytes([i]) * 1000, 60)

    assert together(CROWD // 2, store).errors() == []
    blob = shared.store().read_blob("doc", "name")
    assert blob is not None
    assert len(blob) == 1000
    assert len(set(blob)) == 1


@pytest.mark.promise(name="plausible")
@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        '"text"',
        "[" * 5000,
        '{"format": "of another program", "clock": {"now": 1, "boot": null, "steady": 0}, "state": {}}',
        '{"format": "airflow-channel-provider/2", "clock": {"now": 1, "boot": null, "steady": 0}, "state": {}}',
        '{"format": "airflow-channel-provider/1", "clock": {"now": NaN, "boot": null, "steady": 0}, "state": {}}',
        '{"format": "airflow-channel-provider/1", "clock": {"now": 1, "boot": null, "steady": 0}, "state": []}',
    ],
    ids=range(10),
)
def test_an_unreadable_or_foreign_document_is_lost_and_heals(shared: Backend, content: str) -> None:
    write(shared.store(), {"n": 1})
    shared.overwrite("doc", content)
    for snapshot in (shared.store().load("doc"), seen(shared.store())):
        assert (snapshot.state, snapshot.lost) == (None, True)
        assert snapshot.now == pytest.approx(time.time(), abs=60)
    write(shared.store(), {"n": 2})
    assert seen(shared.store()).state == {"n": 2}


def test_what_another_process_writes_is_not_taken_for_ones_own(
    served: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that count at the same moment of the store's clock would write the same, but for who it was."""
    pack, now = document_format.pack, served.store().load("doc").now
    monkeypatch.setattr(document_format, "pack", lambda state, _, **options: pack(state, now, **options))

    def change(snapshot: Snapshot) -> tuple[dict[str, Any], int]:
        n = (snapshot.state or {"n": 0})["n"] + 1
        if n == 1:
            add_one(served.store())  # and was faster
        return {"n": n}, n

    assert served.store().update("doc", change) == 2
    assert seen(served.store()).state == {"n": 2}


def test_a_document_that_vanished_beside_its_tokens_is_lost_and_heals(shared: Backend) -> None:
    write(shared.store(), {"n": 1})
    shared.lose("doc")
    assert not shared.store().load("doc").lost
    shared.store().write_blob("doc", "name", b"sealed", 60)
    assert shared.store().load("doc").lost
    assert seen(shared.store()).lost
    write(shared.store(), {"n": 2})
    assert not shared.store().load("doc").lost


def test_the_document_is_written_the_same_everywhere(
    shared: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    pack = document_format.pack

    def noted(*args: Any, **options: Any) -> bytes:
        written.append(pack(*args, **options))
        return written[-1]

    monkeypatch.setattr(document_format, "pack", noted)
    write(shared.store(), {"n": 1})
    (content,) = map(json.loads, written)
    assert {name: type(value) for name, value in content.items()} == {
        "format": str,
        "nonce": str,
        "clock": dict,
        "state": dict,
    }
    assert set(content["clock"]) == {"boot", "steady", "now"}
    assert content["state"] == {"n": 1}


def test_documents_can_be_listed_for_people_to_look_at(backend: Backend) -> None:
    store = backend.store()
    before = set(store.documents())
    write(store, {"n": 1})
    add_one(store)
    store.write_blob("doc", "name", b"sealed", 60.0)
    assert set(backend.store().documents()) - before <= {"doc"}
    assert "doc" in backend.store().documents()


def test_a_store_that_cannot_see_a_death_says_so(backend: Backend) -> None:
    with backend.store().host_lock("doc", "app") as host_lock:
        assert host_lock is (HostLock.OURS if backend.sees_death else HostLock.UNKNOWN)


def test_a_forked_child_and_its_parent_do_not_disturb_each_other(shared: Backend) -> None:
    store = shared.store()
    write(store, {"n": 0})

    def work() -> list[int]:
        return [add_one(store) for _ in range(10)]

    children = [fork(work) for _ in range(3)]
    counted = work()
    for child in children:
        result = child.join()
        assert isinstance(result, list), result
        counted += result
    assert sorted(counted) == list(range(1, 41))


def test_tables_are_made_by_whoever_comes_first(on_sql: Backend) -> None:
    outcome = together(20, lambda i: add_one(on_sql.store()))
    assert outcome.errors() == []
    assert sorted(outcome.results) == list(range(1, 21))


def test_tokens_that_are_long_over_are_dropped_from_redis(on_redis: RedisBackend) -> None:
    on_redis.store().write_blob("doc", "old", b"sealed", 1800.0)
    assert 1790_000 < on_redis.client().pttl("channel_talk:{doc}:token:old") <= 1800_000


def test_tokens_that_are_long_over_are_dropped_from_databases(
    on_sql: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_tables, "STRAY_SECONDS", 0.0)
    on_sql.store().write_blob("doc", "old", b"sealed", 0.0)
    time.sleep(0.01)
    on_sql.store().write_blob("doc", "new", b"sealed", 60.0)
    assert on_sql.store().read_blob("doc", "old") is None
    assert on_sql.store().read_blob("doc", "new") == b"sealed"
