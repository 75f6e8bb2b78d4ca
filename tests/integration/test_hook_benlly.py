"""The Benlly hook against the emulator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from airflow_channel_provider.emulator import EmulatorThread
from airflow_channel_provider.exceptions import (
    ChannelAmbiguousResultError,
    ChannelAuthenticationError,
    ChannelNotSentError,
    ChannelRequestError,
)
from airflow_channel_provider.hooks.benlly import BenllyHook

UDID = "7f0abbcd-fb03-4484-aaba-a0211d9c14e2"


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmulatorThread]:
    with EmulatorThread() as emulator:
        connect(monkeypatch, emulator)
        yield emulator


def connect(monkeypatch: pytest.MonkeyPatch, emulator: EmulatorThread, **changes: Any) -> None:
    address = urlsplit(emulator.url)
    fields = {
        "conn_type": "benlly",
        "host": address.hostname,
        "port": address.port,
        "schema": "http",
        "password": "benlly-user-token",
        "extra": {"device": "android", "udid": UDID},
        **changes,
    }
    monkeypatch.setenv("AIRFLOW_CONN_BENLLY_DEFAULT", json.dumps(fields))


@pytest.mark.parametrize("body_encoding", ["form", "json", None])
def test_push_channel_is_authorized_with_its_token(
    emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch, body_encoding: str | None
) -> None:
    connect(monkeypatch, emulator, extra={"device": "android", "udid": UDID, "body_encoding": body_encoding})
    data = BenllyHook().authorize_channel(1, token="push-service-token")
    assert data["udid"] == UDID
    assert data["device_token"]
    assert len(emulator.authorizations()) == 1


def test_other_channel_is_authorized_without_a_token(emulator: EmulatorThread) -> None:
    data = BenllyHook().authorize_channel("2")
    assert (data["udid"], data["expired"], "device_token" in data) == (UDID, False, False)


def test_authorization_without_an_answer_is_not_repeated(emulator: EmulatorThread) -> None:
    emulator.inject("close_after")
    with pytest.raises(ChannelAmbiguousResultError, match="Connection 'benlly_default'"):
        BenllyHook().authorize_channel(2)
    assert len(emulator.authorizations()) == 1


def test_wrong_user_token_is_refused_without_showing_it(
    emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, emulator, password="wrong-user-token")
    with pytest.raises(ChannelAuthenticationError) as caught:
        BenllyHook().authorize_channel(2)
    assert "wrong-user-token" not in str(caught.value)
    assert len([entry for entry in emulator.journal() if entry["service"] == "benlly"]) == 1


@pytest.mark.parametrize(("channel_id", "token"), [(99, None), (1, None)])
def test_refusal_is_told(emulator: EmulatorThread, channel_id: int, token: str | None) -> None:
    with pytest.raises(ChannelRequestError):
        BenllyHook().authorize_channel(channel_id, token=token)


def test_connection_test_reaches_the_host_and_changes_nothing(emulator: EmulatorThread) -> None:
    ok, message = BenllyHook().test_connection()
    assert ok, message
    assert "accepts the access token" in message
    assert emulator.authorizations() == []


def test_host_that_is_away_is_tried_again_and_reported(
    emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, emulator, port=1)
    hook = BenllyHook(call_attempts=3)
    slept: list[float] = []
    hook._sleep = slept.append
    with pytest.raises(ChannelNotSentError):
        hook.authorize_channel(2)
    assert len(slept) == 2
    ok, message = BenllyHook().test_connection()
    assert not ok
    assert "benlly-user-token" not in message
