"""What a request meets before it is sent: nobody there, no connection in time, no TLS."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack

import pytest
from support.peers import answering, serving
from support.transport_calls import OK, TOKEN, failure, reset

from airflow_channel_provider.api.transport import Transport
from airflow_channel_provider.api.wire import NotConnected
from airflow_channel_provider.exceptions import (
    ChannelConfigurationError,
    ChannelNotSentError,
)

pytestmark = pytest.mark.usefixtures("no_proxies")


def test_a_refused_port_is_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = failure(Transport(f"http://127.0.0.1:{port}"))
    assert type(error) is ChannelNotSentError
    assert type(error.__cause__) is NotConnected
    assert str(error) == (
        f"getChannel was not sent: 127.0.0.1:{port} refused the connection. "
        "Check host and port of the connection, and that the service runs."
    )


def test_an_unknown_name_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    error = failure(Transport("https://nowhere.invalid"))
    assert type(error) is ChannelNotSentError
    assert "the name of nowhere.invalid is unknown" in str(error)


def test_a_full_backlog_is_not_sent() -> None:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(address)
        error = failure(Transport(f"http://127.0.0.1:{address[1]}", connect_timeout_seconds=0.2))
    assert type(error) is ChannelNotSentError
    assert "did not accept the connection in time" in str(error)


def test_a_deadline_that_ends_while_connecting_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 100.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock, 999.0))
    with serving(answering(OK)) as server:
        error = failure(Transport(server.url), total=1)
    assert type(error) is ChannelNotSentError
    assert "its time limit passed" in str(error)
    assert server.received == []


def test_tls_against_a_plain_port_is_not_sent() -> None:
    def plain(peer: socket.socket) -> None:
        peer.recv(100)
        peer.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    with serving(plain) as server:
        error = failure(Transport(f"https://127.0.0.1:{server.port}"))
    assert type(error) is ChannelNotSentError
    assert f"TLS with 127.0.0.1:{server.port} failed. Check that schema and port" in str(error)


def test_a_connection_closed_during_the_handshake_is_not_sent() -> None:
    def greet_and_reset(peer: socket.socket) -> None:
        peer.recv(100)
        reset(peer)

    with serving(greet_and_reset) as server:
        error = failure(Transport(f"https://127.0.0.1:{server.port}"))
    assert type(error) is ChannelNotSentError


def test_a_silent_handshake_is_not_sent() -> None:
    def silent(peer: socket.socket) -> None:
        while peer.recv(1000):
            pass

    with serving(silent) as server:
        error = failure(Transport(f"https://127.0.0.1:{server.port}", connect_timeout_seconds=0.2))
    assert type(error) is ChannelNotSentError
    assert "in time" in str(error)


@pytest.mark.promise(name="one-host")
def test_a_header_that_no_wire_can_carry_is_refused_without_quoting_it() -> None:
    with pytest.raises(ChannelConfigurationError) as caught:
        Transport("http://127.0.0.1:9").send(
            "PUT", "/", body=None, headers={"x-access-token": f"{TOKEN}\r\nEvil: 1"}, operation="getChannel"
        )
    assert "x-access-token" in str(caught.value)
    assert TOKEN not in str(caught.value)
