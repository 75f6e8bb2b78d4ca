"""The emulator over real HTTP: every fault, every answer shape, limits, Benlly, and who may look."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import cases

from airflow_channel_provider.emulator import DEMO_SECRET, EmulatorThread

if TYPE_CHECKING:
    from collections.abc import Iterator

PATH = "/general/v1/native/functions"
GET_USER = {"channelId": "ch-1", "userId": "user-ch-1-1"}


def writing(request_id: str | None = None) -> dict[str, Any]:
    dto = {"botName": "bot", "plainText": "hello", "requestId": request_id}
    return {"channelId": "ch-1", "userChatId": "chat-ch-1-1", "dto": dto}


class Caller:
    """Talks to the emulator as a client of the services would."""

    def __init__(self, emulator: EmulatorThread, session: requests.Session) -> None:
        self.emulator = emulator
        self.session = session
        self.token = ""

    def native(self, method: str, params: Any, timeout: float = 10) -> requests.Response:
        headers = {"x-access-token": self.token}
        body = {"method": method, "params": params}
        return self.session.put(self.emulator.url + PATH, json=body, headers=headers, timeout=timeout)

    def issue(self, channel_id: str | None = "ch-1", secret: str = DEMO_SECRET) -> Any:
        answer = self.native("issueToken", {"secret": secret, "channelId": channel_id}).json()
        return answer.get("result", answer)

    def log_in(self) -> Caller:
        self.token = self.issue()["accessToken"]
        return self


@pytest.fixture(scope="module")
def running() -> Iterator[EmulatorThread]:
    with EmulatorThread() as emulator:
        yield emulator


@pytest.fixture
def caller(running: EmulatorThread) -> Iterator[Caller]:
    running.reset()
    with requests.Session() as session:
        session.trust_env = False
        yield Caller(running, session)


# ---- faults


@pytest.mark.parametrize(("fault", "messages"), [("close_before", 0), ("close_after", 1)])
def test_a_dropped_connection_gives_no_byte(caller: Caller, fault: str, messages: int) -> None:
    caller.log_in()
    caller.emulator.inject(fault, method="writeUserChatMessage")
    with pytest.raises(requests.ConnectionError, match="Remote end closed connection without response"):
        caller.native("writeUserChatMessage", writing("r-1"))
    assert len(caller.emulator.messages("chat-ch-1-1")) == messages
    entry = caller.emulator.journal()[-1]
    assert (entry["outcome"], entry["http_status"], entry["acted"]) == (
        f"fault:{fault}",
        None,
        bool(messages),
    )
    # The same request again writes the one message that is wanted.
    assert caller.native("writeUserChatMessage", writing("r-1")).status_code == 200
    assert len(caller.emulator.messages("chat-ch-1-1")) == 1


@pytest.mark.parametrize(
    ("fault", "options", "status", "messages"),
    [
        ("http_500", {}, 500, 0),
        ("http_500_after", {}, 500, 1),
        ("html", {}, 502, 0),
        ("html", {"status": 503}, 503, 0),
        ("rate_limit", {}, 429, 0),
        ("unauthorized", {}, 401, 0),
        ("unauthorized", {"shape": "envelope"}, 200, 0),
        ("empty", {}, 200, 1),
        ("truncated", {}, 200, 1),
        ("huge", {"megabytes": 3}, 200, 1),
    ],
)
def test_a_fault_strikes_once_with_its_status(
    caller: Caller, fault: str, options: dict[str, Any], status: int, messages: int
) -> None:
    caller.log_in()
    caller.emulator.inject(fault, **options)
    assert caller.native("writeUserChatMessage", writing()).status_code == status
    assert len(caller.emulator.messages()) == messages
    assert (
        caller.native("writeUserChatMessage", writing()).json()["result"]["message"]["plainText"] == "hello"
    )
    assert caller.emulator.faults() == []


def test_an_html_answer_is_html(caller: Caller) -> None:
    caller.emulator.inject("html")
    answer = caller.native("getUser", GET_USER)
    assert answer.headers["Content-Type"] == "text/html"
    assert "<h1>502 Bad Gateway</h1>" in answer.text


def test_an_empty_answer_is_empty(caller: Caller) -> None:
    caller.log_in().emulator.inject("empty")
    assert caller.native("getUser", GET_USER).content == b""


def test_a_truncated_answer_is_half_a_document(caller: Caller) -> None:
    whole = caller.log_in().native("getUser", GET_USER).content
    caller.emulator.inject("truncated")
    assert caller.native("getUser", GET_USER).content == whole[: len(whole) // 2]


def test_a_cut_answer_announces_more_than_it_sends(caller: Caller) -> None:
    caller.log_in().emulator.inject("truncated", cut=True)
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        caller.native("getUser", GET_USER)


def test_a_huge_answer_is_valid_json_of_that_size(caller: Caller) -> None:
    caller.log_in().emulator.inject("huge", megabytes=2)
    answer = caller.native("getUser", GET_USER)
    assert len(answer.content) > 2_000_000
    assert answer.json()["result"]["user"]["id"] == GET_USER["userId"]


def test_a_huge_refusal_is_a_refusal(caller: Caller) -> None:
    caller.log_in().emulator.inject("huge", megabytes=2)
    answer = caller.native("getUser", {**GET_USER, "userId": "nobody"})
    assert len(answer.content) > 2_000_000
    assert answer.json()["error"]["message"]


def test_a_slow_call_is_done_at_once_and_answered_late(caller: Caller) -> None:
    caller.log_in().emulator.inject("slow", seconds=30, method="writeUserChatMessage")
    with pytest.raises(requests.ReadTimeout):
        caller.native("writeUserChatMessage", writing(), timeout=0.3)
    assert len(caller.emulator.messages()) == 1


def test_a_slow_call_holds_up_no_other(caller: Caller) -> None:
    caller.log_in().emulator.inject("slow", seconds=0.5)
    slow = threading.Thread(target=caller.native, args=("getUser", GET_USER))
    slow.start()
    while not caller.emulator.journal()[-1]["outcome"].startswith("fault"):
        time.sleep(0.01)
    assert slow.is_alive()
    with requests.Session() as other:
        answer = other.put(caller.emulator.url + PATH, json={"method": "x"}, timeout=10)
    assert slow.is_alive()
    assert answer.json()["error"]["message"] == "method not found: x"
    slow.join()


@pytest.mark.parametrize(
    ("shape", "headers", "where"),
    [
        ("body_epoch", set(), "errors"),
        ("flat_rfc3339", set(), "X-Rate-Limit-Reset"),
        ("header", {"X-Rate-Limit-Reset", "X-Rate-Limit-Limit", "X-Rate-Limit-Remaining"}, "errors"),
        ("retry_after", {"Retry-After"}, "errors"),
    ],
)
def test_a_rate_limit_fault_tells_its_reset_as_asked(
    caller: Caller, shape: str, headers: set[str], where: str
) -> None:
    caller.log_in().emulator.inject("rate_limit", shape=shape, reset_after_seconds=7)
    answer = caller.native("getUser", GET_USER)
    known = {"X-Rate-Limit-Reset", "X-Rate-Limit-Limit", "X-Rate-Limit-Remaining", "Retry-After"}
    assert {name for name in known if name in answer.headers} == headers
    assert where in answer.json()
    if shape == "retry_after":
        assert answer.headers["Retry-After"] == "7"


@pytest.mark.parametrize("shape", ["token_fetch_fail", "http_429", "http_429_retry_after", "envelope_429"])
def test_the_quota_can_be_refused_on_demand(caller: Caller, shape: str) -> None:
    caller.emulator.inject("token_quota", shape=shape, count=2)
    answer = caller.native("issueToken", {"secret": DEMO_SECRET})
    assert (answer.status_code == 429) is shape.startswith("http_429")
    assert "Rate limit exceeded" in answer.text
    assert ("Retry-After" in answer.headers) is (shape == "http_429_retry_after")
    caller.emulator.clear_faults()
    assert caller.issue()["expiresIn"] == 1800


# ---- shapes


@pytest.mark.parametrize(
    ("shape", "token_keys", "user_keys", "command_body"),
    [
        ("seed", ["accessToken", "expiresIn", "refreshToken"], ["result"], {}),
        ("live", ["result"], ["result"], {}),
        ("live_empty_error", ["error", "result"], ["error", "result"], {"error": {}}),
    ],
)
def test_answers_have_the_shape_that_is_set(
    caller: Caller, shape: str, token_keys: list[str], user_keys: list[str], command_body: Any
) -> None:
    caller.emulator.configure(answer_shape=shape)
    token = caller.native("issueToken", {"secret": DEMO_SECRET})
    assert sorted(token.json()) == token_keys
    assert token.headers["Content-Type"] == "application/json"
    assert sorted(caller.log_in().native("getUser", GET_USER).json()) == user_keys
    answer = token.json()
    caller.token = answer.get("result", answer)["accessToken"]
    assert caller.native("registerCommands", {"appId": "demo-app", "commands": []}).json() == command_body


def test_the_token_prefix_marks_every_token(caller: Caller) -> None:
    caller.emulator.configure(token_prefix="CANARY-")
    answer = caller.issue()
    assert answer["accessToken"].startswith("CANARY-")
    assert answer["refreshToken"].startswith("CANARY-")
    assert "CANARY" not in json.dumps(caller.emulator.journal())


# ---- quota


@pytest.mark.parametrize("anchor", ["first", "clock"])
def test_the_quota_holds_and_ends_under_both_anchors(caller: Caller, anchor: str) -> None:
    caller.emulator.configure(quota_anchor=anchor)
    # Start of a window on the clock, so that this test never runs across an edge.
    caller.emulator.advance(1800 - time.time() % 1800)
    bodies = [caller.issue(f"ch-{n % 3 + 1}") for n in range(12)]
    assert [("error" in body) for body in bodies] == [False] * 10 + [True] * 2
    stats = caller.emulator.stats()
    assert (stats["token_requests"], stats["quota_refusals"], stats["max_token_requests_in_any_window"]) == (
        12,
        2,
        12,
    )
    assert stats["token_requests_by_scope"] == {f"channel:ch-{n}": 4 for n in (1, 2, 3)}
    assert [entry["counted"] for entry in caller.emulator.token_requests()] == [True] * 10 + [False] * 2
    caller.emulator.advance(1801)
    assert caller.issue()["expiresIn"] == 1800


@pytest.mark.parametrize(("counts", "allowed"), [(False, 3), (True, 1)])
def test_refused_requests_burn_the_quota_if_so_set(caller: Caller, counts: bool, allowed: int) -> None:
    caller.emulator.configure(quota_limit=3, quota_counts_refused=counts)
    for _ in range(2):
        assert caller.issue("not-installed")["error"]["message"] == "unauthorized"
    assert sum("expiresIn" in caller.issue() for _ in range(3)) == allowed


def test_concurrent_token_requests_never_exceed_the_quota(caller: Caller) -> None:
    caller.emulator.configure(token_latency_seconds=0.05)
    answers: list[Any] = []

    def ask() -> None:
        with requests.Session() as session:
            answers.append(Caller(caller.emulator, session).issue())

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum("expiresIn" in answer for answer in answers) == 10


def test_a_reissued_secret_replaces_the_old_one(caller: Caller) -> None:
    secret = caller.emulator.reissue_secret("demo-app")
    assert "error" in caller.issue()
    assert caller.issue(secret=secret)["expiresIn"] == 1800


def test_a_refresh_token_rotates(caller: Caller) -> None:
    first = caller.issue()
    second = caller.native("refreshToken", {"refreshToken": first["refreshToken"]}).json()["result"]
    assert second["refreshToken"] != first["refreshToken"]
    old = caller.native("refreshToken", {"refreshToken": first["refreshToken"]})
    nothing = {"accessToken": "", "refreshToken": "", "expiresIn": 0}
    assert (old.status_code, old.json()) == (200, {"result": nothing})
    caller.emulator.configure(refresh_refusal="envelope")
    old = caller.native("refreshToken", {"refreshToken": first["refreshToken"]})
    assert old.json()["error"]["message"] == "refresh token is invalid"


def test_revoked_and_aged_tokens_are_refused(caller: Caller) -> None:
    caller.log_in()
    assert caller.emulator.revoke_tokens("app") == 0
    assert caller.emulator.revoke_tokens("channel:ch-1") == 1
    assert "401" in caller.native("getUser", GET_USER).json()["error"]["message"]
    caller.log_in().emulator.advance(1800)
    assert "token is expired" in caller.native("getUser", GET_USER).json()["error"]["message"]


def test_a_permission_that_is_missing_is_refused(caller: Caller) -> None:
    app = {"app_id": "demo-app", "secret": DEMO_SECRET, "permissions": ["getUser"]}
    caller.emulator.configure(apps=[app])
    caller.log_in()
    assert "result" in caller.native("getUser", GET_USER).json()
    assert '"status":403' in caller.native("getChannel", {"channelId": "ch-1"}).json()["error"]["message"]


def test_the_rate_limit_is_in_the_headers_until_it_strikes(caller: Caller) -> None:
    caller.emulator.configure(rate_limit=2, rate_limit_window_seconds=30)
    caller.log_in()
    answers = [caller.native(method, GET_USER) for method in ("getUser", "getChannel", "getUser")]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers.get("X-Rate-Limit-Remaining") for answer in answers] == ["1", "0", None]
    reset = answers[2].json()["errors"][0]["X-Rate-Limit-Reset"]
    assert answers[0].headers["X-Rate-Limit-Reset"] == str(reset)
    caller.emulator.advance(30)
    assert caller.native("getUser", GET_USER).status_code == 200


def test_the_same_request_id_is_the_same_message(caller: Caller) -> None:
    caller.log_in()
    bodies = [caller.native("writeUserChatMessage", writing("r-1")).json() for _ in range(3)]
    assert bodies[0] == bodies[1] == bodies[2]
    assert [message["id"] for message in caller.emulator.messages()] == [bodies[0]["result"]["message"]["id"]]
    assert caller.emulator.messages("chat-ch-1-2") == []


def test_commands_can_be_read_back(caller: Caller) -> None:
    caller.token = caller.issue(None)["accessToken"]
    command = {"name": "a", "scope": "desk", "actionFunctionName": "f", "alfMode": "disable"}
    caller.native("registerCommands", {"appId": "demo-app", "commands": [command]})
    assert [entry["name"] for entry in caller.emulator.commands("demo-app")] == ["a"]


def test_an_app_function_can_be_programmed(caller: Caller) -> None:
    caller.log_in()
    url = f"{caller.emulator.url}/general/v1/apps/other-app/functions"

    def call() -> requests.Response:
        body = {"method": "f", "params": {"a": 1}}
        return caller.session.put(url, json=body, headers={"x-access-token": caller.token}, timeout=10)

    assert call().json() == {"result": {"method": "f", "params": {"a": 1}, "context": None}}
    caller.emulator.answer_app_function("other-app", "f", result={"b": 2})
    assert call().json() == {"result": {"b": 2}}
    caller.emulator.answer_app_function(
        "other-app", "f", error={"type": "t", "message": "m"}, http_status=422
    )
    assert (call().status_code, call().json()) == (422, {"error": {"type": "t", "message": "m"}})


# ---- Benlly


@pytest.mark.parametrize("kind", ["data", "json"])
def test_benlly_takes_both_encodings(caller: Caller, kind: str) -> None:
    headers = {
        "authorization": "Bearer benlly-user-token",
        "x-benlly-request-device": "web",
        "x-benlly-udid": "u",
    }
    url = f"{caller.emulator.url}/api/v0.9/channel/1/authorize"
    body: Any = {kind: {"token": "CANARY"}}
    answer = caller.session.post(url, headers=headers, timeout=10, **body)
    assert answer.json()["data"]["device_token"] == "CANARY"
    assert [(row["channel_id"], row["udid"]) for row in caller.emulator.authorizations()] == [(1, "u")]
    assert "CANARY" not in json.dumps([caller.emulator.journal(), caller.emulator.authorizations()])


# ---- the wire itself


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
    running: EmulatorThread, method: bytes, path: bytes, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    port = int(running.url.rpartition(":")[2])
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
