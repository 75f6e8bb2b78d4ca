"""The keeper: when it renews, what that costs, and what it tells."""

from __future__ import annotations

import logging
from itertools import pairwise

import pytest
from support.kept_tokens import (
    RUN_EVERY_SECONDS,
    RUNS_OF_HALF_A_DAY,
    START,
    World,
    raising,
)
from support.token_service import busiest_window

from airflow_channel_provider.exceptions import (
    ChannelAuthenticationError,
    ChannelNotSentError,
    ChannelPermissionError,
    ChannelRequestError,
)


def test_the_keeper_renews_before_the_end_and_never_sooner(world: World) -> None:
    world.keep(None, "1")
    actions = []
    for _ in range(12):
        world.now += RUN_EVERY_SECONDS
        kept = world.keep(None, "1")
        actions.append(kept["app"].action)
        assert kept["channel:1"].action == kept["app"].action
    assert actions == (["fresh"] * 4 + ["refreshed"]) * 2 + ["fresh"] * 2
    assert world.kinds() == ["issue"] * 2 + ["refresh"] * 4


def test_what_the_keeper_tells_holds_no_token(world: World) -> None:
    kept = world.keep()["app"]
    assert (kept.scope, kept.action, kept.problem) == ("app", "issued", None)
    assert kept.remaining_seconds == 1800.0
    assert "access" not in repr(kept)


def test_a_failed_renewal_is_a_warning_while_the_old_token_lives(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.keep()
    world.now += 1500
    world.service.trouble = raising(ChannelNotSentError("unreachable"))
    kept = world.keep()["app"]
    assert kept.action == "old"
    assert kept.remaining_seconds > 100
    assert "unreachable" in str(kept.problem)
    assert {record.levelno for record in caplog.records if "old token" in record.message} == {logging.WARNING}
    assert world.task().get().access_token == "access-0"


def test_a_passing_trouble_is_tried_again_within_the_run(world: World) -> None:
    world.keep()
    world.now += 1500
    troubles = [ChannelRequestError("server error", http_status=503)] * 2

    def trouble(kind: str) -> None:
        if troubles:
            raise troubles.pop()

    world.service.trouble = trouble
    assert world.keep()["app"].action == "refreshed"
    assert sum(world.waited) < 120


def test_a_refused_refresh_leads_to_an_issue_within_the_run(world: World) -> None:
    world.keep()
    world.now += 1500
    world.service.trouble = raising(ChannelAuthenticationError("refused", http_status=200), "refresh")
    assert world.keep()["app"].action == "issued"
    assert world.kinds() == ["issue", "refresh", "issue"]


def test_a_wrong_secret_costs_one_request_for_all_scopes_of_a_run(world: World) -> None:
    world.service.trouble = raising(ChannelAuthenticationError("wrong", http_status=200))
    kept = world.keep(None, "1", "2", "3")
    assert {one.action for one in kept.values()} == {"missing"}
    assert {type(one.problem) for one in kept.values()} == {ChannelAuthenticationError}
    assert world.kinds() == ["issue"]


def test_only_a_person_asks_again_before_a_refusal_is_forgotten(world: World) -> None:
    world.service.trouble = raising(ChannelPermissionError("not installed", http_status=200))
    world.keep("1")
    world.keep("1")
    assert len(world.kinds()) == 1
    world.service.trouble = lambda kind: None
    assert world.keep("1", ask_again=True)["channel:1"].action == "issued"


def test_a_keeper_waits_for_a_slot_of_the_quota_that_comes_soon(world: World) -> None:
    channels = [str(i) for i in range(11)]
    world.keep(*channels[:10])
    world.now += 1865 - 60
    assert world.keep("10")["channel:10"].action == "issued"
    assert world.now >= START + 1865


@pytest.mark.parametrize(("scopes", "least_usable"), [(1, 1.0), (5, 1.0), (6, 0.999), (8, 0.99)])
def test_half_a_day_of_a_keeper_stays_within_the_quota_and_leaves_up_to_five_scopes_no_gap(
    world: World, scopes: int, least_usable: float
) -> None:
    channels = [None, *(str(i) for i in range(1, scopes))]
    for run in range(RUNS_OF_HALF_A_DAY):
        world.now = max(world.now, START + run * RUN_EVERY_SECONDS)
        world.keep(*channels)
    assert busiest_window(world.service.times()) <= 10
    assert world.service.refusals == 0
    assert least_usable <= usable_share(world, channels) <= 1.0


def usable_share(world: World, channels: list[str | None]) -> float:
    """The share of time in which a scope had a live token, of all scopes since each had its first."""
    gaps = lasted = 0.0
    for channel in channels:
        times = [at for at, _, logged in world.service.log if logged == channel]
        gaps += sum(max(0.0, after - before - 1800) for before, after in pairwise(times))
        lasted += times[-1] - times[0]
    return 1 - gaps / lasted
