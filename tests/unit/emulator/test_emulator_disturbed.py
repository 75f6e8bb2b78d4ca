from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_channel_provider.emulator import DEMO_SECRET
from airflow_channel_provider.emulator.service import NATIVE_PATH

if TYPE_CHECKING:
    from unit.emulator.conftest import Driver

GET_USER = {"channelId": "ch-1", "userId": "user-ch-1-1"}


def test_settings_change_under_way_and_reset_goes_back(driver: Driver) -> None:
    driver.issue()
    driver.emulator.configure({"quota_limit": 1, "token_life_seconds": 5})
    assert "error" in driver.issue()
    driver.emulator.clock.advance(1800)
    assert driver.issue()["expiresIn"] == 5
    driver.emulator.reset()
    assert driver.emulator.clock.offset_seconds == 0
    assert driver.issue()["expiresIn"] == 1800
    assert driver.emulator.stats()["calls"] == 1


def test_apps_and_channels_can_be_replaced(driver: Driver) -> None:
    apps = [{"app_id": "other", "secret": "s"}]
    channels = [
        {"id": "x", "users": [{"id": "u", "name": "U"}], "user_chats": [{"id": "c", "state": "closed"}]}
    ]
    driver.emulator.configure({"apps": apps, "channels": channels})
    token = driver.issue("x", "s")["accessToken"]
    assert driver.native("getUser", {"channelId": "x", "userId": "u"}, token)["result"]["user"][
        "profile"
    ] == {"name": "U"}
    chat = driver.native("getUserChat", {"channelId": "x", "userChatId": "c"}, token)["result"]["userChat"]
    assert chat["state"] == "USER_CHAT_STATE_CLOSED"
    assert (
        driver.native("getGroup", {"channelId": "x", "groupId": "group-x-1"}, token)["result"]["group"][
            "title"
        ]
        == "Support"
    )
    assert "error" in driver.issue("ch-1")


@pytest.mark.parametrize(
    ("fault", "acted", "status"),
    [
        ("close_before", False, None),
        ("close_after", True, None),
        ("http_500", False, 500),
        ("http_500_after", True, 500),
        ("rate_limit", False, 429),
        ("unauthorized", False, 401),
        ("slow", True, 200),
    ],
)
def test_a_fault_acts_or_does_not_and_says_so(
    driver: Driver, fault: str, acted: bool, status: int | None
) -> None:
    driver.emulator.faults.inject(fault, method="writeUserChatMessage")
    dto = {"botName": "b", "plainText": "x", "requestId": "r-1"}
    token = driver.issue()["accessToken"]
    driver.native(
        "writeUserChatMessage", {"channelId": "ch-1", "userChatId": "chat-ch-1-1", "dto": dto}, token
    )
    assert driver.status == status
    assert len(driver.emulator.world.messages.listing()) == (1 if acted else 0)
    entry = driver.last()
    assert (entry["outcome"], entry["acted"], entry["http_status"]) == (f"fault:{fault}", acted, status)
    assert (entry["scope"], entry["request_id"]) == ("channel:ch-1", "r-1")


def test_a_quota_fault_is_a_token_request_that_was_not_counted(driver: Driver) -> None:
    driver.emulator.faults.inject("token_quota", options={"shape": "http_429_retry_after"})
    driver.issue()
    assert (driver.status, driver.headers) == (429, {"Retry-After": "1800"})
    record = driver.emulator.journal.token_requests()[0]
    assert (record["kind"], record["scope"], record["app_id"]) == ("issue", "channel:ch-1", "demo-app")
    assert (record["counted"], record["refused_by_quota"]) == (False, True)
    assert driver.emulator.stats()["quota_refusals"] == 1


def test_a_refresh_dropped_after_it_was_done_has_spent_its_token(driver: Driver) -> None:
    pair = driver.issue()
    driver.emulator.faults.inject("close_after", method="refreshToken")
    assert driver.refresh(pair["refreshToken"]) is None
    record = driver.last()
    assert (record["kind"], record["counted"], record["scope"]) == ("refresh", True, "channel:ch-1")
    assert driver.refresh(pair["refreshToken"])["expiresIn"] == 0


