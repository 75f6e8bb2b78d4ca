"""A document that nobody wrote: a task gets a token or an error of ours, the quota holds, the next writer heals."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.fuzzing import cases
from support.spoiled import FRAGMENTS, QUOTA, Spoiler, Tasks, places, spoiled_at, spoilers

from airflow_channel_provider.tokens.repository import read_record
from airflow_channel_provider.tokens.stores import document as document_format
from airflow_channel_provider.tokens.stores.file import FileStore
from airflow_channel_provider.tokens.stores.memory import MemoryStore

pytestmark = pytest.mark.promise(name="plausible")

NOW = 50_000.0


class OneProcess:
    """Tasks over a store in memory, whose clock only moves when told."""

    def __init__(self) -> None:
        self.now = NOW
        self.store = MemoryStore(lambda: self.now)
        self.tasks = Tasks(lambda: self.store, lambda: self.now)
        assert self.tasks.get("before") == "access-0"

    @property
    def document(self) -> str:
        return self.store._documents[self.tasks.app]


DOCUMENT = OneProcess().document


def check_in_memory(content: str) -> None:
    world = OneProcess()
    world.store._documents[world.tasks.app] = content
    world.tasks.check(began_with=1)
    world.now += 2 * QUOTA.silence_seconds + 3600
    assert world.tasks.get("later").startswith("access-")


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=range(len(FRAGMENTS)))
def test_whatever_stands_in_any_place_of_a_document_heals(fragment: str) -> None:
    for path in places(json.loads(DOCUMENT)):
        check_in_memory(spoiled_at(DOCUMENT, path, fragment))


@pytest.mark.fuzz
@cases(150)
@given(spoilers(DOCUMENT))
def test_any_document_in_memory_heals(spoiler: Spoiler) -> None:
    check_in_memory(spoiler(DOCUMENT))


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spoiled") / "tokens"


@pytest.mark.fuzz
@cases(25)
@given(spoilers(DOCUMENT).map(lambda spoiler: spoiler(DOCUMENT).encode()) | st.binary(max_size=200))
@example(b"\xff\xfe")
@example(b"x" * (13 * 2**20))
def test_any_bytes_in_a_file_heal_and_are_set_aside(directory: Path, content: bytes) -> None:
    for path in directory.glob("*"):
        path.unlink()
    tasks = Tasks(lambda: FileStore(directory), time.monotonic)
    assert tasks.get("before") == "access-0"
    path = directory / f"{tasks.app}.json"
    path.write_bytes(content)
    if not read_record(FileStore(directory).load(tasks.app), QUOTA).lost:
        # Of another boot and of long ago: it knows nothing of the first request, and nobody can tell.
        assert tasks.get("after") == "access-1"
        return
    tasks.check(began_with=1)
    aside = [found.read_bytes() for found in directory.glob(f"{tasks.app}.json.*.unreadable")]
    assert aside == [content]


def test_a_healed_record_is_named_in_a_warning_and_kept_aside(caplog: pytest.LogCaptureFixture) -> None:
    world = OneProcess()
    app = world.tasks.app
    spoiled = spoiled_at(world.document, ("state", "ledger", "blocked_until"), "1e300")
    world.store._documents[app] = spoiled
    caplog.clear()
    world.tasks.get("after")
    (warning,) = (record for record in caplog.records if record.levelname == "WARNING")
    assert "token store memory:// holds no readable record of app app" in warning.message
    assert world.store.read_blob(app, "unreadable") == spoiled.encode()
    caplog.clear()
    world.tasks.get("after")
    assert not any(record.levelname == "WARNING" for record in caplog.records)


FAR = NOW + 86_400.0


@pytest.mark.parametrize(
    "change",
    [
        {"leases": {"channel:after-0": {"owner": "o", "host": "h", "until": FAR}}},
        {"outage": {"count": 1, "until": FAR}},
        {"failures": {"channel:after-0": {"count": 1, "until": FAR}}},
        {"failures": {"channel:after-0": {"count": 1, "until": NOW, "at": FAR}}},
        {"ledger": {"charges": [], "blocked_until": FAR, "refusals": 0}},
        {
            "ledger": {
                "charges": [{"id": "c", "at": FAR, "scope": "app", "kind": "issue"}],
                "blocked_until": 0.0,
                "refusals": 0,
            }
        },
        {"tokens": {"app": {"fingerprint": "f", "issued_at": FAR, "expires_at": FAR + 1800}}},
    ],
    ids=range(7),
)
def test_what_lies_far_ahead_locks_nobody_out(change: dict[str, Any]) -> None:
    world = OneProcess()
    document = json.loads(world.document)
    document["state"] |= change
    world.store._documents[world.tasks.app] = json.dumps(document)
    assert world.tasks.get("after-0").startswith("access-")


def test_charges_in_a_document_that_is_not_believed_still_count() -> None:
    world = OneProcess()
    assert [world.tasks.get(f"more-{n}") for n in range(2)] == ["access-1", "access-2"]
    spoiled = spoiled_at(world.document, ("clock", "now"), str(NOW + 1e6))
    world.store._documents[world.tasks.app] = spoiled
    assert world.tasks.get("after") == "ChannelTokenQuotaError"
    world.now += QUOTA.hold_seconds + 1
    assert world.tasks.get("after") == "access-3"


@pytest.mark.parametrize("life_seconds", [1.8e12, 1e300, 10**400])
def test_a_life_of_an_age_is_believed_for_a_year(
    life_seconds: float, caplog: pytest.LogCaptureFixture
) -> None:
    world = OneProcess()
    world.tasks.service.life_seconds = life_seconds
    assert world.tasks.get("long") == "access-1"
    assert world.tasks.get("long") == "access-1"
    assert len(world.tasks.service.log) == 2
    facts = world.tasks.task().repository.snapshot().record.tokens["channel:long"]
    assert facts.expires_at - facts.issued_at == 366 * 86_400.0
    assert "lives for longer than 31622400 s" in caplog.text


@pytest.mark.parametrize("channel_id", ["\ud800", "a\nb", "x" * 1000])
def test_a_channel_that_no_record_can_name_is_refused_before_anything_is_sent(channel_id: str) -> None:
    world = OneProcess()
    assert world.tasks.get(channel_id) == "ChannelConfigurationError"
    assert len(world.tasks.service.log) == 1


@pytest.mark.parametrize(
    "row", ["[1e999]", '["x", 50000.0, "s", "issue", "", "", "granted", "", [-1e999]]'], ids=range(2)
)
def test_a_history_that_can_not_be_written_again_does_not_cost_the_count(row: str) -> None:
    world = OneProcess()
    assert world.tasks.get("second") == "access-1"
    spoiled = spoiled_at(world.document, ("state", "history"), f"[{row}]")
    world.store._documents[world.tasks.app] = spoiled
    assert world.tasks.get("third") == "access-2"
    record = read_record(world.store.load(world.tasks.app), QUOTA).record
    assert [charge.scope for charge in record.ledger.charges] == [
        f"channel:{name}" for name in ("before", "second", "third")
    ]


@pytest.mark.parametrize("depth", [10, 100_000])
def test_a_document_is_written_however_deep_its_history_is(depth: int) -> None:
    history: list[Any] = []
    for _ in range(depth):
        history = [history]
    read = document_format.read(document_format.pack({"ledger": 1, "history": history}, NOW), clock=NOW)
    assert not read.lost
    assert read.state is not None
    assert read.state["ledger"] == 1
