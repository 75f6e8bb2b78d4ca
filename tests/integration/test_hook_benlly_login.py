"""The Benlly hook with a login against the emulator: tokens that are bought once, shared, renewed and shown nowhere."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from support.fleet import together

from airflow_channel_provider.api.benlly_oauth import BenllyOAuthClient
from airflow_channel_provider.api.transport import Transport
from airflow_channel_provider.emulator import EmulatorProcess, EmulatorThread
from airflow_channel_provider.emulator.control import EmulatorControl
from airflow_channel_provider.exceptions import (
    ChannelAmbiguousResultError,
    ChannelAuthenticationError,
    ChannelError,
    ChannelNotSentError,
    ChannelRateLimitError,
    ChannelRequestError,
)
from airflow_channel_provider.hooks import _benlly_tokens
from airflow_channel_provider.hooks.benlly import BenllyHook
from airflow_channel_provider.tokens.seal import Sealer

CLIENT_SECRET, PASSWORD = "canary-client-secret", "canary-user-password"
BENLLY = {
    "clients": [{"id": 7, "secret": CLIENT_SECRET}],
    "users": [
        {"client_id": 7, "username": "mina", "password": PASSWORD},
        {"client_id": 7, "username": "ada", "password": PASSWORD},
    ],
    "channels": [{"id": 1, "auth_type": "push_notification"}, {"id": 2, "auth_type": "none"}],
}
DAY = 86_400
CLIENT: dict[str, Any] = {"client_id": 7, "client_secret": CLIENT_SECRET}
BY_NAME: dict[str, Any] = {**CLIENT, "username": "mina", "user_password": PASSWORD}


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[EmulatorThread]:
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", (tmp_path / "tokens").as_uri())
    with EmulatorThread(settings={"benlly": BENLLY}) as emulator:
        connect(monkeypatch, emulator)
        yield emulator


def connect(
    monkeypatch: pytest.MonkeyPatch, emulator: EmulatorControl, name: str = "benlly_default", **login: Any
) -> None:
    address = urlsplit(emulator.url)
    fields = {
        "conn_type": "benlly",
        "host": address.hostname,
        "port": address.port,
        "schema": "http",
        "extra": {"device": "android", "udid": f"udid-of-{name}", **(login or BY_NAME)},
    }
    monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(fields))


@pytest.fixture
def by_token(emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch) -> str:
    """The refresh token that the connection has instead of a user's name."""
    oauth = BenllyOAuthClient(Transport(emulator.url), client_id="7", client_secret=CLIENT_SECRET)
    refresh_token = oauth.log_in("mina", PASSWORD).refresh_token
    connect(monkeypatch, emulator, **CLIENT, refresh_token=refresh_token)
    return refresh_token


def new_hook(conn_id: str = "benlly_default", **kwargs: Any) -> BenllyHook:
    """A hook as a new process has it: it remembers nothing."""
    hook = BenllyHook(conn_id, **kwargs)
    hook._sleep = lambda seconds: None
    hook.manager.repository.store.local_cache.clear()
    return hook


def grants(emulator: EmulatorControl) -> list[str]:
    """The token requests that arrived."""
    return [
        entry["params"]["grant_type"] for entry in emulator.journal() if entry["path"] == "/api/oauth/token"
    ]


def authorized(emulator: EmulatorControl) -> list[tuple[int, str]]:
    return [(row["channel_id"], row["user"]) for row in emulator.authorizations()]


@pytest.mark.parametrize("body_encoding", ["form", "json"])
def test_a_channel_is_authorized_and_deauthorized_under_one_login(
    emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch, body_encoding: str
) -> None:
    connect(monkeypatch, emulator, **BY_NAME, body_encoding=body_encoding)
    assert new_hook().authorize_channel(1, token="push-service-token")["device_token"] == "push-service-token"
    assert authorized(emulator) == [(1, "7/mina")]
    assert new_hook().deauthorize_channel("1")["channel_id"] == 1
    assert authorized(emulator) == []
    assert grants(emulator) == ["password"]


def test_two_devices_of_one_user_share_a_token_and_two_users_do_not(
    emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, emulator, "benlly_tablet")
    connect(monkeypatch, emulator, "benlly_ada", **{**BY_NAME, "username": "ada"})
    for conn_id in ("benlly_default", "benlly_tablet", "benlly_ada"):
        new_hook(conn_id).authorize_channel(2)
    assert authorized(emulator) == [(2, "7/mina"), (2, "7/mina"), (2, "7/ada")]
    assert grants(emulator) == ["password", "password"]


