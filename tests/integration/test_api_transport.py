"""Answers that are read and refused, and connections that are kept, replaced and shared."""

from __future__ import annotations

import gzip
import os
import socket
import threading
from pathlib import Path

import pytest
from support.peers import Handler, answering, read_request, serving
from support.transport_calls import OK, TOKEN, failure, send

from airflow_channel_provider.api.client import ChannelTalkClient
from airflow_channel_provider.api.transport import Transport
from airflow_channel_provider.exceptions import (
    ChannelAmbiguousResultError,
    ChannelResponseError,
)

pytestmark = pytest.mark.usefixtures("no_proxies")


def with_head(head: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + body


@pytest.mark.parametrize(
    "answer",
    [
        OK,
        with_head(b"Transfer-Encoding: chunked", b'd\r\n{"result": 7}\r\n0\r\n\r\n'),
        with_head(
            b"Content-Encoding: gzip\r\nContent-Length: "
            + str(len(gzip.compress(b'{"result": 7}', mtime=0))).encode(),
            gzip.compress(b'{"result": 7}', mtime=0),
        ),
    ],
)
def test_an_answer_of_any_framing_is_read_and_the_connection_kept(answer: bytes) -> None:
    with serving(answering(answer)) as server, Transport(server.url) as door:
        responses = [send(door) for _ in range(3)]
        assert server.connections == 1
    assert {(response.status, response.body) for response in responses} == {(200, b'{"result": 7}')}
    assert "result" not in repr(responses[0])


def test_headers_of_an_answer_have_any_case() -> None:
    answer = with_head(b"X-Rate-Limit-Reset: 5\r\nContent-Length: 0", b"")
    with serving(answering(answer)) as server, Transport(server.url) as door:
        assert send(door).headers["x-rate-limit-RESET"] == "5"


def test_a_service_is_called_by_its_normal_name() -> None:
    seen: list[bytes] = []

    def handler(peer: socket.socket) -> None:
        seen.append(read_request(peer))
        peer.sendall(OK)

    with serving(handler) as server, Transport(f"http://LocalHost.:{server.port}") as door:
        send(door)
        assert f"\r\nHost: localhost:{server.port}\r\n".encode() in seen[0]


def test_what_is_sent() -> None:
    seen: list[bytes] = []

    def handler(peer: socket.socket) -> None:
        seen.append(read_request(peer))
        peer.sendall(OK)

    with serving(handler) as server, Transport(server.url) as door:
        ChannelTalkClient(door).call_native("getChannel", {"channelId": "1"}, access_token=TOKEN)
    head, _, body = seen[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"PUT /general/v1/native/functions HTTP/1.1"
    assert body == b'{"method":"getChannel","params":{"channelId":"1"}}'
    names = sorted(line.split(b":")[0].lower() for line in lines[1:])
    assert names == [
        b"accept",
        b"accept-encoding",
        b"content-length",
        b"content-type",
        b"host",
        b"user-agent",
        b"x-access-token",
    ]


@pytest.mark.promise(name="one-host")
def test_cookies_and_netrc_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password something\n")
    monkeypatch.setenv("NETRC", str(netrc))
    seen: list[bytes] = []

    def handler(peer: socket.socket) -> None:
        while True:
            seen.append(read_request(peer).lower())
            peer.sendall(with_head(b"Set-Cookie: a=b\r\nContent-Length: 0", b""))

    with serving(handler) as server, Transport(server.url) as door:
        for _ in range(2):
            door.send("POST", "/", body=None, headers={"Authorization": "Bearer mine"}, operation="x")
    assert len(seen) == 2
    assert all(b"authorization: bearer mine\r\n" in request for request in seen)
    assert all(b"cookie" not in request for request in seen)


@pytest.mark.promise(name="one-host")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused_and_the_other_host_sees_nothing(status: int) -> None:
    with serving(answering(OK)) as other:
        moved = f"HTTP/1.1 {status} Moved\r\nLocation: {other.url}/x\r\nContent-Length: 0\r\n\r\n".encode()
        with (
            serving(answering(moved)) as server,
            Transport(server.url) as door,
            pytest.raises(ChannelResponseError, match="Correct host and schema of the connection") as caught,
        ):
            ChannelTalkClient(door).call_native("getChannel", {}, access_token=TOKEN)
        assert other.connections == 0
    assert caught.value.http_status == status


def test_a_redirect_to_nonsense_is_just_refused() -> None:
    moved = b"HTTP/1.1 302 Moved\r\nLocation: http://[::1:99999/\r\nContent-Length: 0\r\n\r\n"
    with serving(answering(moved)) as server, Transport(server.url) as door:
        assert send(door).status == 302


def test_busy_answers_are_not_retried() -> None:
    busy = b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"
    requests: list[bytes] = []

    def handler(peer: socket.socket) -> None:
        while True:
            requests.append(read_request(peer))
            peer.sendall(busy)

    with serving(handler) as server, Transport(server.url) as door:
        assert send(door).status == 503
    assert len(requests) == 1


MEGABYTES_50 = 50 * 2**20


def announced(peer: socket.socket) -> None:
    read_request(peer)
    peer.sendall(with_head(b"Content-Length: %d" % MEGABYTES_50, b""))
    for _ in range(50):
        peer.sendall(b" " * 2**20)


def unannounced(peer: socket.socket) -> None:
    read_request(peer)
    peer.sendall(with_head(b"Connection: close", b""))
    for _ in range(50):
        peer.sendall(b" " * 2**20)


def bomb(peer: socket.socket) -> None:
    packed = gzip.compress(b" " * MEGABYTES_50)
    read_request(peer)
    peer.sendall(with_head(b"Content-Encoding: gzip\r\nContent-Length: %d" % len(packed), packed))


@pytest.mark.promise(name="limits")
@pytest.mark.parametrize("handler", [announced, unannounced, bomb])
def test_50_megabytes_are_too_much(handler: Handler) -> None:
    with serving(handler) as server:
        error = failure(Transport(server.url))
    assert type(error) is ChannelResponseError
    assert "larger than 33,554,432 bytes" in str(error)
    assert error.http_status == 200


def test_an_answer_of_exactly_the_limit_is_read() -> None:
    with serving(answering(OK)) as server:
        with Transport(server.url, max_answer_bytes=13) as door:
            assert len(send(door).body) == 13
        assert type(failure(Transport(server.url, max_answer_bytes=12))) is ChannelResponseError


def test_broken_compression_is_no_answer() -> None:
    with serving(answering(with_head(b"Content-Encoding: gzip\r\nContent-Length: 4", b"nope"))) as server:
        error = failure(Transport(server.url))
    assert type(error) is ChannelResponseError


def test_nothing_is_opened_before_the_first_request() -> None:
    with serving(answering(OK)) as server:
        Transport(server.url).close()
        assert server.connections == 0


def test_a_connection_that_went_stale_is_replaced_before_sending() -> None:
    with serving(answering(OK, close=True)) as server, Transport(server.url) as door:
        for expected in (1, 2, 3):
            assert send(door).status == 200
            assert server.connections == expected
            # The server's close has to arrive, or the next request would race with it.
            server.threads[-1].join(5)


def test_a_connection_closed_while_sending_is_ambiguous_and_not_repeated() -> None:
    requests: list[bytes] = []

    def handler(peer: socket.socket) -> None:
        requests.append(read_request(peer))
        peer.sendall(OK)
        requests.append(read_request(peer))

    with serving(handler) as server, Transport(server.url) as door:
        assert send(door).status == 200
        with pytest.raises(ChannelAmbiguousResultError):
            send(door)
        assert (server.connections, len(requests)) == (1, 2)
        assert send(door).status == 200


def test_a_closed_transport_opens_again() -> None:
    with serving(answering(OK)) as server, Transport(server.url) as door:
        assert send(door).status == 200
        door.close()
        assert send(door).status == 200
        assert server.connections == 2


def test_threads_share_a_transport() -> None:
    def handler(peer: socket.socket) -> None:
        while True:
            body = read_request(peer).partition(b"\r\n\r\n")[2]
            peer.sendall(with_head(b"Content-Length: %d" % len(body), body))

    mixed_up: list[bytes] = []

    def work(door: Transport, number: int) -> None:
        for turn in range(50):
            body = f"{number}:{turn}".encode()
            if send(door, body=body, total=10 if turn % 2 else None).body != body:
                mixed_up.append(body)

    with serving(handler) as server, Transport(server.url) as door:
        threads = [threading.Thread(target=work, args=(door, number)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert server.connections <= 16
    assert mixed_up == []


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_opens_its_own_connection() -> None:
    with serving(answering(OK)) as server, Transport(server.url) as door:
        assert send(door).status == 200
        child = os.fork()
        if child == 0:
            try:
                os._exit(0 if send(door).status == 200 else 1)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert server.connections == 2
        assert send(door).status == 200
        assert server.connections == 2
