"""From a connection to a message and back, against the emulator; only the pauses between attempts are left out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from airflow.providers.common.compat.sdk import redact

from airflow_channel_provider.emulator import EmulatorThread
from airflow_channel_provider.exceptions import (
    ChannelAmbiguousResultError,
    ChannelAuthenticationError,
    ChannelError,
    ChannelNotSentError,
    ChannelPermissionError,
    ChannelRateLimitError,
    ChannelRequestError,
    ChannelTokenQuotaError,
)
from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook

SECRET = "ZW11bGF0b3ItZGVtby1zZQ=="
MESSAGE = {"userChatId": "chat-ch-1-1", "dto": {"plainText": "hello", "botName": "bot"}}


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[EmulatorThread]:
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", tmp_path.joinpath("store").as_uri())
    with EmulatorThread() as emulator:
        connect(monkeypatch, emulator)
        yield emulator


def connect(
    monkeypatch: pytest.MonkeyPatch,
    emulator: EmulatorThread,
    *,
    conn_id: str = "channel_talk_default",
    **changes: Any,
) -> None:
    address = urlsplit(emulator.url)
    fields = {
        "conn_type": "channel_talk",
        "host": address.hostname,
        "port": address.port,
        "schema": "http",
        "login": "demo-app",
        "password": SECRET,
        "extra": {"channel_id": "ch-1", "timeout": 5},
        **changes,
    }
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))


def new_hook(**kwargs: Any) -> ChannelTalkHook:
    """A hook as each task has its own; its pauses take no time."""
    hook = ChannelTalkHook(**kwargs)
    hook._sleep = lambda seconds: None
    return hook


def calls(emulator: EmulatorThread, method: str) -> list[dict[str, Any]]:
    return [dict(entry) for entry in emulator.journal() if entry["method"] == method]


def spent(emulator: EmulatorThread) -> int:
    return len(emulator.token_requests())


def test_message_goes_from_the_connection_to_the_chat(emulator: EmulatorThread) -> None:
    with new_hook() as hook:
        result = hook.call("writeUserChatMessage", MESSAGE)
    (message,) = emulator.messages("chat-ch-1-1")
    assert result["message"]["id"] == message["id"]
    assert message["plainText"] == "hello"


def test_hooks_of_many_tasks_share_one_token(emulator: EmulatorThread) -> None:
    for _ in range(20):
        with new_hook() as hook:
            hook.call("getChannel")
    assert spent(emulator) == 1


def test_each_scope_has_its_own_token(emulator: EmulatorThread) -> None:
    hook = new_hook()
    hook.call("getChannel")
    hook.call("getChannel", channel_id="ch-2")
    hook.call("registerCommands", {"commands": []})
    assert sorted(str(entry["scope"]) for entry in emulator.token_requests()) == [
        "app",
        "channel:ch-1",
        "channel:ch-2",
    ]


# Writes whose outcome is unclear


@pytest.mark.parametrize("fault", ["close_after", "truncated", "http_500_after", "empty"])
def test_message_with_a_request_id_is_written_exactly_once(emulator: EmulatorThread, fault: str) -> None:
    hook = new_hook()
    emulator.inject(fault, method="writeUserChatMessage")
    assert hook.call("writeUserChatMessage", MESSAGE) is not None
    assert len(emulator.messages("chat-ch-1-1")) == 1
    first, second = calls(emulator, "writeUserChatMessage")
    assert first["request_id"] == second["request_id"] is not None


@pytest.mark.parametrize("fault", ["close_after", "truncated", "http_500_after", "empty"])
def test_message_without_a_request_id_is_not_repeated(emulator: EmulatorThread, fault: str) -> None:
    emulator.inject(fault, method="writeUserChatMessage")
    with pytest.raises(ChannelAmbiguousResultError):
        new_hook().call("writeUserChatMessage", MESSAGE, deduplicate=False)
    assert len(calls(emulator, "writeUserChatMessage")) == 1
    assert len(emulator.messages("chat-ch-1-1")) == 1


def test_read_survives_whatever_passes(emulator: EmulatorThread) -> None:
    hook = new_hook()
    for fault in ("close_after", "html", "http_500", "truncated"):
        emulator.inject(fault, method="getChannel")
    assert hook.call("getChannel")["channel"]["id"] == "ch-1"
    assert len(calls(emulator, "getChannel")) == 5


def test_unsafe_write_is_sent_once(emulator: EmulatorThread) -> None:
    emulator.inject("close_after", method="createUserChat")
    with pytest.raises(ChannelAmbiguousResultError, match="createUserChat was sent"):
        new_hook().call("createUserChat", {"userId": "user-ch-1-1"})
    assert len(calls(emulator, "createUserChat")) == 1


def test_service_that_is_away_is_reported_as_not_sent(
    emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = new_hook(call_attempts=2)
    hook.call("getChannel")
    emulator.stop()
    hook.close()
    with pytest.raises(ChannelNotSentError):
        hook.call("getChannel")


@pytest.mark.parametrize(("method", "params"), [("getChannel", {}), ("writeUserChatMessage", MESSAGE)])
def test_an_answer_that_is_too_large_is_fetched_once(
    emulator: EmulatorThread, method: str, params: dict[str, Any]
) -> None:
    emulator.inject("huge", count=9, method=method, megabytes=40)
    with pytest.raises(ChannelError, match="is larger than"):
        new_hook().call(method, params)
    assert len(calls(emulator, method)) == 1


# Refusals


@pytest.mark.parametrize("shape", ["http", "envelope", "proxied"])
def test_refused_token_is_renewed_once_for_all(emulator: EmulatorThread, shape: str) -> None:
    hook = new_hook()
    hook.call("getChannel")
    # More refusals than a young token is forgiven.
    emulator.inject("unauthorized", count=4, method="getChannel", shape=shape)
    assert hook.call("getChannel")["channel"]["id"] == "ch-1"
    assert spent(emulator) == 2
    assert new_hook().call("getChannel")["channel"]["id"] == "ch-1"
    assert spent(emulator) == 2


def test_a_refusal_of_a_young_token_is_waited_out(emulator: EmulatorThread) -> None:
    emulator.inject("unauthorized", method="getChannel", shape="http")
    hook = new_hook()
    slept: list[float] = []
    hook._sleep = slept.append
    assert hook.call("getChannel")["channel"]["id"] == "ch-1"
    assert slept == [1.0]
    assert spent(emulator) == 1


def test_a_young_token_is_replaced_at_once_where_nothing_is_waited_for(emulator: EmulatorThread) -> None:
    hook = new_hook(call_attempts=1, max_wait_seconds=0)
    slept: list[float] = []
    hook._sleep = slept.append
    hook.call("getChannel")
    emulator.revoke_tokens()
    assert hook.call("getChannel")["channel"]["id"] == "ch-1"
    assert slept == []
    assert len(calls(emulator, "getChannel")) == 3


def test_token_that_was_revoked_is_replaced(emulator: EmulatorThread) -> None:
    hook = new_hook()
    hook.call("getChannel")
    emulator.revoke_tokens()
    assert hook.call("getChannel")["channel"]["id"] == "ch-1"


def test_wrong_secret_costs_one_request_and_names_the_connection(
    emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, emulator, password="bm90LXRoZS1zZWNyZXQtYQ==")
    for _ in range(5):
        with pytest.raises(ChannelAuthenticationError) as caught:
            new_hook().call("getChannel")
        assert "bm90" not in str(caught.value)
        assert "channel_talk_default" in str(caught.value)
    assert spent(emulator) == 1


def test_function_that_is_not_permitted(emulator: EmulatorThread) -> None:
    emulator.configure(
        apps=[{"app_id": "demo-app", "secret": SECRET, "permissions": ["getUser"], "channels": ["ch-1"]}]
    )
    with pytest.raises(ChannelPermissionError):
        new_hook().call("getChannel")
    assert spent(emulator) == 1


def test_what_is_not_there_is_a_plain_refusal(emulator: EmulatorThread) -> None:
    with pytest.raises(ChannelRequestError) as caught:
        new_hook().call("getUserChat", {"userChatId": "nowhere"})
    assert type(caught.value) is ChannelRequestError
    assert len(calls(emulator, "getUserChat")) == 1


@pytest.mark.parametrize("shape", ["body_epoch", "flat_rfc3339", "header", "retry_after"])
def test_rate_limit_of_any_shape_is_sat_out(emulator: EmulatorThread, shape: str) -> None:
    hook = new_hook()
    slept: list[float] = []
    hook._sleep = slept.append
    emulator.inject("rate_limit", method="getChannel", shape=shape, reset_after_seconds=20)
    assert hook.call("getChannel")["channel"]["id"] == "ch-1"
    assert len(slept) == 1
    assert 18 <= slept[0] <= 22


@pytest.mark.parametrize("shape", ["body_epoch", "flat_rfc3339", "header", "retry_after"])
def test_rate_limit_beyond_the_limit_is_raised_at_once(emulator: EmulatorThread, shape: str) -> None:
    emulator.inject("rate_limit", method="getChannel", shape=shape, reset_after_seconds=600)
    with pytest.raises(ChannelRateLimitError) as caught:
        new_hook().call("getChannel")
    assert caught.value.retry_at is not None
    wait = caught.value.retry_at - datetime.now(tz=timezone.utc)
    assert timedelta(seconds=590) < wait < timedelta(seconds=605)
    assert len(calls(emulator, "getChannel")) == 1


@pytest.mark.parametrize("shape", ["token_fetch_fail", "http_429", "http_429_retry_after", "envelope_429"])
def test_refused_token_request_is_a_quota_error_and_remembered(emulator: EmulatorThread, shape: str) -> None:
    emulator.inject("token_quota", count=5, shape=shape)
    for _ in range(3):
        with pytest.raises(ChannelTokenQuotaError) as caught:
            new_hook().call("getChannel")
        assert caught.value.retry_at is not None
        assert caught.value.retry_at > datetime.now(tz=timezone.utc)
    assert spent(emulator) == 1


# Testing a connection


def test_connection_test_issues_a_token_once_and_then_uses_it(emulator: EmulatorThread) -> None:
    ok, message = new_hook().test_connection()
    assert ok, message
    assert "accepted the App Secret: app demo-app on channel ch-1" in message
    ok, message = new_hook().test_connection()
    assert ok
    assert "already shared" in message
    assert "9 token requests left" in message
    assert spent(emulator) == 1


def test_connection_test_under_a_random_id_finds_the_same_token(
    emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_hook().call("getChannel")
    connect(monkeypatch, emulator, conn_id="ErxxPxXk")
    ok, _ = ChannelTalkHook("ErxxPxXk".lower()).test_connection()
    assert ok
    assert spent(emulator) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"password": "bm90LXRoZS1zZWNyZXQtYQ=="},
        {"extra": {"channel_id": "ch-99"}},
        {"port": 1},
        {"password": None},
    ],
)
def test_failed_connection_test_is_one_sentence_without_secret(
    emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    connect(monkeypatch, emulator, **changes)
    ok, message = new_hook().test_connection()
    assert not ok
    assert message
    for leak in ("Traceback", SECRET, "bm90"):
        assert leak not in message


# Secrets


def test_token_is_masked_at_birth(emulator: EmulatorThread) -> None:
    token = new_hook().get_access_token()
    assert redact(f"x-access-token {token}!") == "x-access-token ***!"


def test_no_message_of_an_error_holds_a_token(emulator: EmulatorThread) -> None:
    hook = new_hook(call_attempts=1)
    token = hook.get_access_token()
    for fault in ("unauthorized", "html", "truncated", "http_500"):
        emulator.clear_faults()
        emulator.inject(fault, count=9, method="getChannel")
        with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is
            hook.call("getChannel")
        assert token not in repr(caught.value)


def test_what_an_app_function_says_of_itself_costs_no_token(emulator: EmulatorThread) -> None:
    emulator.answer_app_function("shop", "orders", error={"code": 401, "type": "shop", "message": "log in"})
    with pytest.raises(ChannelRequestError, match="log in") as caught:
        new_hook().call_app_function("shop", "orders")
    assert (type(caught.value), caught.value.code) == (ChannelRequestError, 401)
    assert len(calls(emulator, "orders")) == spent(emulator) == 1


def test_app_function_with_a_revoked_token_is_sent_again_with_a_new_one(emulator: EmulatorThread) -> None:
    emulator.answer_app_function("shop", "orders", result={"total": 3})
    hook = new_hook(max_wait_seconds=0)
    hook.call("getChannel")
    emulator.revoke_tokens()
    assert hook.call_app_function("shop", "orders") == {"total": 3}
    assert spent(emulator) == 2


def test_app_function_through_the_store(emulator: EmulatorThread) -> None:
    emulator.answer_app_function("demo-app", "sum", result={"total": 3})
    assert new_hook().call_app_function("demo-app", "sum", {"a": 1, "b": 2}) == {"total": 3}
