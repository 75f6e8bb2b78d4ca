"""The hook before and after its calls: its connection and the test of it, its tokens, its end."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseHook, redact
from unit.surface.conftest import SECRET

from airflow_channel_provider.exceptions import (
    ChannelAuthenticationError,
    ChannelConfigurationError,
    ChannelError,
    ChannelNotSentError,
)
from airflow_channel_provider.hooks.benlly import BenllyHook
from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
from airflow_channel_provider.hooks.open_api import ChannelTalkOpenApiHook
from airflow_channel_provider.retry_policy import Action, decide


@pytest.mark.parametrize(
    ("channel_id", "expected"), [(None, "access-channel:ch-1-0"), ("ch-5", "access-channel:ch-5-0")]
)
def test_access_token_of_a_channel(doors: Any, channel_id: str | None, expected: str) -> None:
    assert doors.hook().get_access_token(channel_id) == expected


def test_connection_test_with_a_live_token_spends_nothing(doors: Any) -> None:
    hook = doors.hook()
    doors.manager.stored = doors.manager.get("ch-1")
    doors.manager.gets.clear()
    ok, message = hook.test_connection()
    assert ok
    assert doors.manager.gets == []
    for word in [
        "already shared",
        "app app-1",
        "channel ch-1",
        "100 s old",
        "1700 s",
        "7 token requests left",
    ]:
        assert word in message


def test_connection_test_without_a_token_issues_one(doors: Any) -> None:
    ok, message = doors.hook().test_connection()
    assert ok
    assert "accepted the App Secret" in message
    assert [channel for channel, _, _ in doors.manager.gets] == ["ch-1"]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            ChannelAuthenticationError("no", method="issueToken", http_status=200, service_message="gone."),
            "refused the App Secret (HTTP 200: gone); copy the one",
        ),
        (ChannelNotSentError("No such host"), "No such host"),
        (ZeroDivisionError(SECRET), "failed with ZeroDivisionError"),
    ],
)
def test_failed_connection_test_says_what_to_fix_and_no_secret(
    doors: Any, error: Exception, expected: str
) -> None:
    doors.manager.error = error
    ok, message = doors.hook().test_connection()
    assert not ok
    assert expected in message
    assert SECRET not in message
    assert "Traceback" not in message


def test_connection_test_reports_an_invalid_connection(set_connection: Callable[..., None]) -> None:
    set_connection(conn_type="channel_talk", login="app-1")
    ok, message = ChannelTalkHook().test_connection()
    assert not ok
    assert message.startswith("This connection: the field password has no App Secret; ")


def test_connection_is_looked_up_once_and_not_before_it_is_needed(
    doors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[str] = []
    original = BaseHook.get_connection

    def counted(conn_id: str) -> Any:
        looked_up.append(conn_id)
        return original(conn_id)

    monkeypatch.setattr(ChannelTalkHook, "get_connection", staticmethod(counted))
    hook = doors.hook()
    assert looked_up == []
    hook.call("getChannel")
    hook.call("getChannel")
    assert looked_up == ["channel_talk_default"]


HOOKS = [ChannelTalkHook, ChannelTalkOpenApiHook, BenllyHook]


@pytest.mark.parametrize("kind", HOOKS)
def test_an_unknown_connection_is_named_and_may_be_asked_again(kind: type[Any]) -> None:
    with pytest.raises(
        ChannelError,
        match=rf"^Connection 'nowhere' \(argument {kind.conn_name_attr}\): .* create it, or correct",
    ) as caught:
        _ = kind("nowhere").settings
    assert (
        decide(caught.value).action is Action.DEFAULT
    )  # Airflow says the same of each connection during an outage


@pytest.mark.parametrize("conn_id", ["", None, "None"])
@pytest.mark.parametrize("kind", HOOKS)
def test_a_connection_without_an_id_fails_at_once(kind: type[Any], conn_id: Any) -> None:
    with pytest.raises(ChannelConfigurationError, match=f"^{kind.conn_name_attr} is empty"):
        _ = kind(conn_id).settings


@pytest.mark.parametrize("kind", HOOKS)
def test_a_variable_that_airflow_can_not_read_is_named_without_its_value(
    kind: type[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_BADJSON", '{"conn_type": "channel_talk", "password": "x-secret",}')
    with pytest.raises(
        ChannelError, match=r"AIRFLOW_CONN_BADJSON is set, but Airflow can't read it; .* JSON"
    ) as caught:
        _ = kind("badjson").settings
    assert "x-secret" not in str(caught.value)
    works, said = kind("badjson").test_connection()
    assert (works, "x-secret" in said) == (False, False)
    assert said.endswith("that an environment variable which holds it is valid JSON or a valid URI.")


@pytest.mark.promise(name="secrets")
def test_hook_pickles_without_secret_client_or_tokens(doors: Any) -> None:
    hook = doors.hook(call_attempts=3)
    hook.call("getChannel")
    pickled = pickle.dumps(hook)
    assert SECRET.encode() not in pickled
    assert b"access-" not in pickled
    copy = doors.fit(pickle.loads(pickled))
    copy.call("getChannel")
    assert copy._policy.attempts == 3


@pytest.mark.promise(name="secrets")
def test_secret_is_masked_once_the_connection_is_read(channel_talk: None) -> None:
    assert ChannelTalkHook().settings.app_id == "app-1"
    assert redact(f"sent {SECRET} away") == "sent *** away"


def test_closing_a_hook_that_never_opened_is_harmless(channel_talk: None) -> None:
    with ChannelTalkHook() as hook:
        assert hook.settings.base_url == "http://127.0.0.1:9"


def test_hook_opens_nothing_before_the_first_call(channel_talk: None) -> None:
    hook = ChannelTalkHook()
    assert set(hook.__dict__) & {"settings", "client", "manager", "_transport"} == set()


def test_timeout_of_the_connection_goes_before_the_option(
    set_connection: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[dict[str, Any]] = []
    monkeypatch.setattr(
        "airflow_channel_provider.api.transport.Transport",
        lambda url, **kwargs: made.append({"url": url, **kwargs}),
    )
    set_connection("a", conn_type="channel_talk", password="s3cret", extra={"timeout": 3})
    set_connection("b", conn_type="channel_talk", password="s3cret")
    for conn_id in ("a", "b"):
        assert ChannelTalkHook(conn_id)._transport is None
    assert [(m["read_timeout_seconds"], m["connect_timeout_seconds"]) for m in made] == [
        (3.0, 5.0),
        (30.0, 5.0),
    ]
