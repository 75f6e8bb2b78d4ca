"""
The ways on which a task or a test fails, each with secrets on the way that begin with a canary.

As a script it takes them all, logs each error with its traceback as Airflow's own logging does it, and prints what came
of each.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from airflow_channel_provider.emulator import DEMO_SECRET, EmulatorThread
from airflow_channel_provider.emulator.control import EmulatorControl

CANARY = "canary"
USER_PASSWORD, CLIENT_SECRET, PUSH_TOKEN = "canary-user-password", "canary-client-secret", "canary-push-token"
STORE_PASSWORD = "canary-store-password"
SECRETS = (CANARY, DEMO_SECRET)
BENLLY = {
    "clients": [{"id": 7, "secret": CLIENT_SECRET}],
    "users": [{"client_id": 7, "username": "mina", "password": USER_PASSWORD}],
    "channels": [{"id": 1, "auth_type": "push_notification"}],
}
EMULATOR: dict[str, Any] = {"benlly": BENLLY, "token_prefix": f"{CANARY}-"}
MESSAGE = {"userChatId": "chat-ch-1-1", "dto": {"plainText": "hello", "botName": "bot"}}
LOGIN = {"client_id": 7, "client_secret": CLIENT_SECRET, "username": "mina", "user_password": USER_PASSWORD}


def environment(url: str, store: str) -> dict[str, str]:
    """Return the connections and options that the ways need."""
    address = urlsplit(url)
    service = {"host": address.hostname, "port": address.port, "schema": "http"}
    talk = {"conn_type": "channel_talk", **service, "login": "demo-app", "password": DEMO_SECRET}
    benlly = {"conn_type": "benlly", **service}
    device = {"device": "web", "udid": "u-1"}
    closed = {"host": "127.0.0.1", "port": 1, "login": "tokens", "password": STORE_PASSWORD}
    connections = {
        "channel_talk_default": {**talk, "extra": {"channel_id": "ch-1", "timeout": 5}},
        "misread": {**talk, "extra": {"timeout": "soon"}},
        "nobody": {**talk, "port": 1, "extra": {"channel_id": "ch-1"}},
        "benlly_default": {**benlly, "extra": {**device, **LOGIN}},
        "benlly_token": {**benlly, "password": f"{CANARY}-user-token", "extra": device},
        "benlly_misread": {**benlly, "extra": {**device, **LOGIN, "refresh_token": f"{CANARY}-refresh"}},
        "closed": {"conn_type": "postgres", "schema": "tokens", **closed},
    }
    named = {f"AIRFLOW_CONN_{name.upper()}": json.dumps(fields) for name, fields in connections.items()}
    return {**named, "AIRFLOW__CHANNEL_TALK__STORE": store}


def _call(conn_id: str = "channel_talk_default", **kwargs: Any) -> None:
    from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook

    hook = ChannelTalkHook(conn_id, call_attempts=2, max_wait_seconds=0)
    hook._sleep = lambda seconds: None
    hook.call("writeUserChatMessage", MESSAGE, **kwargs)


def _benlly(conn_id: str = "benlly_default", channel_id: str = "1") -> None:
    from airflow_channel_provider.hooks.benlly import BenllyHook

    hook = BenllyHook(conn_id, call_attempts=2, max_wait_seconds=0)
    hook._sleep = lambda seconds: None
    hook.authorize_channel(channel_id, token=PUSH_TOKEN)


def token_refused(service: EmulatorControl) -> None:
    service.inject("unauthorized", method="issueToken", count=9)
    _call()


def token_answer_lost(service: EmulatorControl) -> None:
    service.inject("close_after", method="issueToken", count=9)
    _call()


def token_answer_broken(service: EmulatorControl) -> None:
    service.inject("truncated", method="issueToken", count=9)
    _call()


def call_refused(service: EmulatorControl) -> None:
    service.inject("unauthorized", method="writeUserChatMessage", count=9)
    _call()


def call_answer_lost(service: EmulatorControl) -> None:
    service.inject("close_after", method="writeUserChatMessage", count=9)
    _call()


def call_answer_broken(service: EmulatorControl) -> None:
    service.inject("html", method="writeUserChatMessage", count=9)
    _call()


def call_not_sent(service: EmulatorControl) -> None:
    _call("nobody")


def connection_misread(service: EmulatorControl) -> None:
    _call("misread")


def store_down(service: EmulatorControl) -> None:
    _call()


def bulk_refused(service: EmulatorControl) -> None:
    from support.bulk_runs import campaign, context

    service.inject("unauthorized", method="writeUserChatMessage", count=99)
    campaign(items=[{"n": n, "chat": "chat-ch-1-1"} for n in range(3)], retry_policy=None).execute(
        context(None)
    )


def login_refused(service: EmulatorControl) -> None:
    service.inject("unauthorized", method="oauth_token", count=9)
    _benlly()


def login_lost(service: EmulatorControl) -> None:
    service.inject("close_after", method="oauth_token", count=9)
    _benlly()


def login_misread(service: EmulatorControl) -> None:
    _benlly("benlly_misread")


def authorization_refused(service: EmulatorControl) -> None:
    service.inject("unauthorized", method="authorize", count=9)
    _benlly("benlly_token")


def authorization_of_nothing(service: EmulatorControl) -> None:
    _benlly(channel_id="none")


def test_button(service: EmulatorControl) -> None:
    """Meet what nobody has foreseen while a connection is tested, which only the log tells of."""
    from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook

    hook = ChannelTalkHook()
    hook._log = cast("Any", logging.getLogger("airflow.task.hooks"))

    def strange(secret: str, channel_id: str | None) -> None:
        raise ZeroDivisionError(f"nobody has foreseen this on {channel_id}")

    hook.client.issue_token = strange  # type: ignore[method-assign, assignment]
    hook.manager.context.exchange._client = hook.client  # type: ignore[attr-defined]
    works, said = hook.test_connection()
    raise AssertionError(f"{works}: {said}")


PATHS: dict[str, Callable[[EmulatorControl], None]] = {
    way.__name__: way
    for way in (
        token_refused,
        token_answer_lost,
        token_answer_broken,
        call_refused,
        call_answer_lost,
        call_answer_broken,
        call_not_sent,
        connection_misread,
        store_down,
        bulk_refused,
        login_refused,
        login_lost,
        login_misread,
        authorization_refused,
        authorization_of_nothing,
        test_button,
    )
}


def store_of(name: str, folder: Path) -> str:
    """Return the store for a way."""
    return "sql://closed" if name == "store_down" else folder.joinpath("store").as_uri()


def main(names: list[str]) -> None:
    """Go some of the ways, in a process whose logging is that of Airflow's servers and commands."""
    from airflow.logging_config import configure_logging

    from airflow_channel_provider.hooks import _tokens

    _tokens.REFUSAL_PAUSES_SECONDS = ()  # type: ignore[assignment]
    configure_logging()  # type: ignore[no-untyped-call]
    for name in names:
        with tempfile.TemporaryDirectory() as folder, EmulatorThread(settings=EMULATOR) as service:
            os.environ.update(environment(service.url, store_of(name, Path(folder))))
            try:
                PATHS[name](service)
            except Exception as error:
                logging.getLogger("airflow.task").exception("The way %s", name)
                print(f"\nWAY {name}: {type(error).__name__}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