def test_a_refused_token_is_renewed_on_the_way(emulator: EmulatorThread) -> None:
    new_hook().authorize_channel(2)
    assert emulator.revoke_tokens("user") == 1
    assert new_hook().deauthorize_channel(2)
    assert grants(emulator) == ["password", "refresh_token"]
    assert authorized(emulator) == []


def test_where_the_refresh_token_is_revoked_too_the_user_logs_in_again(emulator: EmulatorThread) -> None:
    new_hook().authorize_channel(2)
    emulator.revoke_tokens("user", refresh_tokens=True)
    new_hook().authorize_channel(2)
    assert grants(emulator) == ["password", "refresh_token", "password"]


def test_a_connections_refresh_token_is_shown_once_and_the_ones_that_follow_after_it(
    emulator: EmulatorThread, by_token: str
) -> None:
    before = grants(emulator)
    new_hook().authorize_channel(2)
    emulator.revoke_tokens("user")
    new_hook().authorize_channel(2)
    new_hook().authorize_channel(2)
    assert grants(emulator)[len(before) :] == ["refresh_token", "refresh_token"]
    assert authorized(emulator) == [(2, "7/mina")]


def test_a_lost_pair_makes_the_connections_refresh_token_stale_and_it_is_said_what_to_do(
    emulator: EmulatorThread, by_token: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    new_hook().authorize_channel(2)
    for path in (tmp_path / "tokens").glob("*.token"):
        path.unlink()
    with pytest.raises(ChannelAuthenticationError) as caught:
        new_hook().authorize_channel(2)
    for words in ("'benlly_default'", "is of no use", "extra refresh_token", "username and user_password"):
        assert words in str(caught.value)
    assert by_token not in str(caught.value)
    connect(monkeypatch, emulator)
    new_hook().authorize_channel(2)


def test_a_lost_pair_is_nothing_to_a_user_with_a_password(emulator: EmulatorThread, tmp_path: Path) -> None:
    new_hook().authorize_channel(2)
    for path in (tmp_path / "tokens").glob("*.token"):
        path.unlink()
    new_hook().authorize_channel(2)
    assert grants(emulator) == ["password", "password"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"user_password": "canary-wrong-word"}, "extra username and extra user_password"),
        ({"client_secret": "canary-wrong-word"}, "extra client_id and extra client_secret"),
    ],
)
def test_a_wrong_login_costs_one_request_and_a_corrected_one_is_tried_at_once(
    emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, str], words: str
) -> None:
    connect(monkeypatch, emulator, **{**BY_NAME, **wrong})
    for _ in range(10):
        with pytest.raises(ChannelAuthenticationError, match=words) as caught:
            new_hook().authorize_channel(2)
        assert "canary" not in f"{caught.value!r} {vars(caught.value)}"
    assert grants(emulator) == ["password"]
    connect(monkeypatch, emulator)
    new_hook().authorize_channel(2)
    assert grants(emulator) == ["password", "password"]


@pytest.mark.parametrize(
    ("fault", "options", "error"),
    [
        ("close_before", {}, ChannelNotSentError),
        ("http_500", {}, ChannelNotSentError),
        ("html", {}, ChannelNotSentError),
        ("empty", {}, ChannelNotSentError),
        ("truncated", {}, ChannelNotSentError),
        ("huge", {"megabytes": 40}, ChannelNotSentError),
    ],
)
def test_whatever_befalls_a_token_request_the_channel_is_left_alone(
    emulator: EmulatorThread, fault: str, options: dict[str, Any], error: type[ChannelError]
) -> None:
    emulator.inject(fault, method="oauth_token", **options)
    with pytest.raises(error, match="no token for scope user") as caught:
        new_hook(call_attempts=1).authorize_channel(2)
    assert PASSWORD not in str(caught.value)
    assert emulator.authorizations() == []
    assert len(grants(emulator)) == 1


def test_a_lost_answer_to_the_authorization_is_not_repeated(emulator: EmulatorThread) -> None:
    new_hook().get_access_token()
    emulator.inject("close_after", method="authorize")
    with pytest.raises(ChannelAmbiguousResultError):
        new_hook().authorize_channel(2)
    assert len(emulator.authorizations()) == 1


def test_a_rate_limit_of_the_token_endpoint_is_told_to_everyone(emulator: EmulatorThread) -> None:
    emulator.inject("rate_limit", method="oauth_token", shape="retry_after", reset_after_seconds=40)
    for _ in range(3):
        with pytest.raises(ChannelRateLimitError) as caught:
            new_hook().authorize_channel(2)
        assert caught.value.retry_after_seconds == pytest.approx(40, abs=5)
    assert len(grants(emulator)) == 1


