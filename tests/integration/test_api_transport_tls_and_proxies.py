"""Certificates, bundles of authorities and proxies: what is trusted, and what is named when it fails."""

from __future__ import annotations

import socket
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.peers import answering, make_certificate, read_request, serving, tls_serving
from support.transport_calls import OK, failure, send

from airflow_channel_provider.api.client import ChannelTalkClient
from airflow_channel_provider.api.transport import Transport
from airflow_channel_provider.exceptions import (
    ChannelNotSentError,
    ChannelResponseError,
)

pytestmark = pytest.mark.usefixtures("no_proxies")


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


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_service_that_answers_as_proxies_do_has_had_the_request(
    scheme: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    answer = answering(LOGIN_WANTED)
    serve = tls_serving(certificate, answer) if scheme == "https" else serving(answer)
    with (
        serve as server,
        Transport(f"{scheme}://127.0.0.1:{server.port}") as door,
        pytest.raises(ChannelResponseError) as caught,
    ):
        ChannelTalkClient(door).issue_token("some-secret", "c1")
    assert caught.value.http_status == 407


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
