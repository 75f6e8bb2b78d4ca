from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_channel_provider.emulator import DEMO_SECRET

if TYPE_CHECKING:
    from unit.emulator.conftest import Driver

GET_USER = {"channelId": "ch-1", "userId": "user-ch-1-1"}


def message_of(body: Any) -> str:
    return str(body["error"]["message"])


@pytest.mark.parametrize(("settings", "is_bare"), [({}, False), ({"answer_shape": "seed"}, True)])
def test_a_token_is_issued_in_the_shape_that_is_set_and_is_good_for_its_channel(
    make_driver: type[Driver], settings: Any, is_bare: bool
) -> None:
    driver = make_driver(**settings)
    body = driver.native("issueToken", {"secret": DEMO_SECRET, "channelId": "ch-1"})
    pair = body if is_bare else body.pop("result")
    assert sorted(pair) == ["accessToken", "expiresIn", "refreshToken"]
    assert is_bare or body == {}
    assert driver.native("getUser", GET_USER, pair["accessToken"])["result"]["user"]["name"] == "Ada Kim"


@pytest.mark.parametrize(("channel_id", "scope"), [(None, "app"), ("", "app"), ("ch-2", "channel:ch-2")])
def test_the_scope_follows_the_channel(driver: Driver, channel_id: str | None, scope: str) -> None:
    driver.issue(channel_id)
    assert driver.emulator.journal.token_requests()[0]["scope"] == scope


def test_the_eleventh_token_request_is_refused_until_the_window_ends(driver: Driver) -> None:
    refresh = driver.issue()["refreshToken"]
    for n in range(4):
        refresh = driver.refresh(refresh)["refreshToken"]
        driver.issue(f"ch-{n % 3 + 1}")
    driver.issue(None)
    assert message_of(driver.issue()).startswith('token fetch fail, response: {"status":429')
    assert message_of(driver.refresh(refresh)).startswith("token fetch fail")
    driver.time += 1799.9
    assert "error" in driver.issue()
    driver.time += 0.1
    assert driver.issue()["expiresIn"] == 1800
    stats = driver.emulator.stats()
    assert (stats["token_requests"], stats["quota_refusals"], stats["max_token_requests_in_any_window"]) == (
        14,
        3,
        13,
    )
    # A refresh token that the quota kept from being exchanged is not spent.
    assert driver.refresh(refresh)["expiresIn"] == 1800


def test_each_app_has_a_quota_of_its_own(make_driver: type[Driver]) -> None:
    apps = [{"app_id": "a", "secret": "one"}, {"app_id": "b", "secret": "two"}]
    driver = make_driver(apps=apps, quota_limit=1)
    assert [("error" in driver.issue(secret=s)) for s in ("one", "two", "one")] == [False, False, True]


def test_a_wrong_secret_is_refused_and_not_counted(driver: Driver) -> None:
    body = driver.issue(secret="nonsense")
    assert (driver.status, body) == (200, {"error": {"type": "common", "message": "app secret not found"}})
    record = driver.emulator.journal.token_requests()[0]
    assert (record["kind"], record["counted"], record["refused_by_quota"]) == ("issue", False, False)


def test_a_reissued_secret_takes_over_at_once_and_tokens_live_on(driver: Driver) -> None:
    pair = driver.issue()
    secret = driver.emulator.world.reissue_secret("demo-app")
    assert message_of(driver.issue()) == "app secret not found"
    assert driver.issue(secret=secret)["expiresIn"] == 1800
    assert "result" in driver.native("getUser", GET_USER, pair["accessToken"])
    assert driver.refresh(pair["refreshToken"])["expiresIn"] == 1800


@pytest.mark.parametrize(("counts", "left"), [(False, 9), (True, 6)])
def test_requests_refused_for_other_reasons_are_counted_only_if_so_set(
    make_driver: type[Driver], counts: bool, left: int
) -> None:
    driver = make_driver(quota_counts_refused=counts)
    pair = driver.issue()
    driver.emulator.world.tokens.revoke(refresh_tokens=True)
    driver.refresh(pair["refreshToken"])
    driver.issue("not-installed")
    driver.emulator.world.reissue_secret("demo-app")
    driver.issue()
    assert driver.emulator.world.apps["demo-app"].quota.remaining(driver.time) == left


def test_strangers_burn_a_window_of_their_own_where_refusals_count(make_driver: type[Driver]) -> None:
    driver = make_driver(quota_counts_refused=True, quota_limit=2)
    texts = [message_of(driver.issue(secret="nonsense"))[:16] for _ in range(3)]
    assert texts == ["app secret not f", "app secret not f", "token fetch fail"]
    assert driver.issue()["expiresIn"] == 1800


def test_a_channel_without_the_app_is_refused(make_driver: type[Driver]) -> None:
    apps = [{"app_id": "demo-app", "secret": DEMO_SECRET, "channels": ["ch-1"]}]
    driver = make_driver(apps=apps, not_installed_message="")
    assert driver.issue("ch-2") == {"error": {"type": "common", "message": ""}}
    assert driver.last()["outcome"] == "refused"
    assert driver.issue("ch-1")["expiresIn"] == 1800


@pytest.mark.parametrize("shape", ["seed", "live", "live_empty_error"])
def test_a_refresh_token_is_good_once_and_then_answered_with_nothing(
    make_driver: type[Driver], shape: str
) -> None:
    driver = make_driver(answer_shape=shape)
    pair = driver.issue()
    fresh = driver.refresh(pair["refreshToken"])
    assert fresh["accessToken"] not in ("", pair["accessToken"])
    again = driver.refresh(pair["refreshToken"])
    assert (driver.status, again) == (200, {"accessToken": "", "refreshToken": "", "expiresIn": 0})
    # Rotation takes no access token away.
    assert "result" in driver.native("getUser", GET_USER, pair["accessToken"])


def test_a_bad_refresh_token_is_an_error_if_so_set(make_driver: type[Driver]) -> None:
    driver = make_driver(refresh_refusal="envelope")
    assert driver.refresh("nonsense") == {"error": {"type": "common", "message": "refresh token is invalid"}}


def test_a_refresh_token_dies_of_age(make_driver: type[Driver]) -> None:
    driver = make_driver(refresh_token_life_seconds=100)
    pair = driver.issue()
    driver.time += 100
    assert driver.refresh(pair["refreshToken"])["expiresIn"] == 0


@pytest.mark.parametrize("params", [{}, {"secret": 5}, {"secret": DEMO_SECRET, "channelId": 3}])
def test_a_token_request_with_wrong_parameters_costs_nothing(driver: Driver, params: Any) -> None:
    assert "error" in driver.native("issueToken", params)
    assert driver.emulator.world.apps["demo-app"].quota.used(driver.time) == 0
