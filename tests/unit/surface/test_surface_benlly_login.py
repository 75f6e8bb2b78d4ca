"""The Benlly hook with a login: no store, no network, no sleeping."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import redact
from support.benlly_client import FakeBenllyClient
from unit.surface.conftest import FakeManager

from airflow_channel_provider.api.token_answer import TokenAnswer
from airflow_channel_provider.benlly_connection import BenllyLogin
from airflow_channel_provider.exceptions import (
    ChannelAmbiguousResultError,
    ChannelAuthenticationError,
    ChannelConfigurationError,
    ChannelNotSentError,
)
from airflow_channel_provider.hooks import _benlly_tokens
from airflow_channel_provider.hooks.benlly import BenllyHook

REFUSED = ChannelAuthenticationError("no", method="authorize channel 1", http_status=401)
LOGIN = {
    "client_id": "7",
    "client_secret": "secret-canary-of-a-client",
    "username": "mina",
    "user_password": "password-canary-of-a-user",
}


@pytest.fixture(autouse=True)
def benlly(set_connection: Callable[..., None]) -> None:
    set_connection(
        "benlly_default",
        conn_type="benlly",
        host="127.0.0.1",
        extra={"device": "web", "udid": "u-1", **LOGIN},
    )


@pytest.fixture
def manager() -> FakeManager:
    return FakeManager()


def hook_with(
    manager: FakeManager, client: FakeBenllyClient, **kwargs: Any
) -> tuple[BenllyHook, list[float]]:
    slept: list[float] = []
    hook = BenllyHook(**kwargs)
    hook.__dict__.update(manager=manager, client=client, _sleep=slept.append)
    return hook, slept


def test_the_shared_token_is_used(manager: FakeManager) -> None:
    client = FakeBenllyClient({"udid": "u"})
    hook, _ = hook_with(manager, client, max_wait_seconds=7)
    assert hook.authorize_channel(1) == {"udid": "u"}
    assert client.access_tokens == [hook.get_access_token()]
    assert manager.gets == [(None, None, 7), (None, None, 7)]


def test_a_refused_token_is_renewed_and_the_request_repeated_once(manager: FakeManager) -> None:
    client = FakeBenllyClient(REFUSED, {"udid": "u"})
    hook, slept = hook_with(manager, client)
    assert hook.authorize_channel(1) == {"udid": "u"}
    assert len(set(client.access_tokens)) == len(client.access_tokens) == 2
    assert [rejected is not None for _, rejected, _ in manager.gets] == [False, True]
    assert slept == []


def test_a_renewed_token_that_is_refused_as_well_is_reported_in_words_of_benlly(
    manager: FakeManager,
) -> None:
    hook, _ = hook_with(manager, FakeBenllyClient(REFUSED))
    with pytest.raises(
        ChannelAuthenticationError, match=r"'benlly_default'.*refused 2 times.*user may still"
    ) as caught:
        hook.authorize_channel(1)
    assert "permissions of the app" not in str(caught.value)


def test_a_lost_answer_is_not_repeated(manager: FakeManager) -> None:
    client = FakeBenllyClient(ChannelAmbiguousResultError("lost"))
    hook, _ = hook_with(manager, client)
    with pytest.raises(ChannelAmbiguousResultError):
        hook.authorize_channel(1)
    assert len(client.access_tokens) == 1


def test_without_a_token_nothing_is_sent_and_it_is_waited_for(manager: FakeManager) -> None:
    manager.error = ChannelNotSentError("none for now")
    client = FakeBenllyClient({})
    hook, slept = hook_with(manager, client, call_attempts=3)
    with pytest.raises(ChannelNotSentError, match="Connection 'benlly_default': none for now"):
        hook.authorize_channel(1)
    assert (client.access_tokens, len(slept)) == ([], 2)


def test_every_secret_of_the_login_is_masked_and_pickled_by_nobody() -> None:
    hook = BenllyHook()
    assert hook.settings.login is not None
    assert redact("secret-canary-of-a-client password-canary-of-a-user") == "*** ***"
    assert b"canary" not in pickle.dumps(hook)


def test_a_connection_with_an_access_token_of_its_own_has_no_manager(
    set_connection: Callable[..., None],
) -> None:
    set_connection(
        "benlly_default",
        conn_type="benlly",
        host="127.0.0.1",
        password="user-access-token",
        extra={"device": "web", "udid": "u-1"},
    )
    hook = BenllyHook()
    assert hook.get_access_token() == "user-access-token"
    with pytest.raises(ChannelConfigurationError, match="'benlly_default' has an access token"):
        _ = hook.manager


# ---------------------------------------------------------------------------------------------------- names and keys


ADA = BenllyLogin("7", "client-secret", "ada", "password-1")


def test_two_users_and_two_clients_share_nothing() -> None:
    others = [
        BenllyLogin("7", "client-secret", "mina", "password-1"),
        BenllyLogin("8", "client-secret", "ada", "password-1"),
        BenllyLogin("7", "client-secret", refresh_token="refresh-1"),
        BenllyLogin("7", "client-secret", refresh_token="refresh-2"),
    ]
    names = {_benlly_tokens.name_of(login) for login in (ADA, *others)}
    assert len(names) == 5
    assert not any("ada" in name.partition("/")[2] or "refresh" in name for name in names)


@pytest.mark.parametrize(
    "other",
    [
        BenllyLogin("7", "client-secret", "ada", "password-2"),
        BenllyLogin("7", "another-secret", "ada", "password-1"),
        BenllyLogin("7", "client-secret", refresh_token="password-1"),
    ],
)
def test_other_secrets_have_other_keys(other: BenllyLogin) -> None:
    assert _benlly_tokens.secret_of(other) != _benlly_tokens.secret_of(ADA)


def test_another_password_is_no_other_user() -> None:
    other = BenllyLogin("7", "client-secret", "ada", "password-2")
    assert _benlly_tokens.name_of(other) == _benlly_tokens.name_of(ADA)


@pytest.fixture
def derivations(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The slow derivations of this process, which remembers none of earlier ones."""
    done: list[dict[str, Any]] = []
    slow = hashlib.scrypt

    def counted(password: bytes, **work: Any) -> bytes:
        done.append({"password": password, **work})
        return slow(password, **work)

    monkeypatch.setattr(hashlib, "scrypt", counted)
    _benlly_tokens._slowed.cache_clear()
    return done


