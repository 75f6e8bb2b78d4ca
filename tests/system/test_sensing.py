"""
Sensors that wait in one triggerer of a real Airflow, which is killed on the way.

How many is said by SENSOR_WAITS (24), how long each triggerer is watched by SENSOR_SECONDS (15); `make test-sensors`
makes it 500 and three minutes.
"""

from __future__ import annotations

from collections import Counter

import pytest

from airflow_channel_provider.triggers.channel_talk import THREADS
from system.sensing_result import MEGABYTE, SensingRun, Watched
from system.sensing_run import CHATS, COUNT, SAMPLES, Sensing
from tools.demo.progress import Progress

MOST_GROWTH_BYTES = 4 * MEGABYTE


@pytest.fixture(scope="module")
def sensing_run(tmp_path_factory: pytest.TempPathFactory) -> SensingRun:
    progress = Progress()
    with Sensing(tmp_path_factory.mktemp("sensing") / "home", progress) as sensing:
        sensing.run()
    for line in sensing.result.report():
        progress.say(line)
    return sensing.result


@pytest.fixture(params=["the first triggerer", "the second triggerer"])
def watched(request: pytest.FixtureRequest, sensing_run: SensingRun) -> Watched:
    (found,) = [one for one in sensing_run.watched if one.name == request.param]
    return found


def test_one_triggerer_looks_at_all_chats(watched: Watched) -> None:
    assert watched.chats == set(CHATS)
    assert watched.looks > COUNT


def test_its_memory_does_not_grow(watched: Watched) -> None:
    assert len(watched.samples) >= SAMPLES
    assert watched.growth_bytes() < MOST_GROWTH_BYTES


def test_all_waits_share_a_few_connections(watched: Watched) -> None:
    assert 0 < max(sample.connections for sample in watched.samples) <= THREADS


def test_all_wait_while_no_triggerer_runs(sensing_run: SensingRun) -> None:
    assert sensing_run.states == {"deferred": COUNT}


def test_none_is_lost_and_each_ends_in_its_first_try(sensing_run: SensingRun) -> None:
    ends = Counter((one["state"], one["try_number"]) for one in sensing_run.instances)
    assert ends == {("success", 1): COUNT}


def test_all_of_it_costs_one_token_request(sensing_run: SensingRun) -> None:
    assert [entry["scope"] for entry in sensing_run.token_requests] == ["channel:ch-1"]


@pytest.mark.promise(name="secrets")
def test_no_secret_is_left_in_logs_database_or_token_store(sensing_run: SensingRun) -> None:
    assert sensing_run.leaks == []
