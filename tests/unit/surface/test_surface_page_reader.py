"""What the page reads of the token store, and how one token is dropped from it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from support.records import Anybody, app_record, now_of, write
from support.spoiled import FRAGMENTS, places, spoiled_at
from support.token_service import TokenService

from airflow_channel_provider.hooks import _overviews
from airflow_channel_provider.hooks._pace import shared_pace
from airflow_channel_provider.plugins import _report
from airflow_channel_provider.tokens.manager import TokenManager
from airflow_channel_provider.tokens.record import AppRecord
from airflow_channel_provider.tokens.stores.file import FileStore
from airflow_channel_provider.tokens.stores.memory import MemoryStore


def test_apps_in_trouble_come_first_then_by_name() -> None:
    store = MemoryStore()
    for key, app_id, spent in (
        ("1", "calm-b", 0),
        ("2", "calm-a", 0),
        ("3", "empty-b", 10),
        ("4", "empty-a", 10),
    ):
        write(store, key, app_record(now_of(store), app_id, ages=[10], spent=spent))
    assert [app.app_id for app in _overviews.overviews(store)] == ["empty-a", "empty-b", "calm-a", "calm-b"]


def test_a_document_that_is_none_of_ours_is_shown_as_lost() -> None:
    store = MemoryStore()
    store._documents["strange"] = '{"format": 99}'
    (app,) = _overviews.overviews(store)
    assert (app.key, app.left) == ("strange", 5)
    assert "lost its count of token requests" in app.warnings[0]


def test_how_fast_a_channel_is_read_is_no_app() -> None:
    store = MemoryStore()
    shared_pace(store, "https://api.channel.io", "an-access-key").refused(30.0)
    assert len(store.documents()) == 1
    assert _overviews.overviews(store) == []


def test_a_document_that_is_gone_since_it_was_listed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryStore, "documents", lambda self: ["gone"])
    assert _overviews.overviews(MemoryStore()) == []


def test_what_has_happened_keeps_its_second(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def requests(wall_is_ahead_by: float) -> list[str]:
        real = time.time
        monkeypatch.setattr(
            "airflow_channel_provider.hooks._overviews.time.time", lambda: real() + wall_is_ahead_by
        )
        (app,) = _overviews.overviews(store)
        monkeypatch.setattr("airflow_channel_provider.hooks._overviews.time.time", real)
        return [entry["at"] for entry in app.as_json()["timeline"]]

    first = requests(0.0)
    assert requests(0.6) == first
    moved = requests(3600.0)
    assert moved != first
    assert requests(3600.6) == moved


def test_looking_takes_nothing_along(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    rested = []
    monkeypatch.setattr(FileStore, "rest", lambda self: rested.append(self))
    assert _overviews.overviews(store)
    assert _overviews.drop_token(store, "busy", "app")
    assert rested == [store, store]


def test_dropping_concerns_one_token_and_is_done_once(store: FileStore) -> None:
    before = store.load("busy").state
    assert _overviews.drop_token(store, "busy", "app")
    assert not _overviews.drop_token(store, "busy", "app")
    assert {scope.scope: scope.state for scope in _overviews.overviews(store)[0].scopes} == {
        "app": "dropped",
        "channel:20481": "early",
    }
    after = store.load("busy").state
    assert before is not None
    assert after is not None
    assert after["ledger"] == before["ledger"]
    assert after["history"] == before["history"]


def task_of(store: FileStore, service: TokenService) -> TokenManager:
    store.local_cache.clear()
    return TokenManager(
        base_url="https://service.test", app_id="shop", secret="secret", store=store, exchange=service
    )


@pytest.mark.promise(name="dropped")
def test_a_dropped_token_does_not_come_back_though_the_record_is_lost(
    store: FileStore, tmp_path: Path
) -> None:
    service = TokenService(time.monotonic)
    task = task_of(store, service)
    assert [task.get().access_token, task.get("1").access_token] == ["access-0", "access-1"]
    before = (tmp_path / f"{task.repository.app}.json").read_bytes()
    assert _overviews.drop_token(store, task.repository.app, "app")
    for content in (b"{}", before):
        (tmp_path / f"{task.repository.app}.json").write_bytes(content)
        assert task_of(store, service).peek() is None
    assert task_of(store, service).get().access_token == "access-2"
    assert task_of(store, service).get("1").access_token == "access-1"


@pytest.mark.promise(name="plausible")
def test_a_broken_record_hides_no_other_app(
    store: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    document = (tmp_path / "busy.json").read_text()
    for number, fragment in enumerate(FRAGMENTS):
        for place, path in enumerate(places(json.loads(document))):
            if place % 40 == number:
                (tmp_path / f"spoiled-{number}-{place}.json").write_text(spoiled_at(document, path, fragment))
    (tmp_path / os.fsdecode(b"\xff.json")).write_text(document)
    (tmp_path / "a\nb.json").write_text(document)
    found = _report.report(Anybody())
    assert found["store"]["error"] == ""
    assert {app["key"] for app in found["apps"]} == {path.stem for path in tmp_path.glob("[bs][up]*.json")}
    assert json.loads(json.dumps(found, ensure_ascii=False, allow_nan=False).encode())

    def fails(record: AppRecord, *args: Any) -> Any:
        if record.name.app_id:
            raise ZeroDivisionError
        return described(record, *args)

    described = AppRecord.scopes_in_use
    monkeypatch.setattr(AppRecord, "scopes_in_use", fails)
    (first, *others) = [app for app in _overviews.overviews(store) if app.key == "busy" or not app.app_id]
    warnings_of = {app.key: app.warnings for app in (first, *others)}
    assert warnings_of["busy"] == (
        "The record of this app can't be shown (ZeroDivisionError); the log says more.",
    )
    assert others
    assert "The record of app busy in" in caplog.text


@pytest.mark.parametrize(
    ("app", "scope"), [("busy", "channel:1"), ("other", "app"), ("../busy", "app"), ("", "")]
)
def test_dropping_what_is_not_there_writes_nothing(
    store: FileStore, app: str, scope: str, tmp_path: Path
) -> None:
    before = sorted(path.name for path in tmp_path.parent.rglob("*"))
    assert not _overviews.drop_token(store, app, scope)
    assert sorted(path.name for path in tmp_path.parent.rglob("*")) == before
