"""Crowds of real processes, a real service and one store, each in turn: what they may cost together."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.fleet import CROWD, file_manager, together

from airflow_channel_provider.emulator import EmulatorProcess
from airflow_channel_provider.exceptions import ChannelAuthenticationError, ChannelTokenQuotaError

if TYPE_CHECKING:
    from support.backends import Backend

pytestmark = [pytest.mark.any_airflow, pytest.mark.crowd]


@pytest.fixture(scope="module")
def running() -> Iterator[EmulatorProcess]:
    with EmulatorProcess({"token_latency_seconds": 0.15}) as emulator:
        yield emulator


@pytest.fixture
def service(running: EmulatorProcess) -> EmulatorProcess:
    running.reset()
    return running


def test_a_crowd_with_a_cold_store_makes_one_token_request(
    service: EmulatorProcess, crowded: Backend
) -> None:
    outcome = together(CROWD, lambda i: crowded.manager(service.url).get("ch-1").fingerprint)
    assert outcome.errors() == []
    assert len(set(outcome.results)) == 1
    assert service.stats()["token_requests"] == 1


def test_processes_that_hold_a_refused_token_replace_it_once(
    service: EmulatorProcess, crowded: Backend
) -> None:
    refused = crowded.manager(service.url).get().fingerprint
    outcome = together(CROWD, lambda i: crowded.manager(service.url).get(rejected=refused).fingerprint)
    assert outcome.errors() == []
    assert len(set(outcome.results)) == 1
    assert outcome.results[0] != refused
    assert service.stats()["token_requests"] == 2


def test_ten_scopes_start_side_by_side_under_one_count(crowded: Backend) -> None:
    channels = [f"ch-{i}" for i in range(9)]
    app = {"app_id": "demo-app", "secret": "ZW11bGF0b3ItZGVtby1zZQ==", "channels": channels}
    settings = {
        "apps": [app],
        "channels": [{"id": channel, "name": channel} for channel in channels],
        "token_latency_seconds": 0.5,
    }
    with EmulatorProcess(settings) as service:
        outcome = together(
            CROWD,
            lambda i: crowded.manager(service.url).get(channels[i % 10] if i % 10 < 9 else None).scope,
        )
        assert outcome.errors() == []
        assert service.stats()["token_requests"] == 10
        assert service.stats()["quota_refusals"] == 0


@pytest.mark.promise(name="quota")
def test_more_scopes_than_the_quota_get_ten_tokens_and_honest_answers(crowded: Backend) -> None:
    channels = [f"ch-{i}" for i in range(25)]
    app = {"app_id": "demo-app", "secret": "ZW11bGF0b3ItZGVtby1zZQ==", "channels": channels}
    settings = {
        "apps": [app],
        "channels": [{"id": channel, "name": channel} for channel in channels],
        "token_latency_seconds": 0.1,
    }
    with EmulatorProcess(settings) as service:
        outcome = together(CROWD, lambda i: crowded.manager(service.url).get(channels[i % 25]).scope)
        assert len({scope for scope in outcome.results if isinstance(scope, str)}) == 10
        assert len(outcome.errors()) == CROWD * 15 // 25
        for error in outcome.errors():
            assert isinstance(error, ChannelTokenQuotaError)
            assert error.retry_after_seconds is not None
            assert 1700 < error.retry_after_seconds <= 1830
        assert service.stats()["token_requests"] == 10
        assert service.stats()["quota_refusals"] == 0


@pytest.mark.promise(name="quota")
def test_a_wrong_secret_costs_a_crowd_one_request(service: EmulatorProcess, crowded: Backend) -> None:
    outcome = together(CROWD, lambda i: crowded.manager(service.url, secret="bm90IHRoZSBzZWNyZXQ=").get())
    assert len(outcome.errors()) == CROWD
    assert {type(error) for error in outcome.errors()} == {ChannelAuthenticationError}
    assert len({str(error).partition(" until ")[0] for error in outcome.errors()}) == 1
    assert service.stats()["token_requests"] == 1


@pytest.mark.parametrize("step_seconds", [7200.0, -7200.0])
def test_stepping_the_clock_of_the_host_grants_no_extra_request(
    service: EmulatorProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step_seconds: float
) -> None:
    channels = [None, "ch-1", "ch-2", "ch-3"]
    for channel in channels:
        file_manager(service.url, tmp_path).get(channel)
    real_time = time.time
    monkeypatch.setattr(
        "airflow_channel_provider.tokens.stores.file.time.time", lambda: real_time() + step_seconds
    )
    outcome = together(40, lambda i: file_manager(service.url, tmp_path).get(channels[i % 4]).scope)
    assert outcome.errors() == []
    assert service.stats()["token_requests"] == 4
    assert file_manager(service.url, tmp_path).status().charges_left == 6
