from __future__ import annotations

import gzip
import os
import socket
import struct
import threading
import time
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.peers import Handler, answering, make_certificate, read_request, serving, tls_serving

from airflow_channel_provider.api.client import ChannelTalkClient
from airflow_channel_provider.api.transport import Response, Transport
from airflow_channel_provider.api.wire import NotConnected
from airflow_channel_provider.exceptions import (
    ChannelAmbiguousResultError,
    ChannelConfigurationError,
    ChannelError,
    ChannelNotSentError,
    ChannelResponseError,
)

TOKEN = "token-that-must-not-leak"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n" + b'{"result": 7}'


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "no_proxy",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
    ):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def reset(peer: socket.socket) -> None:
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def send(transport: Transport, *, body: bytes | None = b"{}", total: float | None = None) -> Response:
    return transport.send(
        "PUT",
        "/general/v1/native/functions",
        body=body,
        headers={"x-access-token": TOKEN},
        operation="getChannel",
        total_timeout_seconds=total,
    )


def failure(transport: Transport, *, total: float | None = None) -> ChannelError:
    with transport, pytest.raises(ChannelError) as caught:
        send(transport, total=total)
    assert TOKEN not in str(caught.value)
    assert caught.value.method == "getChannel"
    return caught.value


# --- not sent ---------------------------------------------------------------------------------------------------


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


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls") / "both.pem")


@pytest.mark.promise(name="tls")
def test_a_certificate_of_nobody_is_not_sent(certificate: Path) -> None:
    with tls_serving(certificate, answering(OK)) as server:
        error = failure(Transport(f"https://127.0.0.1:{server.port}"))
    assert type(error) is ChannelNotSentError
    assert "the TLS certificate of 127.0.0.1" in str(error)
    assert "REQUESTS_CA_BUNDLE" in str(error)


@pytest.mark.promise(name="tls")
def test_a_private_authority_of_the_environment_is_trusted(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with (
        tls_serving(certificate, answering(OK)) as server,
        Transport(f"https://127.0.0.1:{server.port}") as door,
    ):
        assert [send(door).body for _ in range(2)] == [b'{"result": 7}'] * 2
        assert server.connections == 1


def test_a_missing_bundle_of_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURL_CA_BUNDLE", "/nowhere/ca.pem")
    error = failure(Transport("https://127.0.0.1:9"))
    assert type(error) is ChannelNotSentError
    assert "CURL_CA_BUNDLE" in str(error)


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", b"HTTP/1.1 502 Bad Gateway\r\n\r\n", b""],
)
def test_a_proxy_that_does_not_connect_is_not_sent(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def proxy(peer: socket.socket) -> None:
        read_request(peer)
        peer.sendall(answer)

    with serving(proxy) as server:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:pass-word@127.0.0.1:{server.port}")
        error = failure(Transport("https://service.invalid"))
    assert type(error) is ChannelNotSentError
    assert f"service.invalid (through the proxy 127.0.0.1:{server.port})" in str(error)
    assert "pass-word" not in str(error)


LOGIN_WANTED = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 4\r\n\r\nno\r\n"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_a_login_is_named(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def proxy(peer: socket.socket) -> None:
        read_request(peer)
        peer.sendall(LOGIN_WANTED)

    with serving(proxy) as server:
        monkeypatch.setenv(f"{scheme.upper()}_PROXY", f"http://user:pass-word@127.0.0.1:{server.port}")
        error = failure(Transport(f"{scheme}://service.invalid"))
    assert type(error) is ChannelNotSentError
    assert str(error) == (
        f"getChannel was not sent: a proxy on the way to service.invalid (through the proxy 127.0.0.1:{server.port}) "
        "requires a user and a password, or refused the given ones (HTTP 407). Put them into the address of the proxy, "
        "in HTTP_PROXY or HTTPS_PROXY of the environment."
    )


def test_a_proxy_that_wants_a_login_costs_no_token_request(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(answering(LOGIN_WANTED)) as server:
        monkeypatch.setenv("HTTP_PROXY", server.url)
        with (
            Transport("http://service.invalid") as door,
            pytest.raises(ChannelNotSentError, match="HTTP 407"),
        ):
            ChannelTalkClient(door).issue_token("some-secret", "c1")


@pytest.mark.skipif(find_spec("socks") is not None, reason="PySocks is installed")
@pytest.mark.parametrize("scheme", ["socks4", "socks5", "socks5h"])
def test_the_package_that_a_socks_proxy_needs_is_named(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://user:pass-word@127.0.0.1:9")
    error = failure(Transport("https://service.invalid"))
    assert type(error) is ChannelNotSentError
    assert "(through the proxy 127.0.0.1:9) uses SOCKS, and the package PySocks is not installed" in str(
        error
    )
    assert "pass-word" not in str(error)


@pytest.mark.parametrize(
    "content",
    [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nMIIB", bytes(range(256)), None],
    ids=["empty", "text", "truncated", "noise", "missing"],
)
@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_bundle_that_is_none_is_named(
    content: bytes | None, variable: str, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "ca.pem"
    if content is not None:
        bundle.write_bytes(content)
    monkeypatch.setenv(variable, str(bundle))
    with tls_serving(certificate, answering(OK)) as server:
        error = failure(Transport(f"https://127.0.0.1:{server.port}"))
    assert type(error) is ChannelNotSentError
    assert f"was not sent: {variable} ({bundle}) of the environment names a file that " in str(error)
    assert ("does not exist" in str(error)) == (content is None)


def test_a_handshake_that_fails_is_no_matter_of_the_bundle(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with serving(lambda peer: peer.sendall(b"no TLS here\r\n")) as server:
        error = failure(Transport(f"https://127.0.0.1:{server.port}"))
    assert "REQUESTS_CA_BUNDLE" not in str(error)


def test_an_unreachable_proxy_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
    error = failure(Transport("http://service.invalid"))
    assert type(error) is ChannelNotSentError
    assert f"through the proxy 127.0.0.1:{port}" in str(error)


def test_a_nonsensical_proxy_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://")
    error = failure(Transport("https://service.invalid"))
    assert type(error) is ChannelNotSentError
    assert "the address of the proxy for service.invalid can't be read" in str(error)


def test_a_plain_proxy_forwards(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(answering(OK)) as server:
        monkeypatch.setenv("HTTP_PROXY", server.url)
        with Transport("http://service.invalid") as door:
            assert send(door).status == 200


@pytest.mark.promise(name="one-host")
def test_a_header_that_no_wire_can_carry_is_refused_without_quoting_it() -> None:
    with pytest.raises(ChannelConfigurationError) as caught:
        Transport("http://127.0.0.1:9").send(
            "PUT", "/", body=None, headers={"x-access-token": f"{TOKEN}\r\nEvil: 1"}, operation="getChannel"
        )
    assert "x-access-token" in str(caught.value)
    assert TOKEN not in str(caught.value)


# --- sent, no usable answer -------------------------------------------------------------------------------------


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


# --- answers ----------------------------------------------------------------------------------------------------


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


# --- connections ------------------------------------------------------------------------------------------------


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
