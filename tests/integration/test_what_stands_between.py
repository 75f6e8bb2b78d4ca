"""A gateway that lets nobody through, before a service that works: what it says is not the service's word."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from airflow_channel_provider.emulator import EmulatorThread
from airflow_channel_provider.exceptions import ChannelNotSentError, ChannelResponseError
from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
from airflow_channel_provider.tokens.record import AppRecord

SECRET = "ZW11bGF0b3ItZGVtby1zZQ=="
PAGE = b"<html><title>Blocked</title>Ask your administrator.</html>"
STATUSES = [401, 403, 404]
Blocks = Callable[[str], "tuple[int, bytes] | None"]


class Gateway:
    """
    Passes requests on to a service, unless it blocks them.

    :ivar blocks: tells by the method of a call with which status and body it is blocked; None: it is passed on.
    """

    def __init__(self) -> None:
        self.blocks: Blocks = lambda method: None
        self.blocked: list[str] = []
        self.url = ""


@contextmanager
def gateway_to(service: str) -> Iterator[Gateway]:
    gateway = Gateway()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"]))
            method = json.loads(sent)["method"]
            block = gateway.blocks(method)
            if block is not None:
                gateway.blocked.append(method)
            status, body = block or self._pass_on(sent)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _pass_on(self, sent: bytes) -> tuple[int, bytes]:
            headers = {
                name: self.headers[name] for name in ("Content-Type", "x-access-token") if self.headers[name]
            }
            request = urllib.request.Request(service + self.path, data=sent, headers=headers, method="PUT")
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read()

        def log_message(self, *_: object) -> None:
            """Tests are quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        gateway.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield gateway
        server.shutdown()
        thread.join()


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[EmulatorThread]:
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", tmp_path.joinpath("store").as_uri())
    with EmulatorThread() as emulator:
        yield emulator


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch, emulator: EmulatorThread) -> Iterator[Gateway]:
    with gateway_to(emulator.url) as gateway:
        address = urlsplit(gateway.url)
        fields = {
            "conn_type": "channel_talk",
            "host": address.hostname,
            "port": address.port,
            "schema": "http",
            "login": "demo-app",
            "password": SECRET,
            "extra": {"channel_id": "ch-1", "timeout": 5},
        }
        monkeypatch.setenv("AIRFLOW_CONN_CHANNEL_TALK_DEFAULT", json.dumps(fields))
        yield gateway


def new_hook() -> ChannelTalkHook:
    hook = ChannelTalkHook(call_attempts=1)
    hook._sleep = lambda seconds: None
    return hook


def record_of(hook: ChannelTalkHook) -> AppRecord:
    return hook.manager.repository.snapshot().record


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("body", [PAGE, b"", b'{"message": "Forbidden"}'], ids=["page", "empty", "message"])
def test_a_blocked_token_request_is_no_refused_secret(
    emulator: EmulatorThread, gateway: Gateway, status: int, body: bytes
) -> None:
    gateway.blocks = lambda method: (status, body)
    hook = new_hook()
    with pytest.raises(ChannelNotSentError) as caught:
        hook.call("getChannel")
    assert type(caught.value.__cause__) is ChannelResponseError
    assert f"the service answered HTTP {status}" in str(caught.value)
    assert "may have answered instead" in str(caught.value)
    assert "Secret" not in str(caught.value)
    record = record_of(hook)
    assert [failure.error for failure in record.failures.values()] == [None]
    assert record.refused_secrets() == {}
    assert not emulator.token_requests()


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize(
    "body", [PAGE, b"RBAC: access denied", b'{"message": "Forbidden"}'], ids=["page", "text", "json"]
)
def test_a_blocked_call_costs_no_token(
    emulator: EmulatorThread, gateway: Gateway, status: int, body: bytes
) -> None:
    gateway.blocks = lambda method: (status, body) if method == "getChannel" else None
    hook = new_hook()
    token = hook.get_access_token()
    with pytest.raises(ChannelResponseError) as caught:
        hook.call("getChannel")
    assert caught.value.http_status == status
    assert "may have answered instead" in str(caught.value)
    assert gateway.blocked == ["getChannel"]
    gateway.blocks = lambda method: None
    assert hook.call("getChannel")["channel"]["id"] == "ch-1"
    assert hook.get_access_token() == token
    assert len(emulator.token_requests()) == 1


def test_a_blocked_write_had_no_effect_and_is_not_repeated(
    emulator: EmulatorThread, gateway: Gateway
) -> None:
    gateway.blocks = lambda method: (403, PAGE) if method == "createUserChat" else None
    with pytest.raises(ChannelResponseError):
        new_hook().call("createUserChat", {"userId": "user-ch-1-1"})
    assert gateway.blocked == ["createUserChat"]
    assert not [entry for entry in emulator.journal() if entry["method"] == "createUserChat"]


def test_a_token_lives_on_while_its_refresh_is_blocked(emulator: EmulatorThread, gateway: Gateway) -> None:
    hook = new_hook()
    token = hook.get_access_token()
    gateway.blocks = lambda method: (401, PAGE) if method in ("issueToken", "refreshToken") else None
    facts = record_of(hook).tokens["channel:ch-1"]
    with pytest.raises(ChannelNotSentError):
        hook.manager.get("ch-1", rejected=facts.fingerprint)
    assert gateway.blocked
    failures = record_of(hook).failures.values()
    assert [(failure.error, failure.refresh_refused) for failure in failures] == [(None, False)]
    assert token


def test_the_test_button_says_what_may_be_the_cause(gateway: Gateway) -> None:
    gateway.blocks = lambda method: (403, PAGE)
    succeeded, message = ChannelTalkHook().test_connection()
    assert not succeeded
    assert message == (
        f"The token request: the service answered HTTP 403 with {len(PAGE)} bytes that are not a valid answer; the "
        "service does not answer in this form, so a proxy, a gateway, a firewall or a login page may have answered "
        "instead; check these, and host, port and schema of the connection."
    )
