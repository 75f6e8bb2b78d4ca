"""The store's calls to an app: what is signed is what is sent, and an answer counts only in the published form."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from support.app_endpoint import AppEndpoint

from airflow_channel_provider.contract.signing import signature_of
from airflow_channel_provider.emulator.app_calls import AppCall, AppCallError, AppCallLog, Endpoint
from airflow_channel_provider.emulator.outgoing import NotReachedError, OutgoingRequest, send

KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"
OTHER_KEY = "00112233445566778899aabbccddeeff" * 2
RUN = (
    '{"method":"commands.airflow.run","params":{"chat":{"type":"group","id":"group-1"},"input":{"dag":"daily"},'
    '"trigger":{"type":"command","attributes":null},"language":"ko"},'
    '"context":{"caller":{"type":"manager","id":"m-1"},"channel":{"id":"ch-1"}},"systemVersion":"v1"}'
)
GET_FUNCTIONS = (
    '{"method":"extension.core.function.getFunctions","params":{},'
    '"context":{"caller":{"type":"system","id":"system"},"channel":{"id":""}},"systemVersion":"v1"}'
)
RECEIVE = (
    '{"method":"hooks.airflow.receive","params":{"note":"실행 완료 ✓"},'
    '"context":{"caller":{"type":"system","id":"system"}},"systemVersion":"v1"}'
)
# The vendor's way to sign, over the raw bytes.
VECTORS = [
    (OTHER_KEY, RUN, "qfOvc2hPHXgPAsOQ4k6mMYsSL+2DR1NTan10y/v88qI="),
    (KEY, GET_FUNCTIONS, "VrTNNnjcdjHG8hcf3CFBMMLArvMbGclYXY1+9uIEgsA="),
    (KEY, RECEIVE, "TARFVrczsjSAE7L4JacF4xWIlReFlE1e4laqz1ad5ho="),
    (KEY, "", "SgsJ6yO6m7JSvS8LJaWO60I9X4wYUqcol1pKCg9uoVs="),
]


def call_app(endpoint: Endpoint, method: str, *more: Any, **context: Any) -> Any:
    return AppCall("app", endpoint, method, *more, **context).send().result()


@pytest.fixture
def app() -> Iterator[AppEndpoint]:
    with AppEndpoint(KEY) as endpoint:
        yield endpoint


@pytest.mark.parametrize(("key", "body", "signature"), VECTORS)
def test_a_body_has_the_published_signature(key: str, body: str, signature: str) -> None:
    assert signature_of(bytes.fromhex(key), body.encode()) == signature


def test_neither_the_digits_of_the_key_nor_other_bytes_of_the_same_json_do() -> None:
    # What a wrong reading of the rules would come to.
    assert (
        signature_of(KEY.encode(), GET_FUNCTIONS.encode()) == "1xeT3TFuGWW6Ea4FdWhgYSItPmeMFRPYz4BEf3bH48c="
    )
    escaped = json.dumps(json.loads(RECEIVE), separators=(",", ":"))
    assert (
        signature_of(bytes.fromhex(KEY), escaped.encode()) == "sa3xVv0UXcYpQ02YckQzrSPZp/7+yhjdyTDFeo+Voyw="
    )


@pytest.mark.parametrize(("key", "body", "signature"), VECTORS[:3])
def test_what_is_signed_is_what_arrives(app: AppEndpoint, key: str, body: str, signature: str) -> None:
    app.signing_key, app.result = bytes.fromhex(key), {"done": True}
    call = json.loads(body)
    endpoint = Endpoint.build(f"{app.url}/functions/", key)
    result = call_app(endpoint, call["method"], call["params"], context=call["context"])
    assert result == {"done": True}
    assert [(got.path, got.body.decode(), got.signature) for got in app.received] == [
        ("/functions/v1", body, signature)
    ]


def test_a_call_of_nobody_is_one_of_the_system(app: AppEndpoint) -> None:
    app.result = {"functions": []}
    assert call_app(Endpoint.build(app.url, KEY), "extension.core.function.getFunctions") == {"functions": []}
    assert (app.received[0].path, app.received[0].body.decode()) == ("/v1", GET_FUNCTIONS)


@pytest.mark.parametrize(
    ("status", "answer", "told"),
    [
        (
            200,
            b'{"error": {"code": -32601, "type": "methodNotFound", "message": "no m"}}',
            "m was refused: no m",
        ),
        (200, b'{"error": {"type": "internal"}}', "m was refused"),
        (200, b'{"error": "no"}', "m was refused"),
        (200, b'{"ok": true}', "m was answered with something else than a result or an error"),
        (200, b"[]", "m was answered with something else than a result or an error"),
        (200, b"", "m was answered with something else than a result or an error"),
        (200, b'{"result": NaN}', "m was answered with something else than a result or an error"),
        (200, b'{"result": "\xff"}', "m was answered with something else than a result or an error"),
        (
            200,
            b'{"result":"' + b"x" * 2**20 + b'"}',
            "m was answered with something else than a result or an error",
        ),
        (404, b'{"error": "FUNCTION_NOT_FOUND", "message": "no m"}', "m was answered with HTTP 404: no m"),
        (500, b"<html>", "m was answered with HTTP 500"),
        (204, b"", "m was answered with HTTP 204"),
    ],
)
def test_any_other_answer_is_an_error(app: AppEndpoint, status: int, answer: bytes, told: str) -> None:
    app.raw_answer = status, answer
    with pytest.raises(AppCallError) as raised:
        call_app(Endpoint.build(app.url, KEY), "m")
    assert str(raised.value) == told


def test_an_empty_error_is_none(app: AppEndpoint) -> None:
    app.raw_answer = 200, b'{"result": [1], "error": {}}'
    assert call_app(Endpoint.build(app.url, KEY), "m") == [1]


def test_a_call_with_another_key_is_refused_by_the_app(app: AppEndpoint) -> None:
    with pytest.raises(AppCallError, match="m was answered with HTTP 401: invalid signature"):
        call_app(Endpoint.build(app.url, OTHER_KEY), "m")


def test_a_call_is_not_sent_on_to_where_a_redirect_leads(app: AppEndpoint) -> None:
    with AppEndpoint(KEY) as other:
        app.redirect = other.url
        with pytest.raises(AppCallError, match="m was answered with HTTP 307"):
            call_app(Endpoint.build(app.url, KEY), "m")
        assert other.received == []


def test_an_endpoint_where_nobody_listens_is_an_error() -> None:
    with AppEndpoint(KEY) as gone:
        endpoint = Endpoint.build(gone.url, KEY)
    with pytest.raises(AppCallError, match="the function endpoint was not reached: ConnectionRefusedError"):
        call_app(endpoint, "m")


@pytest.mark.parametrize(
    "host", ["user:password@127.0.0.1", "127.0.0.1/a path", f"{'a' * 64}.example", "127.0.0.1/길"]
)
def test_a_url_that_can_not_be_called_is_an_error(host: str) -> None:
    with pytest.raises(AppCallError, match="the function endpoint was not reached: "):
        call_app(Endpoint.build(f"http://{host}", KEY), "m")


@pytest.mark.parametrize(
    "url", [None, 1, "", "functions", "ftp://127.0.0.1", "http://", "http://h/?a=b", "http://[", "http://h:x"]
)
def test_an_endpoint_is_a_url(url: Any) -> None:
    with pytest.raises(ValueError, match="function_endpoint must be a URL"):
        Endpoint.build(url, KEY)


@pytest.mark.parametrize("key", [None, 1, "", "0", "zz", KEY[:-1], f" {KEY}", f"{KEY}\n", "\uff21\uff21"])
def test_a_signing_key_is_hexadecimal(key: Any) -> None:
    with pytest.raises(ValueError, match="signing_key must be hexadecimal"):
        Endpoint.build("http://127.0.0.1", key)


def test_an_endpoint_does_not_show_its_key() -> None:
    assert KEY not in repr(Endpoint.build("http://127.0.0.1", KEY))
    assert str(bytes.fromhex(KEY)) not in repr(Endpoint.build("http://127.0.0.1", KEY))


def test_an_answer_that_drips_is_not_waited_for() -> None:
    class Dripping(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.send_response(200)
            self.end_headers()
            while not stopped.is_set():
                try:
                    self.wfile.write(b" ")
                except OSError:
                    return
                stopped.wait(0.01)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    stopped = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Dripping)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        request = OutgoingRequest("PUT", f"http://127.0.0.1:{server.server_port}", b"{}")
        with pytest.raises(NotReachedError, match="TimeoutError"):
            send(request, timeout_seconds=0.2)
    finally:
        stopped.set()
        server.shutdown()
        server.server_close()


def test_the_log_keeps_what_became_of_a_call_and_no_secret(app: AppEndpoint) -> None:
    log = AppCallLog(kept=2)
    context = {"caller": {"type": "manager", "id": "m"}, "authToken": "t0p"}
    for method, result in (("gone", 1), ("run", {"accessToken": "t0p"})):
        app.result = result
        log.note(AppCall("a", Endpoint.build(app.url, KEY), method, {"x": 1}, context).send(), 5.0)
    log.note(AppCall("a", Endpoint.build(app.url, OTHER_KEY), "refused").send(), 6.0)
    entries = log.since(1)
    assert [(e["n"], e["method"], e["outcome"], e["http_status"]) for e in entries] == [
        (2, "run", "ok", 200),
        (3, "refused", "refused", 401),
    ]
    assert (entries[0]["params"], entries[0]["result"]) == ({"x": 1}, {"accessToken": "***"})
    assert "t0p" not in json.dumps(entries)
    assert log.since(0) == entries


def test_a_request_shows_neither_token_nor_signature() -> None:
    request = AppCall("a", Endpoint.build("http://127.0.0.1", KEY), "m").request()
    assert request.headers["x-signature"] not in repr(request)
    hook = OutgoingRequest("POST", "http://127.0.0.1/w?token=t0p", b"{}")
    assert hook.shown_url == "http://127.0.0.1/w"
    assert "t0p" not in repr(hook)
