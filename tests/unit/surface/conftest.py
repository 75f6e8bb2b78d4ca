"""A hook with everything behind it replaced: connection from the environment, no store, no network, no sleeping."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, BaseHook, BaseSensorOperator
from support.fresh_process import FreshProcess
from support.records import app_record, now_of, write

from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
from airflow_channel_provider.tokens.budget import Quota
from airflow_channel_provider.tokens.overview import AppStatus
from airflow_channel_provider.tokens.stores.file import FileStore
from airflow_channel_provider.tokens.types import Token, scope_of

SECRET = "c2VjcmV0LW9mLXRoZS1hcHA=="


class FakeManager:
    """Hands out numbered tokens; every request for one is noted."""

    def __init__(self) -> None:
        self.gets: list[tuple[str | None, str | None, float]] = []
        self.age = 100.0
        self.error: Exception | None = None
        self.stored: Token | None = None
        self.repository = SimpleNamespace(quota=Quota())

    def get(
        self,
        channel_id: str | None = None,
        *,
        rejected: str | None = None,
        wait_seconds: float = 60.0,
        ask_again: bool = False,
    ) -> Token:
        self.gets.append((channel_id, rejected, wait_seconds))
        if self.error is not None:
            raise self.error
        renewals = sum(1 for _, earlier, _ in self.gets if earlier)
        return Token(
            f"access-{scope_of(channel_id)}-{renewals}", "refresh", 0.0, 1800.0, scope_of(channel_id)
        )

    def peek(self, channel_id: str | None = None) -> Token | None:
        return self.stored

    def age_seconds(self, token: Token) -> float:
        return self.age

    def remaining_seconds(self, token: Token) -> float:
        return 1800.0 - self.age

    def status(self) -> AppStatus:
        return AppStatus(charges_used=3, charges_left=7, limit=10, blocked_until=None, scopes=())


class FakeClient:
    """Answers from a script: an exception is raised, anything else returned; the last answer repeats."""

    def __init__(self) -> None:
        self.script: list[Any] = [None]
        self.calls: list[tuple[str, Any, str | None]] = []
        self.contexts: list[Any] = []
        self.versions: list[str | None] = []

    def call_native(self, method: str, params: Any, *, access_token: str | None) -> Any:
        self.calls.append((method, params, access_token))
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def call_app_function(
        self,
        app_id: str,
        method: str,
        params: Any,
        *,
        access_token: str,
        context: Any = None,
        system_version: str | None = None,
    ) -> Any:
        self.contexts.append(context)
        self.versions.append(system_version)
        return self.call_native(f"{app_id}/{method}", params, access_token=access_token)


class Doors:
    """What a test looks at behind a hook."""

    def __init__(self) -> None:
        self.manager = FakeManager()
        self.client = FakeClient()
        self.slept: list[float] = []

    def fit(self, hook: Any) -> Any:
        hook.__dict__.update(manager=self.manager, client=self.client, _sleep=self.slept.append)
        return hook

    def hook(self, **kwargs: Any) -> ChannelTalkHook:
        fitted: ChannelTalkHook = self.fit(ChannelTalkHook(**kwargs))
        return fitted


@pytest.fixture
def set_connection(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def set_it(conn_id: str = "channel_talk_default", **fields: Any) -> None:
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))
        if isinstance(fields.get("extra"), str):
            try:
                BaseHook.get_connection(conn_id)
            except AirflowException:
                pytest.skip("Airflow 3.0 and 3.1 hand over no connection whose extra is no JSON object.")

    return set_it


@pytest.fixture
def channel_talk(set_connection: Callable[..., None]) -> None:
    set_connection(
        conn_type="channel_talk",
        host="127.0.0.1",
        schema="http",
        port=9,
        login="app-1",
        password=SECRET,
        extra={"channel_id": "ch-1"},
    )


@pytest.fixture
def doors(channel_talk: None, monkeypatch: pytest.MonkeyPatch) -> Doors:
    doors = Doors()
    # close() drops what is open; the fakes stay.
    monkeypatch.setattr(ChannelTalkHook, "close", lambda self: None)
    return doors


@pytest.fixture
def no_sleep(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long sensors have slept, who do not."""
    slept: list[float] = []
    monkeypatch.setattr(f"{BaseSensorOperator.__module__}.time.sleep", slept.append)
    return slept


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FileStore:
    """The configured store, with one app in it."""
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", tmp_path.as_uri())
    store = FileStore(tmp_path)
    write(store, "busy", app_record(now_of(store), "shop", ages=[300, 1500], spent=3, requests=50))
    return store


@pytest.fixture(scope="session")
def fresh_process() -> Iterator[FreshProcess]:
    """Runs scripts, each in a process that has imported Airflow and nothing of this package."""
    with FreshProcess() as process:
        yield process