def test_a_password_is_worked_on_once_per_process_and_salted_with_its_user(
    derivations: list[dict[str, Any]],
) -> None:
    for _ in range(50):
        _benlly_tokens.secret_of(ADA)
    _benlly_tokens.secret_of(BenllyLogin("7", "client-secret", "mina", "password-1"))
    assert [work.pop("password") for work in derivations] == [b"password-1"] * 2
    assert len({work.pop("salt") for work in derivations}) == 2
    assert derivations == [{"dklen": 32, "n": 16384, "r": 8, "p": 1, "maxmem": 2**25}] * 2


@pytest.mark.promise(name="sealed")
def test_nothing_but_the_slow_derivation_stands_for_a_password() -> None:
    secret = _benlly_tokens.secret_of(ADA)
    assert json.loads(secret)[::2] == ["client-secret", None]
    assert "password-1" not in secret


def test_hooks_of_one_process_share_the_work(derivations: list[dict[str, Any]]) -> None:
    marks = {BenllyHook().manager.repository.secret_mark for _ in range(5)}
    assert (len(marks), len(derivations)) == (1, 1)


def test_who_has_no_password_has_no_work_and_finds_the_tokens_of_before(
    derivations: list[dict[str, Any]],
) -> None:
    login = BenllyLogin("7", "client-secret", refresh_token="refresh-1")
    assert _benlly_tokens.secret_of(login) == '["client-secret", null, "refresh-1"]'
    assert derivations == []


def test_any_text_may_be_a_password() -> None:
    strange = BenllyLogin("7", "s", "\ud800", "\ud800 \x00 비밀번호")
    assert _benlly_tokens.secret_of(strange).isascii()
    assert _benlly_tokens.name_of(strange).startswith("7/")


class FakeOAuth:
    def __init__(self) -> None:
        self.asked: list[Any] = []

    def log_in(self, username: str, password: str) -> TokenAnswer:
        self.asked.append((username, password))
        return TokenAnswer("access", "", 60.0)

    def refresh(self, refresh_token: str, *, remedy: str = "") -> TokenAnswer:
        self.asked.append((refresh_token, remedy.partition(",")[0]))
        return TokenAnswer("access", "refresh-2", 60.0)


@pytest.mark.parametrize(
    ("login", "asked"),
    [
        (ADA, ("ada", "password-1")),
        (
            BenllyLogin("7", "s", refresh_token="refresh-1"),
            ("refresh-1", "The refresh token of the connection is of no use: it has ended"),
        ),
    ],
)
def test_first_the_credentials_of_the_connection_are_shown(login: BenllyLogin, asked: Any) -> None:
    oauth = FakeOAuth()
    exchange = _benlly_tokens.LoginExchange(oauth, login)  # type: ignore[arg-type]
    exchange.issue(None)
    exchange.refresh("")  # the service gave none
    assert oauth.asked == [asked, asked]
    exchange.refresh("refresh-9")
    assert oauth.asked[2][0] == "refresh-9"