def test_what_is_not_authorized_can_not_be_taken_back(emulator: EmulatorThread) -> None:
    with pytest.raises(ChannelRequestError, match="deauthorize channel 2") as caught:
        new_hook().deauthorize_channel(2)
    assert caught.value.http_status == 404


def test_the_connection_test_gets_a_token_and_says_whose(emulator: EmulatorThread) -> None:
    found = []
    for _ in range(2):
        ok, message = new_hook().test_connection()
        assert ok, message
        found.append(message)
    assert found[0].startswith(f"Benlly gave an access token: client 7 at {emulator.url}, ")
    assert "valid for another 365.0 days" in found[0]
    assert found[1].startswith("An access token that is already shared is live")
    assert (grants(emulator), emulator.authorizations()) == (["password"], [])


def test_the_connection_test_asks_in_spite_of_a_remembered_refusal(
    emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, emulator, **{**BY_NAME, "user_password": "canary-wrong-word"})
    for _ in range(2):
        ok, message = new_hook().test_connection()
        assert not ok
        assert "canary" not in message
    assert len(grants(emulator)) == 2


@pytest.mark.promise(name="secrets")
def test_nothing_secret_is_written_anywhere(emulator: EmulatorThread, tmp_path: Path) -> None:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.DEBUG)
    try:
        hook = new_hook()
        first = hook.get_access_token()
        emulator.revoke_tokens("user")
        hook.authorize_channel(2)
        second = hook.get_access_token()
        emulator.revoke_tokens("user", refresh_tokens=True)
        emulator.inject("unauthorized", method="oauth_token", count=2)
        with pytest.raises(ChannelAuthenticationError) as caught:
            hook.authorize_channel(2)
    finally:
        logging.getLogger().removeHandler(handler)
        logging.getLogger().setLevel(logging.WARNING)
    stored = b"".join(path.read_bytes() for path in (tmp_path / "tokens").iterdir())
    seen = f"{written.getvalue()} {caught.value!r} {vars(caught.value)} {hook!r} {hook.settings!r} {stored!r}"
    seen += json.dumps(emulator.journal())
    assert first != second
    for secret in (first, second, CLIENT_SECRET, PASSWORD):
        assert secret not in seen
    assert "Token request: refresh_token for scope user" in written.getvalue()
    assert b"mina" not in stored


@pytest.mark.promise(name="sealed")
def test_the_store_lets_nobody_try_passwords_quickly(emulator: EmulatorThread, tmp_path: Path) -> None:
    hook = new_hook()
    hook.get_access_token()
    emulator.revoke_tokens("user", refresh_tokens=True)
    emulator.inject("unauthorized", method="oauth_token", count=2)
    with pytest.raises(ChannelAuthenticationError):
        hook.authorize_channel(2)  # the refusal is remembered, beside a mark of the login
    files = {path.name: path.read_bytes() for path in (tmp_path / "tokens").iterdir()}

    def tells(secret: str) -> list[bool]:
        """What in the store shows somebody who has guessed right that he has."""
        sealer = Sealer(hook.manager.repository.app, secret)
        return [
            any(sealer.blob_name("user") in name for name in files),
            any(sealer.secret_mark.encode() in content for content in files.values()),
            any(sealer.open(content, "user") is not None for content in files.values()),
        ]

    assert hook.settings.login is not None
    assert tells(_benlly_tokens.secret_of(hook.settings.login)) == [True, True, True]
    # The very password and the client secret, without the slow derivation:
    for quick in (PASSWORD, CLIENT_SECRET + PASSWORD, json.dumps([CLIENT_SECRET, PASSWORD, None])):
        assert tells(quick) == [False, False, False]


def test_20_processes_with_a_cold_store_log_in_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", (tmp_path / "tokens").as_uri())
    monkeypatch.setattr("airflow_channel_provider.hooks._tokens.REFUSAL_PAUSES_SECONDS", ())
    with EmulatorProcess({"benlly": BENLLY, "latency_seconds": 0.15}) as emulator:
        connect(monkeypatch, emulator)
        outcome = together(20, lambda i: BenllyHook().authorize_channel(2)["udid"])
        assert outcome.errors() == []
        assert grants(emulator) == ["password"]
        emulator.revoke_tokens("user")
        outcome = together(20, lambda i: BenllyHook().authorize_channel(2)["udid"])
        assert outcome.errors() == []
        assert grants(emulator) == ["password", "refresh_token"]
