from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from unit.emulator.conftest import broken_rules

from airflow_channel_provider.emulator import DEMO_SECRET
from airflow_channel_provider.emulator.service import NATIVE_PATH

if TYPE_CHECKING:
    from unit.emulator.conftest import Driver

GET_USER = {"channelId": "ch-1", "userId": "user-ch-1-1"}


def message_of(body: Any) -> str:
    return str(body["error"]["message"])


def upstream(body: Any) -> Any:
    return json.loads(message_of(body).removeprefix("request failed, body: "))


@pytest.mark.parametrize(
    ("method", "params"), [("getUser", GET_USER), ("getCommandChannelActivations", {"appId": "demo-app"})]
)
def test_a_bad_token_is_refused_in_the_words_of_who_looks_at_it(
    driver: Driver, method: str, params: Any
) -> None:
    body = driver.native(method, params, "a.b.c")
    if method == "getUser":
        assert upstream(body)["status"] == 401
    else:
        assert message_of(body) == "signature is invalid"
    assert driver.status == 200


def test_an_expired_token_is_refused_with_its_scope_in_the_journal(driver: Driver) -> None:
    token = driver.issue()["accessToken"]
    driver.time += 1800
    body = driver.native("getUser", GET_USER, token)
    assert upstream(body)["errors"] == [{"message": "token is expired by 0s"}]
    entry = driver.last()
    assert (entry["scope"], entry["acted"], entry["outcome"]) == ("channel:ch-1", False, "refused")


def test_the_token_may_come_as_authorization(driver: Driver) -> None:
    token = driver.issue()["accessToken"]
    body = json.dumps({"method": "getUser", "params": GET_USER}).encode()
    assert "result" in driver.send("PUT", NATIVE_PATH, body, Authorization=f"Bearer {token}")
    both = {"x-access-token": "", "Authorization": f"Bearer {token}"}
    assert "result" in driver.send("PUT", NATIVE_PATH, body, **both)


@pytest.mark.parametrize("method", ["getUser", "writeGroupMessage"])
def test_a_permission_that_the_app_lacks_is_a_proxied_403(make_driver: type[Driver], method: str) -> None:
    apps = [{"app_id": "demo-app", "secret": DEMO_SECRET, "permissions": ["getChannel"]}]
    driver = make_driver(apps=apps)
    body = driver.call(method, **GET_USER, groupId="group-ch-1-1", dto={"botName": "b"})
    assert upstream(body) == {
        "status": 403,
        "type": "Forbidden",
        "language": "en",
        "errors": [{"message": "service, action check fail"}],
    }
    assert driver.call("getChannel")["channel"]["id"] == "ch-1"


def test_a_permission_of_the_store_itself_is_refused_plainly(make_driver: type[Driver]) -> None:
    driver = make_driver(apps=[{"app_id": "demo-app", "secret": DEMO_SECRET, "permissions": []}])
    body = driver.call("checkInstall", appId="demo-app")
    assert body == {"error": {"type": "common", "message": "service, action check fail"}}
    # Permissions belong to channel tokens: an app token has its own.
    assert driver.app_call("registerCommands", commands=[]) == {}


def test_each_kind_of_token_is_refused_where_the_other_is_wanted(driver: Driver) -> None:
    assert message_of(driver.call("registerCommands", appId="demo-app", commands=[])) == "scope check fail"
    assert upstream(driver.app_call("getUser", **GET_USER))["status"] == 403


@pytest.mark.parametrize(
    "params", [{"channelId": "ch-2", "userId": "user-ch-2-1"}, {**GET_USER, "appId": "other"}]
)
def test_a_channel_token_acts_in_its_own_channel_for_its_own_app(driver: Driver, params: Any) -> None:
    token = driver.issue("ch-1")["accessToken"]
    assert upstream(driver.native("getUser", params, token))["status"] == 403


def test_an_upstream_refusal_is_plain_where_it_is_not_proxied(make_driver: type[Driver]) -> None:
    driver = make_driver(proxied_errors=False)
    body = driver.call("getUser", userId="nobody")
    assert body == {"error": {"type": "common", "message": "user not found", "code": 404}}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"method":3}',
        b'{"method":"getUser","params":[]}',
        b'{"method":"x","params":NaN}',
    ],
)
def test_a_body_that_is_no_call_is_422(driver: Driver, body: bytes) -> None:
    answer = driver.send("PUT", NATIVE_PATH, body)
    assert (driver.status, answer["status"], answer["type"]) == (422, 422, "Unprocessable Entity")
    assert driver.last()["acted"] is False


def test_an_unknown_method_is_an_envelope_error_without_a_token(driver: Driver) -> None:
    assert driver.native("noSuchThing") == {
        "error": {"type": "common", "message": "method not found: noSuchThing"}
    }


@pytest.mark.parametrize(
    ("http_method", "path"),
    [
        ("PUT", "/general/v1/native/fucntions"),
        ("POST", NATIVE_PATH),
        ("GET", "/favicon.ico"),
        ("PUT", "/general/v1/apps"),
    ],
)
def test_a_wrong_address_is_404_with_a_body(driver: Driver, http_method: str, path: str) -> None:
    assert driver.send(http_method, path, b"{}")["status"] == 404


def test_a_missing_parameter_is_named(driver: Driver) -> None:
    message = "validation failed: userId is required, it is absent (required)"
    assert driver.call("getUser") == {"error": {"type": "unprocessable", "message": message, "code": 1}}


def test_a_value_of_the_wrong_type_is_refused_and_nothing_breaks(driver: Driver) -> None:
    values: list[Any] = [[], {}, 5, True, [[]]]
    for value in values:
        assert broken_rules(driver.call("getUser", userId=value)) == ["userId type"]


def test_the_rate_limit_is_told_in_headers_and_then_enforced(make_driver: type[Driver]) -> None:
    driver = make_driver(rate_limit=2, rate_limit_window_seconds=60)
    driver.call("getUser", userId="user-ch-1-1")
    reset = str(int(driver.time) + 60)
    assert driver.headers == {
        "X-Rate-Limit-Limit": "2",
        "X-Rate-Limit-Remaining": "1",
        "X-Rate-Limit-Reset": reset,
    }
    driver.time += 30
    driver.call("getUser", "ch-2", userId="user-ch-2-1")
    assert driver.headers["X-Rate-Limit-Remaining"] == "0"
    body = driver.call("getUser", "ch-3", userId="user-ch-3-1")
    assert (driver.status, body["errors"][0]["X-Rate-Limit-Reset"]) == (429, int(reset))
    assert driver.last()["acted"] is False
    driver.time += 30
    assert driver.call("getUser", userId="user-ch-1-1")["user"]["id"] == "user-ch-1-1"


def test_only_calls_with_a_live_token_count_for_the_rate_limit(make_driver: type[Driver]) -> None:
    driver = make_driver(rate_limit=1)
    for _ in range(3):
        driver.native("getUser", GET_USER, "a.b.c")
        driver.issue()
    assert "user" in driver.call("getUser", userId="user-ch-1-1")
