"""What is on the way to a service: proxies, certificates, and connections that are forgotten while nobody uses them."""

from __future__ import annotations

import base64
import re
import socket
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.peers import answering, make_certificate, read_request, serving, tls_serving

from airflow_channel_provider.api import wire
from airflow_channel_provider.api.transport import Response, Transport
from airflow_channel_provider.exceptions import ChannelNotSentError

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n" + b'{"result": 7}'
REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def send(transport: Transport) -> Response:
    return transport.send("PUT", "/", body=b"{}", headers={}, operation="getChannel")


def not_sent(url: str) -> str:
    with Transport(url, connect_timeout_seconds=2) as transport, pytest.raises(ChannelNotSentError) as caught:
        send(transport)
    assert type(caught.value) is ChannelNotSentError
    return str(caught.value)


def check_that_the_proxy_refuses(scheme: str) -> None:
    """Its 403 is an answer where it passes requests on, and no way to the service where it opens a tunnel."""
    with Transport(f"{scheme}://service.invalid") as transport:
        if scheme == "http":
            assert send(transport).status == 403
        else:
            with pytest.raises(ChannelNotSentError, match="status 403"):
                send(transport)


# --- proxies


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("written", "login"),
    [
        ("mina:p%40ss%3A%2F1", "mina:p@ss:/1"),
        ("mina:%ED%95%9C%EA%B8%80", "mina:한글"),
        ("mina:한글", "mina:한글"),
        ("m%C3%BC:w%C3%B6rd", "mü:wörd"),
        ("mina:", "mina:"),
    ],
)
def test_a_proxy_is_told_user_and_password_as_their_characters(
    scheme: str, written: str, login: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads: list[bytes] = []

    def proxy(peer: socket.socket) -> None:
        heads.append(read_request(peer))
        peer.sendall(REFUSED)

    with serving(proxy) as server:
        monkeypatch.setenv(f"{scheme.upper()}_PROXY", f"http://{written}@127.0.0.1:{server.port}")
        check_that_the_proxy_refuses(scheme)
    found = re.search(rb"(?i)proxy-authorization: Basic (\S+)", heads[0])
    assert found is not None
    assert base64.b64decode(found[1]).decode() == login


@pytest.mark.parametrize(
    "address",
    [
        "http://mina:pass-word@with@127.0.0.1:port",
        "http://mina:pass-word#1@127.0.0.1:9",
        "http://mina:pass-word/1@127.0.0.1:9",
        "'http://mina:pass-word@127.0.0.1:9'",
        "http://mina:pass-word@127.0.0.1:9 ",
        "http://127.0.0.1:port",
        "http://",
    ],
)
def test_the_address_of_a_proxy_that_can_not_be_read_is_told_without_its_password(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", address)
    message = not_sent("https://service.invalid")
    assert "the address of the proxy for service.invalid can't be read" in message
    assert "percent-encoded" in message
    assert "pass-word" not in message


def test_a_proxy_that_is_unknown_or_not_there_is_no_fault_of_the_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for address, words in (
        (f"127.0.0.1:{port}", "the proxy refused the connection"),
        ("proxy.invalid:1", "the name of the proxy is unknown"),
    ):
        monkeypatch.setenv("HTTPS_PROXY", f"http://{address}")
        message = not_sent("https://service.invalid")
        assert f"{words}, on the way to service.invalid (through the proxy {address})" in message
        assert "proxy settings of the environment" in message


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def certificate(folder: Path) -> Path:
    return make_certificate(folder / "good.pem")


@pytest.mark.promise(name="tls")
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_behind_tls_is_told_nothing_until_its_certificate_is_verified(
    scheme: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[bytes] = []

    def proxy(peer: socket.socket) -> None:
        heard.append(read_request(peer))
        peer.sendall(REFUSED)

    with tls_serving(certificate, proxy) as server:
        monkeypatch.setenv(f"{scheme.upper()}_PROXY", f"https://mina:pass-word@127.0.0.1:{server.port}")
        message = not_sent(f"{scheme}://service.invalid")
        assert "can't be verified" in message
        assert heard == []
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        check_that_the_proxy_refuses(scheme)
    assert len(heard) == 1


# --- certificates


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"from_day": -3, "to_day": -1}, "is out of date by the clock of this host"),
        ({"from_day": 1, "to_day": 3}, "is out of date by the clock of this host"),
        ({"address": "127.0.0.2"}, "is for another name"),
    ],
)
def test_what_is_wrong_with_a_certificate_is_told(
    made: dict[str, int], words: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = make_certificate(folder / "wrong.pem", **made)  # type: ignore[arg-type]
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(wrong))
    with tls_serving(wrong, answering(OK)) as server:
        message = not_sent(f"https://127.0.0.1:{server.port}")
        assert f"the TLS certificate of 127.0.0.1:{server.port} {words}" in message
    assert "REQUESTS_CA_BUNDLE" not in message


def test_a_server_that_wants_a_certificate_of_its_client_has_done_nothing(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with tls_serving(certificate, answering(OK), of_clients=certificate) as server:
        message = not_sent(f"https://127.0.0.1:{server.port}")
    assert "it may require a client certificate, which this provider does not support" in message


# --- connections


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds by which the clock of the connections is ahead."""
    ahead = [0.0]
    monkeypatch.setattr(wire, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + ahead[0]))
    return ahead


def test_a_connection_that_was_idle_for_long_is_not_used_again(clock: list[float]) -> None:
    heard: list[bytes] = []

    def forgetting(peer: socket.socket) -> None:
        heard.append(read_request(peer))
        peer.sendall(OK)
        heard.append(read_request(peer))
        peer.sendall(OK)

    with serving(forgetting) as server, Transport(server.url, read_timeout_seconds=9_999) as transport:
        assert send(transport).status == 200
        clock[0] += wire.MOST_IDLE_SECONDS / 2
        assert send(transport).status == 200
        assert server.connections == 1
        clock[0] += wire.MOST_IDLE_SECONDS
        assert send(transport).status == 200
        assert (server.connections, len(heard)) == (2, 3)