def test_a_refresh_dropped_before_it_was_done_has_not(driver: Driver) -> None:
    pair = driver.issue()
    driver.emulator.faults.inject("close_before", method="refreshToken")
    driver.refresh(pair["refreshToken"])
    assert driver.last()["counted"] is False
    assert driver.last()["scope"] == "channel:ch-1"
    assert driver.refresh(pair["refreshToken"])["expiresIn"] == 1800


@pytest.mark.promise(name="emulator")
def test_the_journal_knows_no_secret_and_no_token(make_driver: type[Driver]) -> None:
    driver = make_driver(token_prefix="CANARY-")
    pair = driver.issue()
    driver.refresh(pair["refreshToken"])
    driver.native("getUser", {**GET_USER, "userToken": "CANARY"}, pair["accessToken"])
    written = json.dumps([driver.emulator.journal.since(), driver.emulator.journal.token_requests()])
    assert "CANARY" not in written
    assert DEMO_SECRET not in written
    assert driver.emulator.journal.since()[0]["params"] == {"secret": "***", "channelId": "ch-1"}
    fingerprints = [entry["token_fingerprint"] for entry in driver.emulator.journal.since()]
    assert fingerprints[0] == fingerprints[2] != fingerprints[1]


def test_a_large_body_is_not_kept_in_the_journal(driver: Driver) -> None:
    driver.call("writeGroupMessage", groupId="group-ch-1-1", dto={"botName": "b", "blocks": ["x" * 70_000]})
    assert driver.last()["params"].startswith("… (70")


@pytest.mark.parametrize(
    ("settings", "method", "seconds"),
    [
        ({"latency_seconds": 2}, "getUser", 2),
        ({"latency_seconds": 2}, "issueToken", 2),
        ({"latency_seconds": 2, "token_latency_seconds": 3}, "issueToken", 3),
        ({"token_latency_seconds": 3}, "getUser", 0),
    ],
)
def test_latency_is_per_kind_of_request(
    make_driver: type[Driver], settings: dict[str, Any], method: str, seconds: float
) -> None:
    driver = make_driver(**settings)
    body = json.dumps({"method": method, "params": {"secret": DEMO_SECRET}}).encode()
    assert driver.emulator.handle("PUT", NATIVE_PATH, {}, body).delay_seconds == seconds


def test_a_defect_of_the_emulator_is_a_500_that_is_told(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver.emulator.world.tokens, "_access", None)
    assert driver.native("getUser", GET_USER, "a.b.c")["status"] == 500
    assert driver.last()["error"].startswith("internal error: AttributeError")


def app_function(driver: Driver, body: Any, app_id: str = "other-app", token: str | None = None) -> Any:
    token = driver.issue()["accessToken"] if token is None else token
    path = f"/general/v1/apps/{app_id}/functions"
    return driver.send("PUT", path, json.dumps(body).encode(), **{"x-access-token": token})


def test_an_app_function_echoes_until_it_is_programmed(driver: Driver) -> None:
    body = {"method": "tutorial", "params": {"a": 1}, "context": {"channel": {"id": "ch-1"}}}
    assert app_function(driver, body) == {"result": body}
    driver.emulator.world.app_answers[("other-app", "tutorial")] = {"result": [1]}
    assert app_function(driver, body) == {"result": [1]}
    driver.emulator.world.app_answers[("other-app", "tutorial")] = {
        "error": {"type": "t", "message": "m"},
        "http_status": 418,
    }
    assert (app_function(driver, body), driver.status) == ({"error": {"type": "t", "message": "m"}}, 418)


def test_an_app_function_with_a_bad_token_is_a_plain_401(driver: Driver) -> None:
    assert app_function(driver, {"method": "x"}, token="a.b.c")["status"] == 401
    assert driver.status == 401


def test_an_app_function_for_another_channel_is_a_plain_422(driver: Driver) -> None:
    body = app_function(driver, {"method": "x", "context": {"channel": {"id": "ch-2"}}})
    assert (driver.status, body["errors"]) == (422, [{"message": "function call unauthorized"}])
