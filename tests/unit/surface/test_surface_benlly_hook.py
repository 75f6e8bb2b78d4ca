from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import redact
from support.benlly_client import FakeBenllyClient

from airflow_channel_provider.exceptions import (
    ChannelAmbiguousResultError,
    ChannelAuthenticationError,
    ChannelConfigurationError,
    ChannelNotSentError,
    ChannelRateLimitError,
    ChannelResponseError,
)
from airflow_channel_provider.hooks.benlly import BenllyHook

USER_TOKEN = "token-123-of-a-user"
DATA = {"udid": "u-1", "expired": False, "device_token": "device-token-987"}


@pytest.fixture(autouse=True)
def benlly(set_connection: Callable[..., None]) -> None:
    set_connection(
        "benlly_default",
        conn_type="benlly",
        host="127.0.0.1",
        password=USER_TOKEN,
        extra={"device": "web", "udid": "u-1"},
    )


def hook_with(client: FakeBenllyClient, **kwargs: Any) -> tuple[BenllyHook, list[float]]:
    slept: list[float] = []
    hook = BenllyHook(**kwargs)
    hook.__dict__.update(client=client, _sleep=slept.append)
    return hook, slept


@pytest.mark.parametrize(("channel_id", "sent"), [(1, 1), ("12", 12), (" 3 ", 3)])
def test_authorize_sends_a_whole_number_and_returns_the_data(channel_id: Any, sent: int) -> None:
    client = FakeBenllyClient(DATA)
    hook, _ = hook_with(client)
    assert hook.authorize_channel(channel_id, token="") == DATA
    assert hook.deauthorize_channel(channel_id) == DATA
    assert client.calls == [(sent, None), (-sent, None)]
    assert client.access_tokens == [USER_TOKEN, USER_TOKEN]


@pytest.mark.parametrize("channel_id", ["one", "", "1.5", 1.0, None, True, "-1", "0", "\u0661", "1" * 5000])
def test_channel_id_that_is_no_whole_number_is_refused(channel_id: Any) -> None:
    client = FakeBenllyClient(DATA)
    hook, _ = hook_with(client)
    with pytest.raises(ChannelConfigurationError, match="whole number"):
        hook.authorize_channel(channel_id)
    with pytest.raises(ChannelConfigurationError, match="whole number"):
        hook.deauthorize_channel(channel_id)
    assert client.calls == []


def test_only_a_request_that_did_not_leave_is_repeated() -> None:
    client = FakeBenllyClient(ChannelNotSentError("no route"), ChannelNotSentError("no route"), DATA)
    hook, slept = hook_with(client)
    assert hook.authorize_channel(1) == DATA
    assert len(client.calls) == 3
    assert len(slept) == 2


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (ChannelAmbiguousResultError("timeout"), ChannelAmbiguousResultError),
        (ChannelResponseError("html", http_status=200), ChannelAmbiguousResultError),
        (ChannelRateLimitError("slow", retry_after_seconds=1.0), ChannelRateLimitError),
        (ChannelAuthenticationError("no", http_status=401), ChannelAuthenticationError),
    ],
)
def test_everything_else_is_raised_after_one_request(error: Exception, raised: type[Exception]) -> None:
    client = FakeBenllyClient(error, DATA)
    hook, slept = hook_with(client)
    with pytest.raises(raised):
        hook.authorize_channel(1)
    assert len(client.calls) == 1
    assert slept == []


def test_all_three_tokens_are_masked() -> None:
    hook, _ = hook_with(FakeBenllyClient(DATA))
    assert hook.settings.device == "web"
    hook.authorize_channel(1, token="push-token-456")
    assert redact(f"{USER_TOKEN} push-token-456 device-token-987") == "*** *** ***"


def test_token_that_no_header_can_carry_is_refused_with_the_connection_id(
    set_connection: Callable[..., None],
) -> None:
    set_connection(
        "benlly_default",
        conn_type="benlly",
        host="h.example",
        password="two words",
        extra={"device": "web", "udid": "u"},
    )
    with pytest.raises(ChannelConfigurationError, match="Connection 'benlly_default'") as caught:
        BenllyHook().authorize_channel(1)
    assert "two words" not in str(caught.value)


def test_hook_pickles_without_its_token() -> None:
    hook, _ = hook_with(FakeBenllyClient(DATA), call_attempts=2)
    hook.authorize_channel(1)
    pickled = pickle.dumps(hook)
    assert USER_TOKEN.encode() not in pickled
    assert pickle.loads(pickled).benlly_conn_id == "benlly_default"
