"""The emulator over real HTTP: quota, tokens, permissions and the rate limit."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import requests
from support.emulator_caller import GET_USER, Caller

from airflow_channel_provider.emulator import DEMO_SECRET


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
