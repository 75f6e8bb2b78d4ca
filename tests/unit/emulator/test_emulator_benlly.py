from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from unit.emulator.conftest import Driver

AUTHORIZE = "/api/v0.9/channel/1/authorize"
HEADERS = {
    "Authorization": "Bearer benlly-user-token",
    "X-Benlly-Request-Device": "android",
    "X-Benlly-Udid": "7f0abbcd-fb03-4484-aaba-a0211d9c14e2",
}
FORM = {**HEADERS, "Content-Type": "application/x-www-form-urlencoded"}
OAUTH = {"client_id": 1, "client_secret": "s", "username": "ada", "password": "p"}


def oauth(driver: Driver, **params: Any) -> Any:
    body = json.dumps({**OAUTH, **params}).encode()
    return driver.send("POST", "/api/oauth/token", body, **{"Content-Type": "application/json"})


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", b"token=push-token%2B1"),
        ("application/json", b'{"token":"push-token+1"}'),
        ("application/json; charset=utf-8", b'{"token":"push-token+1"}'),
        ("", b"token=push-token%2B1"),
    ],
)
def test_a_push_channel_is_authorized_with_a_form_or_json(
    driver: Driver, content_type: str, body: bytes
) -> None:
    answer = driver.send("POST", AUTHORIZE, body, **{**HEADERS, "Content-Type": content_type})
    assert (driver.status, answer) == (
        200,
        {
            "data": {
                "udid": "7f0abbcd-fb03-4484-aaba-a0211d9c14e2",
                "device_token": "push-token+1",
                "expired_at": None,
                "expired": False,
                "created_at": "2023-11-15T07:13:20+09:00",
                "updated_at": "2023-11-15T07:13:20+09:00",
            }
        },
    )


def test_another_channel_wants_no_token_and_answers_none(driver: Driver) -> None:
    answer = driver.send("POST", "/api/v0.9/channel/2/authorize", b"token=ignored", **FORM)
    assert "device_token" not in answer["data"]


def test_authorizing_again_updates_the_same_row(driver: Driver) -> None:
    driver.send("POST", AUTHORIZE, b"token=a", **FORM)
    driver.time += 60
    data = driver.send("POST", AUTHORIZE, b"token=b", **FORM)["data"]
    assert (data["created_at"], data["updated_at"]) == (
        "2023-11-15T07:13:20+09:00",
        "2023-11-15T07:14:20+09:00",
    )
    rows = driver.emulator.benlly.authorizations()
    assert [(row["channel_id"], row["device"], row["device_token"]) for row in rows] == [
        (1, "android", "***")
    ]


@pytest.mark.parametrize(
    ("changed", "body", "status"),
    [
        ({"Authorization": ""}, b"token=t", 401),
        ({"Authorization": "Bearer wrong"}, b"token=t", 401),
        ({"Authorization": "Basic benlly-user-token"}, b"token=t", 401),
        ({"X-Benlly-Request-Device": ""}, b"token=t", 400),
        ({"X-Benlly-Request-Device": "fridge"}, b"token=t", 400),
        ({"X-Benlly-Udid": " "}, b"token=t", 400),
        ({}, b"", 422),
        ({}, b"token=", 422),
        ({"Content-Type": "application/json"}, b"[]", 400),
        ({"Content-Type": "application/json"}, b"{", 400),
        ({}, b"\xff", 400),
    ],
)
def test_what_is_missing_is_refused_and_nothing_is_authorized(
    driver: Driver, changed: dict[str, str], body: bytes, status: int
) -> None:
    answer = driver.send("POST", AUTHORIZE, body, **{**FORM, **changed})
    assert driver.status == status
    assert answer["message"]
    assert driver.emulator.benlly.authorizations() == []
    assert driver.last()["outcome"] == "refused"


@pytest.mark.parametrize("device", ["ios", "android", "web", "infoboard", "windows"])
def test_five_devices_are_known(driver: Driver, device: str) -> None:
    driver.send("POST", AUTHORIZE, b"token=t", **{**FORM, "X-Benlly-Request-Device": device})
    assert driver.status == 200


@pytest.mark.parametrize(
    ("http_method", "path"),
    [
        ("POST", "/api/v0.9/channel/99/authorize"),
        ("POST", "/api/v0.9/channels/1/authorize"),
        ("GET", AUTHORIZE),
        ("POST", "/api/v0.9/channel/x/authorize"),
        ("POST", "/api/v0.9/channel/" + "1" * 5000 + "/authorize"),
        ("DELETE", "/api/v0.9/channel/1/deauthorize"),
        ("POST", "/api/v1/channel/1/authorize"),
    ],
)
def test_other_addresses_are_404(driver: Driver, http_method: str, path: str) -> None:
    driver.send(http_method, path, b"token=t", **FORM)
    assert driver.status == 404


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        ("/api/v0.9/channel/1/triggers", None, 200),
        ("/api/v0.9/channel/99/triggers", None, 404),
        ("/api/v0.9/channel/1/triggers", "Bearer another", 401),
    ],
)
def test_triggers_are_read_without_an_effect(
    driver: Driver, path: str, token: str | None, status: int
) -> None:
    driver.send("GET", path, b"", **{**FORM, **({"Authorization": token} if token else {})})
    assert driver.status == status
    assert driver.emulator.benlly.authorizations() == []


def test_an_authorization_is_taken_back_once(driver: Driver) -> None:
    driver.send("POST", AUTHORIZE, b"token=t", **FORM)
    path = "/api/v0.9/channels/1/deauthorize"
    without_udid = {k: v for k, v in FORM.items() if k != "X-Benlly-Udid"}
    driver.send("DELETE", path, b"", **without_udid)
    assert (driver.status, driver.emulator.benlly.authorizations()) == (200, [])
    driver.send("DELETE", path, b"", **without_udid)
    assert driver.status == 404


