"""An answer costs no more than its limits, whatever a server sends: time, size, packing and framing."""

from __future__ import annotations

import gzip
import socket
import time
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from support.peers import Handler, answering, read_request, serving

from airflow_channel_provider.api.benlly import BenllyClient
from airflow_channel_provider.api.benlly_oauth import BenllyOAuthClient
from airflow_channel_provider.api.client import ChannelTalkClient
from airflow_channel_provider.api.transport import Response, Transport
from airflow_channel_provider.contract.model import RetryClass
from airflow_channel_provider.exceptions import (
    ChannelAmbiguousResultError,
    ChannelError,
    ChannelNotSentError,
    ChannelResponseError,
)
from airflow_channel_provider.prepared_call import PreparedCall
from airflow_channel_provider.retry import is_outcome_unclear, is_repeatable

pytestmark = pytest.mark.promise(name="limits")

BODY = b'{"result": 7}'
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n" + BODY
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
SMALL = 1_000
WIRE_BYTES = 2 * SMALL + 2**20


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def send(door: Transport, *, total: float | None = None) -> Response:
    return door.send("PUT", "/", body=b"{}", headers={}, operation="getChannel", total_timeout_seconds=total)


def failure(door: Transport, *, total: float | None = None) -> ChannelError:
    with door, pytest.raises(ChannelError) as caught:
        send(door, total=total)
    return caught.value


def endless(begin: bytes, piece: bytes, *, pause_seconds: float = 0.0) -> Handler:
    """Answer with a beginning, and then with the same piece until the other side has had enough."""

    def handler(peer: socket.socket) -> None:
        read_request(peer)
        peer.sendall(begin)
        while True:
            peer.sendall(piece)
            time.sleep(pause_seconds)

    return handler


def answered(head: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\n" + head + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body


# ---- time

DRIPS = {
    "status line": (b"HTTP/1.1 2", b"0"),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "early hints": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
    "header": (b"HTTP/1.1 200 OK\r\nX: ", b"a"),
    "body": (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b" "),
    "body to the end": (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b" "),
    "chunks": (CHUNKED, b"1\r\n \r\n"),
    "chunk extension": (CHUNKED + b"1;", b"x"),
    "trailer": (CHUNKED + b"0\r\n", b"X: a\r\n"),
    "gzip without content": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n",
        gzip.compress(b"", mtime=0),
    ),
}


@pytest.mark.parametrize("drip", DRIPS.values(), ids=DRIPS.keys())
def test_a_call_as_a_whole_has_a_deadline(drip: tuple[bytes, bytes]) -> None:
    """None of the single waits lasts as long as the read timeout: only the deadline can end the call."""
    with serving(endless(*drip, pause_seconds=0.01)) as server:
        error = failure(Transport(server.url, read_timeout_seconds=5), total=0.3)
    assert type(error) is ChannelAmbiguousResultError
    assert "within the time limit of the request" in str(error)


CALLS: dict[str, tuple[float, Callable[[Transport], object]]] = {
    "call": (70, lambda door: ChannelTalkClient(door).call_native("getUser", {}, access_token="t")),
    "app function": (
        70,
        lambda door: ChannelTalkClient(door).call_app_function("a", "f", {}, access_token="t"),
    ),
    "issue": (12, lambda door: ChannelTalkClient(door).issue_token("secret", None)),
    "refresh": (12, lambda door: ChannelTalkClient(door).refresh_token("refresh-1")),
    "benlly": (
        70,
        lambda door: BenllyClient(door, device="web", udid="u").authorize_channel(1, access_token="t"),
    ),
    "benlly login": (
        12,
        lambda door: BenllyOAuthClient(door, client_id="7", client_secret="s").log_in("u", "p"),
    ),
}


