"""An emulator and an object store that all tests of a file share, each from its start, and connections to them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.object_store import Bucket, ObjectStore, serving

from airflow_channel_provider.emulator import DEMO_APP_ID, DEMO_SECRET, EmulatorProcess


@pytest.fixture(scope="module")
def service() -> Iterator[EmulatorProcess]:
    with EmulatorProcess() as emulator:
        yield emulator


@pytest.fixture
def emulator(
    service: EmulatorProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, errors_as_they_are: None
) -> Iterator[EmulatorProcess]:
    service.reset()
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", tmp_path.joinpath("store").as_uri())
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__CALL_WAIT_MAX_SECONDS", "0.05")
    connection = {"conn_type": "channel_talk", "host": service.url, "login": DEMO_APP_ID}
    extra = {"extra": {"channel_id": "ch-1"}}
    monkeypatch.setenv(
        "AIRFLOW_CONN_CHANNEL_TALK_DEFAULT", json.dumps({**connection, "password": DEMO_SECRET, **extra})
    )
    monkeypatch.setenv("AIRFLOW_CONN_WRONG", json.dumps({**connection, "password": "wrong-secret", **extra}))
    monkeypatch.setenv(
        "AIRFLOW_CONN_ORDERS", json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "orders.db")})
    )
    yield service
    service.reset()


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    with serving() as running:
        yield running


@pytest.fixture
def bucket(store: ObjectStore) -> Iterator[Bucket]:
    yield Bucket(store)
    store.reset()
