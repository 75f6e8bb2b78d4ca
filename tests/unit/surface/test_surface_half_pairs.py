"""Half of a surrogate pair, which JSON lets in and no address, header, key or file can hold: told in one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_channel_provider.benlly_connection import BenllySettings
from airflow_channel_provider.connections import ChannelTalkSettings
from airflow_channel_provider.emulator import DEMO_APP_ID, DEMO_SECRET, EmulatorThread
from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelRequestError
from airflow_channel_provider.hooks.benlly import BenllyHook
from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
from airflow_channel_provider.ids import is_whole

HALF = "half \ud800"
TALK = {"conn_type": "channel_talk", "password": "s3cret=="}
BENLLY = {"conn_type": "benlly", "host": "benlly.example", "extra": {"device": "web", "udid": "u"}}
LOGIN = {"client_id": "7", "client_secret": "secret", "username": "mina", "user_password": "password"}


def connection(**fields: Any) -> Any:
    plain = {"conn_id": "c", "host": None, "schema": None, "port": None, "login": None, "password": None}
    extra = fields.pop("extra", {})
    return SimpleNamespace(**{**plain, **fields}, extra=json.dumps(extra), extra_dejson=extra)


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, set_connection: Callable[..., None]) -> Any:
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", tmp_path.as_uri())
    with EmulatorThread() as emulator:
        set_connection(conn_type="channel_talk", host=emulator.url, login=DEMO_APP_ID, password=DEMO_SECRET)
        set_connection(
            "benlly_default",
            conn_type="benlly",
            host=emulator.url,
            password="benlly-user-token",
            extra={"device": "web", "udid": "u"},
        )
        yield emulator


@pytest.mark.parametrize(("text", "whole"), [("", True), ("민아 😀", True), (HALF, False), ("\udc00", False)])
def test_a_text_is_whole_or_not(text: str, whole: bool) -> None:
    assert is_whole(text) is whole


@pytest.mark.parametrize("name", ["host", "schema", "login", "password"])
def test_a_field_of_a_connection_is_named(name: str) -> None:
    with pytest.raises(ChannelConfigurationError, match=f"Connection 'c': .*{name}.*") as caught:
        ChannelTalkSettings.from_connection(connection(**{**TALK, name: HALF}))
    assert HALF not in str(caught.value)


@pytest.mark.parametrize("name", ["channel_id", "timeout", "desk_url"])
def test_a_field_of_the_extra_is_named(name: str) -> None:
    with pytest.raises(ChannelConfigurationError, match=f"Connection 'c': the field extra {name} ") as caught:
        ChannelTalkSettings.from_connection(connection(**TALK, extra={name: HALF}))
    assert HALF not in str(caught.value)


@pytest.mark.parametrize(
    "name", [*LOGIN, "refresh_token", "device", "udid", "body_encoding", "password", "host"]
)
def test_a_field_of_benlly_is_named(name: str) -> None:
    given: Any = {**BENLLY, "extra": {**BENLLY["extra"], **LOGIN}}  # type: ignore[dict-item]
    (given if name in ("password", "host") else given["extra"])[name] = HALF
    with pytest.raises(ChannelConfigurationError, match=f"Connection 'c': .*{name}") as caught:
        BenllySettings.from_connection(connection(**given))
    assert HALF not in str(caught.value)


def test_an_extra_that_is_nested_too_deeply_is_no_json_object() -> None:
    given = connection(**TALK)
    given.extra = "[" * 100_000
    with pytest.raises(ChannelConfigurationError, match="extra is not a JSON object"):
        ChannelTalkSettings.from_connection(given)


ASKED: list[Callable[[ChannelTalkHook], Any]] = [
    lambda hook: hook.call("getChannel", channel_id=HALF),
    lambda hook: hook.call("getChannel", {"channelId": HALF}),
    lambda hook: hook.call("functionOfTomorrow", {"channelId": HALF}),
    lambda hook: hook.get_access_token(HALF),
    lambda hook: hook.call_app_function("app", "f", channel_id=HALF),
    lambda hook: hook.call_app_function(HALF, "f"),
    lambda hook: list(hook.iterate("searchManagers", channel_id=HALF)),
    lambda hook: hook.call(["getChannel"]),  # type: ignore[arg-type]
    lambda hook: hook.call(7),  # type: ignore[arg-type]
    lambda hook: hook.call(None),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("ask", ASKED)
def test_a_channel_an_app_or_a_function_that_can_not_be_is_refused(
    emulator: EmulatorThread, ask: Callable[[ChannelTalkHook], Any]
) -> None:
    with ChannelTalkHook() as hook, pytest.raises(ChannelConfigurationError):
        ask(hook)
    assert [entry["method"] for entry in emulator.journal() if entry["method"] != "issueToken"] == []


def test_half_a_pair_in_what_is_sent_reaches_the_service(emulator: EmulatorThread) -> None:
    with ChannelTalkHook() as hook:
        written = hook.call(
            "writeUserChatMessage",
            {"userChatId": "chat-ch-1-1", "dto": {"plainText": HALF, "botName": "b"}},
            channel_id="ch-1",
        )
        assert written["message"]["plainText"].startswith("half ")
        with pytest.raises(ChannelRequestError, match="method not found"):
            hook.call(HALF, {"a": HALF}, channel_id="ch-1")
        assert hook.call_app_function("app", HALF, {"a": HALF}, context={"b": HALF})["params"]


def test_a_token_of_a_push_service_that_can_not_be_is_refused(emulator: EmulatorThread) -> None:
    with BenllyHook() as hook, pytest.raises(ChannelConfigurationError, match="token holds half"):
        hook.authorize_channel(1, token=HALF)
    assert emulator.journal() == []
