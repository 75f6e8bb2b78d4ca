"""A request that was sent and has no usable answer: it may have taken effect."""

from __future__ import annotations

import socket
import time

import pytest
from support.peers import Handler, answering, read_request, serving
from support.transport_calls import OK, failure, reset, send

from airflow_channel_provider.api.transport import Transport
from airflow_channel_provider.exceptions import (
    ChannelAmbiguousResultError,
)

pytestmark = pytest.mark.usefixtures("no_proxies")


def close_at_once(peer: socket.socket) -> None:
    peer.shutdown(socket.SHUT_RDWR)


def read_and_close(peer: socket.socket) -> None:
    read_request(peer)


def read_and_reset(peer: socket.socket) -> None:
    read_request(peer)
    reset(peer)


def reset_in_the_middle(peer: socket.socket) -> None:
    read_request(peer)
    peer.sendall(OK[:-5])
    time.sleep(0.05)
    reset(peer)


def no_http(peer: socket.socket) -> None:
    read_request(peer)
    peer.sendall(b"220 mail ready\r\n\r\n")


def silent(peer: socket.socket) -> None:
    read_request(peer)
    while peer.recv(1000):
        pass


def silent_in_the_middle(peer: socket.socket) -> None:
    read_request(peer)
    peer.sendall(OK[:-5])
    while peer.recv(1000):
        pass


AMBIGUOUS: list[tuple[Handler, str]] = [
    (close_at_once, ""),
    (read_and_close, "closed the connection without an answer"),
    (read_and_reset, "Connection reset by peer"),
    (answering(OK[:-5], close=True), "was incomplete"),
    (
        answering(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"re', close=True),
        "was incomplete",
    ),
    (answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", close=True), "was incomplete"),
    (reset_in_the_middle, "Connection reset by peer"),
    (no_http, "is not valid HTTP"),
    (silent, "did not answer within 0.3 seconds"),
    (silent_in_the_middle, "did not answer within 0.3 seconds"),
]


@pytest.mark.parametrize(("handler", "words"), AMBIGUOUS)
def test_a_lost_answer_is_ambiguous(handler: Handler, words: str) -> None:
    with serving(handler) as server:
        error = failure(Transport(server.url, read_timeout_seconds=0.3))
        assert server.connections == 1
    assert type(error) is ChannelAmbiguousResultError
    assert words in str(error)
    assert str(error).startswith("getChannel was sent, but ")
    assert str(error).endswith(" It may have taken effect.")


def test_a_broken_pipe_while_writing_is_ambiguous() -> None:
    def hang_up(peer: socket.socket) -> None:
        peer.recv(1000)
        reset(peer)

    with serving(hang_up) as server, Transport(server.url) as door:
        with pytest.raises(ChannelAmbiguousResultError):
            send(door, body=b"x" * 20_000_000)
        assert server.connections == 1


SECONDS_TO_DRIP = 0.3 * len(OK)


def drip(peer: socket.socket) -> None:
    read_request(peer)
    for byte in OK:
        peer.sendall(bytes([byte]))
        time.sleep(0.3)


@pytest.mark.promise(name="limits")
@pytest.mark.parametrize("handler", [drip, silent, silent_in_the_middle])
def test_the_deadline_holds_whatever_the_server_does(handler: Handler) -> None:
    with serving(handler) as server:
        started = time.monotonic()
        error = failure(Transport(server.url), total=0.4)
        took = time.monotonic() - started
    assert type(error) is ChannelAmbiguousResultError
    assert "within the time limit of the request" in str(error)
    assert 0.3 < took < SECONDS_TO_DRIP


def test_an_answer_within_the_deadline_is_whole_and_the_connection_kept() -> None:
    with serving(answering(OK)) as server, Transport(server.url) as door:
        assert [send(door, total=5).body for _ in range(3)] == [b'{"result": 7}'] * 3
        assert server.connections == 1


def test_an_answer_that_ends_with_the_connection_is_whole_within_the_deadline() -> None:
    answer = b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"result": 7}'
    with serving(answering(answer, close=True)) as server, Transport(server.url) as door:
        assert [send(door, total=5).body for _ in range(2)] == [b'{"result": 7}'] * 2
