"""The hook to Open API v5 against the emulator."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.open_api import connection

from airflow_channel_provider.emulator import EmulatorThread
from airflow_channel_provider.exceptions import (
    ChannelAmbiguousResultError,
    ChannelAuthenticationError,
    ChannelConfigurationError,
    ChannelRateLimitError,
    ChannelRequestError,
    ChannelResponseError,
)
from airflow_channel_provider.hooks.open_api import ChannelTalkOpenApiHook

CHAT = "chat-ch-1-1"


def connect(monkeypatch: pytest.MonkeyPatch, emulator: EmulatorThread, **changes: Any) -> None:
    value = connection(emulator.url, **changes)
    monkeypatch.setenv("AIRFLOW_CONN_CHANNEL_TALK_OPEN_API_DEFAULT", value)


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[EmulatorThread]:
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", tmp_path.joinpath("store").as_uri())
    with EmulatorThread() as emulator:
        connect(monkeypatch, emulator)
        yield emulator


@pytest.fixture
def hook(emulator: EmulatorThread) -> Iterator[ChannelTalkOpenApiHook]:
    with ChannelTalkOpenApiHook() as hook:
        yield hook


def test_the_test_button_says_the_channels_name(hook: ChannelTalkOpenApiHook) -> None:
    assert hook.test_connection() == (
        True,
        f"The keys work: channel 'Cafe Morning' at {hook.settings.base_url}.",
    )


@pytest.mark.parametrize(
    ("channel", "said"),
    [
        ({"id": "ch-1"}, "a channel without a name"),
        ({"id": "ch-1", "name": None}, "a channel without a name"),
        ({"id": "ch-1", "name": "one\ntwo"}, "channel 'one two'"),
        ({"id": "ch-1", "name": "it is open-secret-ch-1"}, "channel 'it is ***'"),
    ],
)
def test_a_name_that_the_service_returns_is_shown_with_care(
    hook: ChannelTalkOpenApiHook, monkeypatch: pytest.MonkeyPatch, channel: dict[str, Any], said: str
) -> None:
    monkeypatch.setattr(hook, "get", lambda path: {"channel": channel})
    assert hook.test_connection() == (True, f"The keys work: {said} at {hook.settings.base_url}.")


@pytest.mark.parametrize("size", ["50", 0, 501, 2.5, True])
def test_a_size_of_a_page_that_is_none_is_named(hook: ChannelTalkOpenApiHook, size: Any) -> None:
    with pytest.raises(ChannelConfigurationError, match="page_size must be a whole number from 1 to 500"):
        next(hook.iterate("messages", user_chat_id=CHAT, page_size=size))


def test_wrong_keys_are_refused_and_never_shown(
    emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    connect(monkeypatch, emulator, password="a-secret-of-nobody")
    with pytest.raises(
        ChannelAuthenticationError, match="Connection 'channel_talk_open_api_default'"
    ) as caught:
        ChannelTalkOpenApiHook().get("/channel")
    assert "Check access key and access secret" in str(caught.value)
    for text in (str(caught.value), repr(caught.value), caplog.text):
        assert "a-secret-of-nobody" not in text
        assert "open-key-ch-1" not in text


@pytest.mark.parametrize(("field", "what"), [("login", "access key"), ("password", "access secret")])
def test_a_missing_key_is_named(
    emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch, field: str, what: str
) -> None:
    connect(monkeypatch, emulator, **{field: ""})
    with pytest.raises(ChannelConfigurationError, match=f"the field {field} has no {what}"):
        ChannelTalkOpenApiHook().get("/channel")


def test_a_list_is_read_to_its_end_in_its_order(
    emulator: EmulatorThread, hook: ChannelTalkOpenApiHook
) -> None:
    for number in range(7):
        hook.request("POST", f"/user-chats/{CHAT}/messages", json={"plainText": f"m{number}"})
    found = [item["plainText"] for item in hook.iterate("messages", user_chat_id=CHAT, page_size=3)]
    assert found == [f"m{number}" for number in range(7)]
    asked = [entry for entry in emulator.journal() if entry["method"].startswith("GET /user-chats")]
    assert [entry["params"]["limit"] for entry in asked] == ["3", "3", "3"]
    assert (
        next(iter(hook.iterate("messages", user_chat_id=CHAT, limit=2, sortOrder="desc")))["plainText"]
        == "m6"
    )


def test_chats_come_with_their_state(hook: ChannelTalkOpenApiHook) -> None:
    assert len(list(hook.iterate("user_chats"))) == 10
    hook.request("PATCH", f"/user-chats/{CHAT}/close", params={"botName": "Bot"})
    assert [chat["id"] for chat in hook.iterate("user_chats", state="closed")] == [CHAT]
    assert hook.get(f"/user-chats/{CHAT}")["user"]["id"] == "user-ch-1-1"


def test_a_stream_that_needs_an_id_says_so_at_once(hook: ChannelTalkOpenApiHook) -> None:
    with pytest.raises(ChannelConfigurationError, match="user_chat_id is empty; give the id that the list"):
        hook.iterate("messages")
    with pytest.raises(ChannelConfigurationError, match="is not a known list"):
        hook.iterate("nothing")


@pytest.mark.parametrize("path", ["channel", "/channel?x=1", "/a//b", "/../secret", "/a b", "", None])
def test_a_path_that_leads_elsewhere_is_refused(hook: ChannelTalkOpenApiHook, path: Any) -> None:
    with pytest.raises(ChannelConfigurationError):
        hook.get(path)


def test_names_of_any_language_arrive_whole(hook: ChannelTalkOpenApiHook) -> None:
    member = "회원 100%/?"
    with pytest.raises(ChannelConfigurationError):
        hook.request("PUT", f"/users/@{member}", json={"profile": {"name": "김"}})
    created = hook.request("PUT", "/users/@회원-1", json={"profile": {"name": "김"}})
    assert created["user"]["memberId"] == "회원-1"
    assert hook.get("/users/@회원-1")["user"]["profile"] == {"name": "김"}


def test_a_message_whose_answer_is_lost_is_written_once(
    emulator: EmulatorThread, hook: ChannelTalkOpenApiHook
) -> None:
    hook._sleep = lambda seconds: None
    emulator.inject("close_after")
    hook.request("POST", f"/user-chats/{CHAT}/messages", json={"plainText": "hello"})
    assert [message["plainText"] for message in emulator.messages(CHAT)] == ["hello"]


def test_a_write_that_is_no_message_is_never_repeated(
    emulator: EmulatorThread, hook: ChannelTalkOpenApiHook
) -> None:
    emulator.inject("close_after")
    with pytest.raises(ChannelAmbiguousResultError, match="POST /users was sent"):
        hook.request("POST", "/users", json={"profile": {"name": "Ada"}})
    assert len([entry for entry in emulator.journal() if entry["method"] == "POST /users"]) == 1


def test_a_read_is_repeated(emulator: EmulatorThread, hook: ChannelTalkOpenApiHook) -> None:
    hook._sleep = lambda seconds: None
    emulator.inject("http_500", count=2)
    assert hook.get("/channel")["channel"]["id"] == "ch-1"


def test_a_refusal_names_the_connection_and_the_words(hook: ChannelTalkOpenApiHook) -> None:
    with pytest.raises(ChannelRequestError, match=r"GET /users/nobody was refused .HTTP 404.*user not found"):
        hook.get("/users/nobody")


def test_html_of_a_gateway_is_no_answer(emulator: EmulatorThread, hook: ChannelTalkOpenApiHook) -> None:
    hook._sleep = lambda seconds: None
    emulator.inject("html", count=9)
    with pytest.raises(ChannelResponseError):
        hook.get("/channel")


def test_the_rate_limit_is_never_reached_by_one_hook(
    emulator: EmulatorThread, hook: ChannelTalkOpenApiHook
) -> None:
    emulator.configure(open_api_rate_limit=20, open_api_rate_limit_window_seconds=100)
    hook._sleep = emulator.advance
    hook._max_wait_seconds = 1000
    for _ in range(60):
        hook.get("/channel")
    assert [entry["http_status"] for entry in emulator.journal() if entry["http_status"] != 200] == []


def test_a_rate_limit_that_others_used_up_says_when(
    emulator: EmulatorThread, hook: ChannelTalkOpenApiHook
) -> None:
    emulator.configure(open_api_rate_limit=0, open_api_rate_limit_window_seconds=3600)
    with pytest.raises(ChannelRateLimitError) as caught:
        hook.get("/channel")
    assert caught.value.retry_at is not None
    assert 3000 < (caught.value.retry_after_seconds or 0) <= 3601


def test_a_hook_travels_without_its_keys(hook: ChannelTalkOpenApiHook) -> None:
    hook.get("/channel")
    travelled = pickle.dumps(hook)
    assert b"open-secret" not in travelled
    assert pickle.loads(travelled).get("/channel")["channel"]["id"] == "ch-1"


def test_an_empty_answer_to_a_read_is_no_end_of_a_list(
    emulator: EmulatorThread, hook: ChannelTalkOpenApiHook
) -> None:
    emulator.inject("empty", count=1)
    assert len(list(hook.iterate("user_chats"))) == 10
    emulator.inject("empty", count=20)
    with pytest.raises(ChannelResponseError, match="empty"):
        list(ChannelTalkOpenApiHook(call_attempts=1).iterate("user_chats"))
