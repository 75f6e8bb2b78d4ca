"""A way that anybody could read along: told once in the log, and in the sentence of the Test button."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

import pytest

from airflow_channel_provider.api.base_url import is_unencrypted
from airflow_channel_provider.emulator import DEMO_APP_ID, DEMO_SECRET, EmulatorThread
from airflow_channel_provider.hooks import _base
from airflow_channel_provider.hooks.benlly import BenllyHook
from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook

pytestmark = pytest.mark.promise(name="one-host")

OPEN = "http://shop.invalid"
WARNING = (
    "Connection 'c' leads to http://shop.invalid: secrets and tokens can be read on the way, since http:// is not "
    "encrypted; set the schema of the connection to https."
)


@pytest.fixture(autouse=True)
def _nothing_was_told() -> None:
    _base._warned.clear()


@pytest.fixture(params=[ChannelTalkHook, BenllyHook])
def make(request: pytest.FixtureRequest, set_connection: Callable[..., None]) -> Callable[..., Any]:
    """Make a hook over a connection to some host."""

    def made(host: str = OPEN, conn_id: str = "c") -> Any:
        set_connection(
            conn_id,
            conn_type=request.param.conn_type,
            host=host,
            password="secret-or-token",
            extra={"device": "web", "udid": "u"},
        )
        return request.param(conn_id)

    return made


@pytest.mark.parametrize(
    ("base_url", "is_open"),
    [
        ("http://example.com", True),
        ("http://example.com:8080", True),
        ("http://10.0.0.1", True),
        ("http://192.168.0.1", True),
        ("http://0.0.0.0", True),
        ("http://[::ffff:10.0.0.1]", True),
        ("http://[fe80::1]", True),
        ("http://localhost.example.com", True),
        ("http://127.0.0.1.example.com", True),
        ("http://mylocalhost", True),
        ("https://example.com", False),
        ("http://localhost", False),
        ("http://app.localhost", False),
        ("http://127.0.0.1:8765", False),
        ("http://127.8.9.1", False),
        ("http://[::1]:8765", False),
        ("http://[::ffff:127.0.0.1]", False),
    ],
)
def test_a_way_is_open_without_tls_to_another_machine(base_url: str, is_open: bool) -> None:
    assert is_unencrypted(base_url) is is_open


def test_an_open_way_is_one_warning_for_each_connection(
    make: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    for conn_id in ("c", "c", "other", "c"):
        hook = make(conn_id=conn_id)
        _ = hook._transport, hook._transport
    assert [message for message in caplog.messages if OPEN in message] == [
        WARNING,
        WARNING.replace("'c'", "'other'"),
    ]
    assert "secret-or-token" not in caplog.text


def test_a_forked_process_tells_it_again(make: Callable[..., Any]) -> None:
    _ = make()._transport
    assert _base._warned
    if not (child := os.fork()):
        os._exit(len(_base._warned))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("host", ["https://shop.invalid", "http://127.0.0.1:9", "http://localhost:9"])
def test_any_other_way_is_none(host: str, make: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    _ = make(host)._transport
    assert not [record for record in caplog.records if "airflow_channel_provider" in record.name]


def test_the_test_button_tells_it_and_the_log_does_not(
    make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hook = make()
    monkeypatch.setattr(
        type(hook), "_check_connection", lambda self: f"All is well at {self._transport.base_url}."
    )
    works, found = hook.test_connection()
    assert works
    assert found == (
        "All is well at http://shop.invalid; but secrets and tokens can be read on the way, since http:// is not "
        "encrypted: set the schema of the connection to https."
    )
    assert not [record for record in caplog.records if "airflow_channel_provider" in record.name]


def test_the_test_button_says_nothing_of_it_on_this_machine(
    set_connection: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", tmp_path.as_uri())
    with EmulatorThread() as emulator:
        set_connection(
            "c", conn_type="channel_talk", host=emulator.url, login=DEMO_APP_ID, password=DEMO_SECRET
        )
        works, found = ChannelTalkHook("c").test_connection()
    assert works
    assert "read on the way" not in found
