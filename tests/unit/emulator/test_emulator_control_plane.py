from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from unit.emulator.conftest import settle

from airflow_channel_provider.emulator.control_plane import ControlPlane
from airflow_channel_provider.emulator.overview import overview
from airflow_channel_provider.emulator.server import EmulatorServer

if TYPE_CHECKING:
    from unit.emulator.conftest import Driver


def ask(driver: Driver, http_method: str, name: str, body: bytes = b"", **query: str) -> tuple[int, Any]:
    answer = settle(ControlPlane(driver.emulator).handle(http_method, f"/_emulator/{name}", query, body))
    return answer.status, json.loads(answer.body)


@pytest.mark.parametrize(
    ("name", "body", "message"),
    [
        ("inject", b'{"fault":"nonsense"}', "no fault 'nonsense'"),
        (
            "inject",
            b'{"fault":"empty","counts":3}',
            "inject takes fault, count, method, share, options, not counts",
        ),
        ("inject", b"[]", "the body must be a JSON object"),
        ("advance", b'{"seconds":-1}', "never runs back"),
        ("advance", b"{}", "never runs back"),
        ("advance", b'{"seconds":1e300}', "nor further ahead than 300 years"),
        ("advance", b'{"seconds":1e999}', "a number is too large"),
        ("advance", b'{"seconds":1' + b"0" * 400 + b"}", "too large"),
        ("configure", b'{"quota":3}', "no setting 'quota'"),
        ("configure", b'{"latency_seconds":1e300}', "latency_seconds must be a number from 0, up to 86,400"),
        ("configure", b'{"rate_limit_window_seconds":1e300}', "up to 1,000,000,000"),
        ("configure", b'{"token_life_seconds":1' + b"0" * 400 + b"}", "must be a number above 0"),
        ("app_functions", b'{"app_id":"x","method":"m","http_status":"200"}', "from 200 to 599"),
        ("app_functions", b'{"app_id":"x","method":"m","http_status":99}', "from 200 to 599"),
        ("inject", b'{"fault":"slow","count":1e308}', "count must be a whole number"),
        ("reset", b"[" * 100_000, "nested too deep"),
        ("reissue_secret", b'{"app_id":"x"}', "no app 'x'"),
        ("app_functions", b'{"app_id":"x"}', "app_id and method must be strings"),
        ("user_chats", b'{"user_chat_id":"x"}', "no user chat 'x'"),
        (
            "user_chats",
            b'{"user_chat_id":"chat-ch-1-1","state":"shut"}',
            "state must be one of opened, closed",
        ),
        ("user_chats", b'{"user_chat_id":"chat-ch-1-1","stat":"closed"}', "to change, not stat"),
        ("user_chats", b'{"user_chat_id":"chat-ch-1-1","after_seconds":-1}', "a number from 0 up"),
        ("reset", b"{", "Expecting"),
    ],
)
def test_a_wrong_order_is_refused_with_its_reason(
    driver: Driver, name: str, body: bytes, message: str
) -> None:
    status, answer = ask(driver, "POST", name, body)
    assert status == 400
    assert message in answer["error"]


@pytest.mark.parametrize(
    ("http_method", "name"), [("GET", "reset"), ("POST", "journal"), ("GET", ""), ("PUT", "stats")]
)
def test_what_is_not_there_is_a_404_that_lists_what_is(driver: Driver, http_method: str, name: str) -> None:
    status, answer = ask(driver, http_method, name)
    assert status == 404
    assert "GET one of app_calls, authorizations, " in answer["error"]


def test_a_wrong_query_is_a_400(driver: Driver) -> None:
    assert ask(driver, "GET", "journal", since="x")[0] == 400
    assert ask(driver, "GET", "commands", app_id="x") == (400, {"error": "no app 'x'"})
    assert ask(driver, "GET", "table", app_id="demo-app", table_name="t") == (400, {"error": "no table 't'"})


def test_what_waits_and_what_is_set_can_be_read(driver: Driver) -> None:
    ask(driver, "POST", "inject", b'{"fault":"slow","options":{"seconds":2}}')
    assert ask(driver, "GET", "faults")[1][0]["options"] == {"seconds": 2}
    assert ask(driver, "POST", "clear_faults") == (200, None)
    assert ask(driver, "GET", "faults") == (200, [])
    assert ask(driver, "GET", "settings")[1]["quota_limit"] == 10