def test_a_registered_user_may_log_in_refresh_and_authorize(driver: Driver) -> None:
    registered = oauth(driver, grant_type="register")
    assert (registered["token_type"], registered["expires_in"]) == ("Bearer", 31_536_000)
    logged_in = oauth(driver, grant_type="password")
    fresh = oauth(driver, grant_type="refresh_token", refresh_token=logged_in["refresh_token"])
    headers = {**FORM, "Authorization": f"Bearer {fresh['access_token']}"}
    driver.send("POST", AUTHORIZE, b"token=t", **headers)
    assert driver.status == 200
    driver.time += 31_536_000
    driver.send("POST", AUTHORIZE, b"token=t", **headers)
    assert driver.status == 401
    written = json.dumps(driver.emulator.journal.since())
    assert fresh["access_token"] not in written
    assert logged_in["refresh_token"] not in written


@pytest.mark.parametrize(
    ("params", "status", "error"),
    [
        ({"grant_type": "register"}, 401, "invalid_credentials"),
        ({"grant_type": "password", "password": "wrong"}, 401, "invalid_credentials"),
        ({"grant_type": "password", "username": "nobody"}, 401, "invalid_credentials"),
        ({"grant_type": "password", "username": ""}, 400, "invalid_request"),
        ({"grant_type": "implicit"}, 400, "unsupported_grant_type"),
        ({"grant_type": "password", "client_secret": ""}, 401, "invalid_client"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, 401, "invalid_request"),
    ],
)
def test_a_refused_login_has_the_form_of_oauth(driver: Driver, params: Any, status: int, error: str) -> None:
    oauth(driver, grant_type="register")
    answer = oauth(driver, **params)
    assert (driver.status, answer["error"]) == (status, error)


@pytest.mark.parametrize("method", ["authorize", AUTHORIZE])
def test_faults_befall_benlly_too(driver: Driver, method: str) -> None:
    driver.emulator.faults.inject("http_500_after", method=method)
    driver.send("POST", AUTHORIZE, b"token=t", **FORM)
    assert (driver.status, len(driver.emulator.benlly.authorizations())) == (500, 1)
    entry = driver.last()
    assert (entry["service"], entry["params"], entry["acted"]) == ("benlly", {"token": "***"}, True)


USERS = {
    "clients": [{"id": 1, "secret": "s"}],
    "users": [{"client_id": 1, "username": "ada", "password": "p"}],
}
CHANNELS = {"channels": [{"id": 1, "auth_type": "push_notification"}]}


def test_only_known_clients_and_their_users_log_in(make_driver: type[Driver]) -> None:
    driver = make_driver(benlly={**USERS, **CHANNELS})
    assert "access_token" in oauth(driver, grant_type="password")
    for wrong in ({"client_secret": "x"}, {"client_id": 2}):
        assert oauth(driver, grant_type="password", **wrong)["error"] == "invalid_client"


def test_an_exchange_ends_the_pair_that_it_replaces(driver: Driver) -> None:
    first = oauth(driver, grant_type="register")
    second = oauth(driver, grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert (
        oauth(driver, grant_type="refresh_token", refresh_token=first["refresh_token"])["error"]
        == "invalid_request"
    )
    for pair, status in ((first, 401), (second, 200)):
        driver.send(
            "POST", AUTHORIZE, b"token=t", **{**FORM, "Authorization": f"Bearer {pair['access_token']}"}
        )
        assert driver.status == status


def test_an_authorization_is_the_users_whatever_the_token(driver: Driver) -> None:
    first = oauth(driver, grant_type="register")
    driver.send("POST", AUTHORIZE, b"token=t", **{**FORM, "Authorization": f"Bearer {first['access_token']}"})
    second = oauth(driver, grant_type="refresh_token", refresh_token=first["refresh_token"])
    renewed = {**FORM, "Authorization": f"Bearer {second['access_token']}"}
    driver.send("DELETE", "/api/v0.9/channels/1/deauthorize", b"", **renewed)
    assert (driver.status, driver.emulator.benlly.authorizations()) == (200, [])


def test_lives_can_be_set(make_driver: type[Driver]) -> None:
    driver = make_driver(
        benlly={**USERS, **CHANNELS, "token_life_seconds": 60, "refresh_token_life_seconds": 90}
    )
    pair = oauth(driver, grant_type="password")
    assert pair["expires_in"] == 60
    driver.time += 60
    driver.send("POST", AUTHORIZE, b"token=t", **{**FORM, "Authorization": f"Bearer {pair['access_token']}"})
    assert driver.status == 401
    driver.time += 30
    assert "error" in oauth(driver, grant_type="refresh_token", refresh_token=pair["refresh_token"])


@pytest.mark.parametrize(("refresh_tokens", "refreshed"), [(False, True), (True, False)])
def test_tokens_of_users_are_revoked_and_lasting_ones_are_not(
    driver: Driver, refresh_tokens: bool, refreshed: bool
) -> None:
    pair = oauth(driver, grant_type="register")
    assert driver.emulator.benlly.tokens.revoke(refresh_tokens=refresh_tokens) == 1
    driver.send("POST", AUTHORIZE, b"token=t", **FORM)
    assert driver.status == 200
    again = oauth(driver, grant_type="refresh_token", refresh_token=pair["refresh_token"])
    assert ("access_token" in again) is refreshed


def test_a_refused_access_token_is_no_fault_of_the_token_endpoint(driver: Driver) -> None:
    driver.emulator.faults.inject("unauthorized")
    assert "access_token" in oauth(driver, grant_type="register")
    driver.send("POST", AUTHORIZE, b"token=t", **FORM)
    assert driver.status == 401
