"""The emulator on the wire: connections, chunks, any bytes, and who may look."""

from __future__ import annotations

import http.client
import json
import socket
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.emulator_caller import GET_USER, PATH, Caller
from support.fuzzing import cases

from airflow_channel_provider.emulator import DEMO_SECRET, EmulatorThread

if TYPE_CHECKING:
    import requests


def test_the_journal_goes_on_from_a_number(caller: Caller) -> None:
    caller.log_in()
    last = caller.emulator.journal()[-1]["n"]
    caller.native("getUser", GET_USER)
    (entry,) = caller.emulator.journal(since=last)
    assert (entry["method"], entry["service"], entry["path"]) == ("getUser", "channel_talk", PATH)
    assert (entry["outcome"], entry["params"], entry["scope"]) == ("ok", GET_USER, "channel:ch-1")


def test_a_body_in_chunks_is_read_whole(caller: Caller) -> None:
    host = caller.emulator.url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=10)
    parts = (
        part.encode() for part in ('{"method":"issueToken",', '"params":{"secret":"', DEMO_SECRET, '"}}')
    )
    connection.request("PUT", PATH, body=parts, encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
    assert json.loads(connection.getresponse().read())["result"]["expiresIn"] == 1800
    connection.close()


def test_a_connection_is_kept_open(caller: Caller) -> None:
    connection = http.client.HTTPConnection(caller.emulator.url.removeprefix("http://"), timeout=10)
    ports = set()
    for _ in range(3):
        connection.request("PUT", PATH, body=b'{"method":"x"}')
        connection.getresponse().read()
        ports.add(connection.sock.getsockname()[1])
    connection.close()
    assert len(ports) == 1


@pytest.mark.parametrize("name", ["evil.example:80", "evil.example", "10.0.0.1:8765"])
@pytest.mark.parametrize(
    "path", ["/", "/chat", "/chat.js", "/chat.css", "/_emulator/journal", "/_emulator/conversation"]
)
def test_a_foreign_name_for_this_machine_sees_nothing(caller: Caller, name: str, path: str) -> None:
    answer = caller.session.get(caller.emulator.url + path, headers={"Host": name}, timeout=10)
    assert (answer.status_code, answer.json()) == (403, {"error": "only from this machine"})


def test_a_foreign_page_cannot_give_orders(caller: Caller) -> None:
    url = f"{caller.emulator.url}/_emulator/reset"
    caller.log_in()
    assert caller.session.post(url, headers={"Origin": "http://evil.example"}, timeout=10).status_code == 403
    assert caller.emulator.stats()["calls"] == 1
    assert caller.session.post(url, headers={"Origin": caller.emulator.url}, timeout=10).status_code == 200
    assert caller.emulator.stats()["calls"] == 0


def test_the_page_is_self_contained_and_guarded(caller: Caller) -> None:
    answer = caller.session.get(caller.emulator.url + "/", timeout=10)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.text.startswith("<!doctype html>")
    overview = caller.session.get(caller.emulator.url + "/_emulator/overview", timeout=10).json()
    assert sorted(overview) == sorted(
        "authorizations chats connections errors faults ids now settings shifted_seconds stats windows".split()  # noqa: SIM905
    )


def test_looking_is_not_counted_as_a_call(caller: Caller) -> None:
    caller.session.get(caller.emulator.url + "/", timeout=10)
    caller.emulator.journal()
    assert caller.emulator.stats()["calls"] == 0


def test_faults_never_befall_the_control_plane(caller: Caller) -> None:
    caller.emulator.inject("close_before", count=5)
    assert caller.emulator.stats()["calls"] == 0
    assert caller.emulator.faults()[0]["remaining"] == 5


@pytest.mark.promise(name="emulator")
def test_every_answer_tells_browsers_not_to_guess_what_it_is(caller: Caller) -> None:
    def seen(method: str, path: str, **more: Any) -> requests.Response:
        return caller.session.request(method, caller.emulator.url + path, timeout=10, **more)

    answers = [
        seen("GET", "/"),
        seen("GET", "/", headers={"Host": "evil.example"}),
        seen("GET", "/nothing"),
        seen("GET", "/_emulator/journal"),
        seen("GET", "/_emulator/<b>"),
        seen("POST", "/_emulator/reset", data=b"{"),
        seen("PUT", PATH, data=b"<b>"),
        seen("PUT", "/general/v1/apps/<b>/functions", data=b'{"method": "<b>"}'),
        seen("POST", "/api/oauth/token", data=b"<b>"),
        caller.native("issueToken", {"secret": "<b>"}),
    ]
    for fault in ("html", "empty", "truncated", "http_500", "rate_limit"):
        caller.emulator.inject(fault, method="getChannel")
        answers.append(caller.native("getChannel", {}))
    caller.emulator.inject("truncated", cut=True)
    with caller.session.put(caller.emulator.url + PATH, data=b"{}", stream=True, timeout=10) as cut:
        answers.append(cut)
    for answer in answers:
        assert answer.headers.get("X-Content-Type-Options") == "nosniff", answer.url


LINES = st.binary(max_size=20).map(lambda line: line.translate(None, b"\r\n\0"))


@pytest.mark.promise(name="emulator")
@pytest.mark.fuzz
@cases(40)
@given(
    method=st.sampled_from([b"GET", b"PUT", b"POST", b"X"]),
    path=st.sampled_from([PATH.encode(), b"/", b"/_emulator/journal", b"/_emulator/configure", b"/api/"])
    | LINES.map(lambda line: b"/" + line.replace(b" ", b"")),
    headers=st.lists(
        st.tuples(st.sampled_from([b"Host", b"Origin", b"x-access-token", b"Content-Type", b"Range"]), LINES),
        max_size=4,
    ),
    body=st.binary(max_size=60)
    | st.integers(1, 10_000).map(lambda depth: b'{"method":"getUser","params":' + b"[" * depth),
)
def test_any_bytes_on_the_wire_are_answered(
    running_emulator: EmulatorThread,
    method: bytes,
    path: bytes,
    headers: list[tuple[bytes, bytes]],
    body: bytes,
) -> None:
    port = int(running_emulator.url.rpartition(":")[2])
    lines = [b"%s %s HTTP/1.1" % (method, path), b"Host: 127.0.0.1", b"Connection: close"]
    lines += [b"%s: %s" % header for header in headers] + [b"Content-Length: %d" % len(body), b"", body]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"\r\n".join(lines))
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        text = answer.read()
    assert 200 <= answer.status < 500
    assert b"Traceback" not in text


def test_garbage_on_the_socket_breaks_nothing(caller: Caller) -> None:
    port = int(caller.emulator.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
        assert connection.recv(1024).startswith(b"HTTP/1.")
    assert caller.issue()["expiresIn"] == 1800