def test_the_overview_tells_the_window_slot_by_slot(driver: Driver) -> None:
    pair = driver.issue()
    driver.time += 1
    driver.refresh(pair["refreshToken"])
    window = overview(driver.emulator)["windows"][0]
    assert (window["app_id"], window["used"], window["limit"]) == ("demo-app", 2, 10)
    assert (window["started_at"], window["ends_at"]) == (driver.time - 1, driver.time + 1799)
    assert window["marks"] == [
        {"at": driver.time - 1, "kind": "issue", "scope": "channel:ch-1"},
        {"at": driver.time, "kind": "refresh", "scope": "channel:ch-1"},
    ]


def test_the_overview_shows_chats_by_their_last_message(make_driver: type[Driver]) -> None:
    driver = make_driver(contract="lenient")
    for chat in ("chat-ch-1-1", "chat-ch-1-2", "chat-ch-1-1"):
        driver.call("writeUserChatMessage", userChatId=chat, dto={"botName": "b", "plainText": chat})
    blocks = [
        {"type": "text", "value": "a"},
        {"type": "divider"},
        {"type": "bullets", "blocks": [{"value": "x"}]},
    ]
    driver.call(
        "writeGroupMessage", groupId="group-ch-1-1", dto={"managerId": "manager-ch-1-1", "blocks": blocks}
    )
    chats = overview(driver.emulator)["chats"]
    assert [(c["title"], c["state"], len(c["messages"])) for c in chats] == [
        ("Support", None, 1),
        ("Ada Kim", "opened", 2),
        ("Ben Okafor", "opened", 1),
    ]
    message = chats[0]["messages"][0]
    assert (message["writer"], message["text"]) == ("Mina Seo", "a\n———\n• x")


@pytest.mark.promise(name="emulator")
def test_the_overview_shows_text_without_its_markup_and_lists_as_they_are_nested(driver: Driver) -> None:
    inner = {"type": "bullets", "blocks": [{"type": "text", "value": "c"}, {"type": "text", "value": "d"}]}
    blocks = [
        {"type": "text", "value": '<b>a</b> &lt; <link type="manager" value="1">@M</link>'},
        {"type": "code", "value": "<b>&lt;"},
        {"type": "bullets", "blocks": [{"type": "text", "value": "b"}, inner]},
    ]
    driver.call("writeGroupMessage", groupId="group-ch-1-1", dto={"botName": "b", "blocks": blocks})
    (message,) = overview(driver.emulator)["chats"][0]["messages"]
    assert message["text"] == "a < @M\n<b>&lt;\n• b\n  • c\n  • d"


def test_the_overview_is_bounded(driver: Driver) -> None:
    for n in range(60):
        driver.call(
            "writeUserChatMessage", userChatId="chat-ch-1-1", dto={"botName": "b", "plainText": f"{n}"}
        )
        driver.native("noSuchThing")
    shown = overview(driver.emulator)
    assert [m["text"] for m in shown["chats"][0]["messages"]] == [str(n) for n in range(40, 60)]
    assert len(shown["errors"]) == 30
    assert shown["errors"][0]["error"] == "method not found: noSuchThing"


@pytest.mark.promise(name="emulator")
def test_the_overview_holds_no_secret(make_driver: type[Driver]) -> None:
    driver = make_driver(token_prefix="CANARY-")
    pair = driver.issue()
    driver.refresh(pair["refreshToken"])
    driver.issue(secret="CANARY")
    assert "CANARY" not in json.dumps(overview(driver.emulator))


@pytest.mark.parametrize("path", ["/", "/chat", "/chat.js", "/chat.css"])
def test_a_page_needs_nothing_from_outside_and_writes_no_html(path: str) -> None:
    page = EmulatorServer()._pages[path]
    for outside in ("@import", "innerHTML", "insertAdjacentHTML", "document.write", "https://", "eval("):
        assert outside not in page
    own = re.findall(r'<(?:link rel="stylesheet" href|script src)="([^"]*)"', page)
    assert own == (["/chat.css", "/chat.js"] if path == "/chat" else [])


def test_the_pages_are_whole_documents() -> None:
    for path in ("/", "/chat"):
        assert EmulatorServer()._pages[path].startswith("<!doctype html>")
    # Nothing of the page of conversations is inline, so that its policy can forbid it.
    assert not re.search(r"<style|<script>| style=| on[a-z]+=", EmulatorServer()._pages["/chat"])