@pytest.mark.parametrize("late_seconds", [-0.1, 0.1])
@pytest.mark.parametrize(("limit_seconds", "call"), CALLS.values(), ids=CALLS.keys())
def test_every_kind_of_call_has_a_deadline(
    limit_seconds: float,
    call: Callable[[Transport], object],
    late_seconds: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A token request its own; any other one by the read timeout of the connection."""
    now = 1_000.0

    def handler(peer: socket.socket) -> None:
        nonlocal now
        read_request(peer)
        now += limit_seconds + late_seconds
        peer.sendall(answered(b"X: a", b" " * 50_000))  # more than one read

    with serving(handler) as server, Transport(server.url, read_timeout_seconds=7) as door:
        monkeypatch.setattr(time, "monotonic", lambda: now)
        with pytest.raises(ChannelError) as caught:
            call(door)
    if late_seconds > 0:
        assert type(caught.value) is ChannelAmbiguousResultError
        assert "within the time limit of the request" in str(caught.value)
    else:
        assert type(caught.value) is ChannelResponseError
        assert "50,000 bytes that are not a valid answer" in str(caught.value) or "no valid token" in str(
            caught.value
        )


def test_a_proxy_that_drips_its_consent_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def dripping(peer: socket.socket) -> None:
        read_request(peer)
        peer.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            peer.sendall(b"a")
            time.sleep(0.01)

    with serving(dripping) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        error = failure(Transport("https://service.invalid", connect_timeout_seconds=5), total=0.3)
    assert type(error) is ChannelNotSentError
    assert "its time limit passed" in str(error)


def test_a_proxy_that_says_nothing_has_the_time_of_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(peer: socket.socket) -> None:
        while peer.recv(1_000):
            pass

    with serving(silent) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        error = failure(Transport("https://service.invalid", connect_timeout_seconds=0.2))
    assert type(error) is ChannelNotSentError
    assert "did not accept the connection in time" in str(error)


# ---- size

FLOODS = {
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 500),
    "early hints": (b"", (b"HTTP/1.1 103 Early Hints\r\nLink: <" + b"a" * 5_000 + b">\r\n\r\n") * 5),
    "body to the end": (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b" " * 20_000),
    "chunks": (CHUNKED, b"1\r\n \r\n" * 2_000),
    "chunk of everything": (CHUNKED + b"-1\r\n", b" " * 20_000),
    "chunk extensions": (CHUNKED, b"1;" + b"x" * 20_000 + b"\r\n \r\n"),
    "trailers": (CHUNKED + b"0\r\n", b"X: a\r\n" * 2_000),
    "gzip without content": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n",
        gzip.compress(b"", mtime=0) * 1_000,
    ),
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS.keys())
def test_so_many_bytes_are_taken_off_the_wire(flood: tuple[bytes, bytes]) -> None:
    sent = 0

    def counting(peer: socket.socket) -> None:
        nonlocal sent
        read_request(peer)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
        peer.sendall(flood[0])
        while True:
            peer.sendall(flood[1])
            sent += len(flood[1])

    with serving(counting) as server:
        error = failure(Transport(server.url, max_answer_bytes=SMALL))
    assert type(error) is ChannelResponseError
    assert error.too_large
    assert "larger than 1,000 bytes; reading stopped there" in str(error)
    assert sent < 16 * WIRE_BYTES  # what the buffers of both sockets hold included
    assert is_outcome_unclear(error)


@pytest.mark.parametrize(
    "head",
    [
        b"".join(b"X-%d: a\r\n" % number for number in range(101)),
        b"X: " + b"a" * 70_000 + b"\r\n",
        b" folded\r\n" * 200,
    ],
    ids=["number", "length", "folded"],
)
def test_headers_have_a_number_and_a_length(head: bytes) -> None:
    answer = b"HTTP/1.1 200 OK\r\nX: a\r\n" + head + b"Content-Length: 13\r\n\r\n" + BODY
    with serving(answering(answer)) as server:
        error = failure(Transport(server.url))
    assert type(error) is ChannelAmbiguousResultError
    assert "is not valid HTTP" in str(error)


@pytest.mark.parametrize("line", [b"no colon", b"X : a", b"\x80: a", b": a"])
def test_what_follows_a_malformed_line_is_not_guessed(line: bytes, caplog: pytest.LogCaptureFixture) -> None:
    answer = b"HTTP/1.1 200 OK\r\nX: a\r\n" + line + b"\r\nContent-Length: 13\r\n\r\n" + BODY
    with serving(answering(answer)) as server:
        error = failure(Transport(server.url))
    assert type(error) is ChannelAmbiguousResultError
    assert "is not valid HTTP" in str(error)
    assert caplog.records == []


@pytest.mark.parametrize("length", [b"1001", b"9" * 15, b"9" * 5_000])
def test_an_announced_length_is_believed_before_anything_is_read(length: bytes) -> None:
    with serving(answering(b"HTTP/1.1 200 OK\r\nContent-Length: " + length + b"\r\n\r\n")) as server:
        error = failure(Transport(server.url, max_answer_bytes=SMALL))
    assert type(error) is ChannelResponseError
    assert error.too_large


# ---- framing


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"Transfer-Encoding: chunked\r\nContent-Length: 5", "both a Content-Length and a Transfer-Encoding"),
        (b"Transfer-Encoding: gzip, chunked", "a Transfer-Encoding other than chunked"),
        (b"Transfer-Encoding: chunked, chunked", "a Transfer-Encoding other than chunked"),
        (b"Transfer-Encoding: whatever", "a Transfer-Encoding other than chunked"),
    ],
)
def test_an_answer_is_framed_once(head: bytes, words: str) -> None:
    answer = b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\nd\r\n" + BODY + b"\r\n0\r\n\r\n"
    with serving(answering(answer)) as server, Transport(server.url) as door:
        for expected in (1, 2):
            with pytest.raises(ChannelResponseError, match=words) as caught:
                send(door)
            assert (
                server.connections == expected
            )  # what may be left on the wire is no part of the next answer
    assert caught.value.http_status == 200


@pytest.mark.parametrize("size", [b"-5", b"zz", b"", b"0x", b"5" * 70_000])
def test_a_chunk_of_a_nonsensical_size_is_no_answer(size: bytes) -> None:
    with serving(answering(CHUNKED + size + b"\r\n" + BODY + b"\r\n0\r\n\r\n", close=True)) as server:
        error = failure(Transport(server.url))
    assert type(error) is ChannelAmbiguousResultError


@pytest.mark.parametrize("lengths", [b"13, 14", b"13\r\nContent-Length: 14"])
def test_two_lengths_are_no_answer(lengths: bytes) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: " + lengths + b"\r\n\r\n" + BODY
    with serving(answering(answer, close=True)) as server:
        error = failure(Transport(server.url))
    assert type(error) is ChannelAmbiguousResultError
    assert "is not valid HTTP" in str(error)


@pytest.mark.parametrize("status", [b"100 Continue", b"102 Processing", b"103 Early Hints"])
def test_an_interim_answer_is_not_the_answer_and_leaves_none_to_the_next_request(status: bytes) -> None:
    """The final answer comes late, when a client that took the interim one for it has sent its next request."""
    turns = iter([b'{"result": 1}', b'{"result": 2}'])

    def handler(peer: socket.socket) -> None:
        for body in turns:
            read_request(peer)
            peer.sendall(b"HTTP/1.1 " + status + b"\r\nLink: </a>\r\n\r\n")
            time.sleep(0.05)
            peer.sendall(answered(b"X: a", body))

    with serving(handler) as server, Transport(server.url) as door:
        assert [(answer.status, answer.body) for answer in (send(door), send(door))] == [
            (200, b'{"result": 1}'),
            (200, b'{"result": 2}'),
        ]
        assert server.connections == 1


# ---- packing

PACKED = gzip.compress(BODY, mtime=0)


@pytest.mark.parametrize(
    "encoding",
    [
        b"gzip, gzip",
        b"gzip\r\nContent-Encoding: gzip",
        b", ".join([b"gzip"] * 50),
        b"gzip,",
        b"identity, gzip",
        b"deflate",
        b"br",
        b"zstd",
        b"compress",
        b"unknown",
    ],
)
def test_only_what_was_asked_for_is_unpacked(encoding: bytes) -> None:
    with serving(answering(answered(b"Content-Encoding: " + encoding, PACKED))) as server:
        error = failure(Transport(server.url))
    assert type(error) is ChannelResponseError
    assert "a Content-Encoding other than the gzip that was asked for" in str(error)
    assert error.http_status == 200


@pytest.mark.parametrize(
    ("encoding", "packed", "body"),
    [
        (b"gzip", PACKED, BODY),
        (b" X-GZip ", PACKED, BODY),
        (b"identity", BODY, BODY),
        (
            b"gzip",
            gzip.compress(BODY[:5], mtime=0) + gzip.compress(b"", mtime=0) + gzip.compress(BODY[5:], mtime=0),
            BODY,
        ),
        (b"gzip", b"", b""),
        (b"gzip", gzip.compress(b"", mtime=0), b""),
        (b"gzip", gzip.compress(bytes(range(256)) * 1_000, mtime=0), bytes(range(256)) * 1_000),
    ],
)
def test_gzip_is_unpacked(encoding: bytes, packed: bytes, body: bytes) -> None:
    whole = answered(b"Content-Encoding: " + encoding, packed)
    in_chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in packed[:50]) + (
        b"%x\r\n%s\r\n" % (len(packed[50:]), packed[50:]) if packed[50:] else b""
    )
    chunked = CHUNKED[:-2] + b"Content-Encoding: " + encoding + b"\r\n\r\n" + in_chunks + b"0\r\n\r\n"
    for answer in (whole, chunked):
        with serving(answering(answer)) as server, Transport(server.url) as door:
            assert [send(door).body for _ in range(2)] == [body] * 2
            assert server.connections == 1


@pytest.mark.parametrize(
    "packed",
    [PACKED[:-1], PACKED[:5], PACKED + b"more", PACKED[:-4] + b"none", zlib.compress(BODY), b"\0" * 20],
)
def test_broken_gzip_is_no_answer(packed: bytes) -> None:
    with serving(answering(answered(b"Content-Encoding: gzip", packed))) as server:
        error = failure(Transport(server.url))
    assert type(error) is ChannelResponseError
    assert "its compression is broken" in str(error)


def test_what_unpacks_to_much_more_is_never_held() -> None:
    answer = answered(b"Content-Encoding: gzip", gzip.compress(bytes(30 * 2**20)))
    with serving(answering(answer)) as server, Transport(server.url, max_answer_bytes=50_000) as door:
        tracemalloc.start()
        error = failure(door)
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert type(error) is ChannelResponseError
    assert error.too_large
    assert not is_repeatable(error, PreparedCall("getUser", RetryClass.READ))
    assert peak_bytes < 2**20
