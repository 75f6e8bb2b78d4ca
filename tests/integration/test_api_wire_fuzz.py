"""Bytes on a wire that are nearly HTTP, through the whole way of a call: a result or an error of the tree.

Neither they nor what they say of tokens makes an app ask for more tokens than its quota allows.
"""

from __future__ import annotations

import gzip
import json
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import cases
from support.made_up_answers import assert_fit_to_be_shown, bodies, headers, statuses
from support.peers import read_request, serving

from airflow_channel_provider.exceptions import ChannelError
from airflow_channel_provider.hooks.benlly import BenllyHook
from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook

pytestmark = pytest.mark.promise(name="plausible")

SECRET = "c2VjcmV0LW9mLXRoZS1hcHA="
PASSWORD = "pass-word-of-mina"
ECHOED = (SECRET, PASSWORD)
CALLS = 3
TOKEN_QUOTA = 10
TOKEN_REQUEST = re.compile(rb'"method":"(?:issueToken|refreshToken)"|POST /api/oauth/token')

LINES = st.sampled_from(
    [
        b"HTTP/1.1 %d X",
        b"HTTP/1.0 %d",
        b"HTTP/2 %d",
        b"HTTP/1.1 100 X\r\n\r\nHTTP/1.1 %d",
        b"http/1.1 %d",
        b"%d",
    ]
)
FRAMINGS = st.sampled_from(["length", "length", "chunked", "close", "short", "long", "both", "twice", "none"])
ENCODINGS = st.sampled_from([b"", b"", b"gzip", b"gzip, gzip", b"br", b"identity"])
ACCESS: st.SearchStrategy[object] = st.sampled_from(
    ["", "access-1", "access-2", "access 3", "a" * 20_000, None, 7, {}]
)
REFRESH: st.SearchStrategy[object] = st.sampled_from(["refresh-1", "refresh-2", "", "r\n", None, []])
LIVES: st.SearchStrategy[object] = st.sampled_from(
    [1800, 1, 0, -1, 0.001, "1800", "soon", None, True, [], 10**5]
)


@st.composite
def token_answers(draw: st.DrawFn) -> bytes:
    """Nearly the answer to a token request, of either service."""
    pair = {"accessToken": draw(ACCESS), "refreshToken": draw(REFRESH), "expiresIn": draw(LIVES)}
    snake = {"access_token": pair["accessToken"], "refresh_token": pair["refreshToken"]}
    both = {**pair, **snake, "expires_in": pair["expiresIn"]}
    return json.dumps(
        both | {"result": pair, "data": {}} if draw(st.booleans()) else {"result": pair}
    ).encode()


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    body = draw(token_answers() | bodies(*ECHOED))
    encoding = draw(ENCODINGS)
    content = gzip.compress(body, mtime=0) if encoding == b"gzip" and draw(st.booleans()) else body
    head = [draw(LINES) % draw(st.just(200) | statuses())]
    head += [f"{name}: {value}".encode("latin-1") for name, value in draw(headers(*ECHOED)).items()]
    head += [b"Content-Encoding: " + encoding] if encoding else []
    framing = draw(FRAMINGS)
    length = len(content) + {"short": -1, "long": 1}.get(framing, 0)
    if framing in ("length", "short", "long", "both", "twice"):
        head += [b"Content-Length: %d" % length]
    if framing == "twice":
        head += [b"Content-Length: %d" % (length + 1)]
    if framing in ("chunked", "both"):
        head += [b"Transfer-Encoding: chunked"]
        content = b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content)
    return b"\r\n".join([*head, b"", content])


@dataclass
class Service:
    """Answers request after request with what was made up, over and over, and closes the connection each time."""

    answers: list[bytes] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    host: str = ""

    def handle(self, peer: socket.socket) -> None:
        self.requests.append(read_request(peer))
        peer.sendall(self.answers[len(self.requests) % len(self.answers)])

    def begin(self, answers: list[bytes]) -> None:
        self.answers, self.requests = answers, []

    def token_requests(self) -> int:
        return sum(bool(TOKEN_REQUEST.search(request)) for request in self.requests)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    service = Service()
    with serving(service.handle) as server:
        service.host = f"127.0.0.1:{server.port}"
        yield service


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", "memory://")


def try_often(call: Callable[[], object]) -> None:
    for _ in range(CALLS):
        try:
            call()
        except ChannelError as error:
            assert_fit_to_be_shown(error, *ECHOED)


@pytest.mark.fuzz
@pytest.mark.any_airflow
@cases(60)
@given(made_up=st.lists(answers(), min_size=1, max_size=3), number=st.integers(0, 10**12))
def test_any_answer_of_channel_talk_is_a_result_or_an_error_and_costs_no_more_than_the_quota(
    made_up: list[bytes], number: int, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = {
        "conn_type": "channel_talk",
        "host": f"http://{service.host}",
        "login": f"app-{number}",
        "password": SECRET,
        "extra": {"channel_id": "ch-1", "timeout": 5},
    }
    monkeypatch.setenv("AIRFLOW_CONN_CHANNEL_TALK_DEFAULT", json.dumps(connection))
    service.begin(made_up)
    with ChannelTalkHook(call_attempts=2, max_wait_seconds=0) as hook:
        try_often(lambda: hook.call("getUser", {"userId": "u"}))
        try_often(lambda: list(hook.iterate("searchManagers", limit=10)))
    assert service.token_requests() <= TOKEN_QUOTA


@pytest.mark.fuzz
@pytest.mark.any_airflow
@cases(40)
@given(made_up=st.lists(answers(), min_size=1, max_size=3), number=st.integers(0, 10**12))
def test_any_answer_of_benlly_is_a_result_or_an_error(
    made_up: list[bytes], number: int, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = {
        "client_id": "7",
        "client_secret": SECRET,
        "username": f"user-{number}",
        "user_password": PASSWORD,
    }
    connection = {
        "conn_type": "benlly",
        "host": f"http://{service.host}",
        "extra": {"device": "web", "udid": "7f0abbcd", "timeout": 5, **login},
    }
    monkeypatch.setenv("AIRFLOW_CONN_BENLLY_DEFAULT", json.dumps(connection))
    service.begin(made_up)
    with BenllyHook(call_attempts=2, max_wait_seconds=0) as hook:
        try_often(lambda: hook.authorize_channel(1))
        try_often(lambda: hook.deauthorize_channel(1))
    assert service.token_requests() <= 2 * CALLS
