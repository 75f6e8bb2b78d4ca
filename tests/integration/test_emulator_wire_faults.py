"""The emulator over real HTTP: every fault, as a client meets it."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import requests
from support.emulator_caller import GET_USER, PATH, Caller, writing

from airflow_channel_provider.emulator import DEMO_SECRET


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
