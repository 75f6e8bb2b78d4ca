"""A worker's host dies while one of its tasks asks for a token: kill -9, with all that it was doing."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest

from fleet.conftest import CALLS, MESSAGES, show
from fleet.deployment import CHANNELS, REDIS_STORE, Deployment
from fleet.outcome import Outcome
from fleet.run import Run

REFUSED = "channel:ch-1"
TOKEN_SECONDS = 8.0


@dataclass(frozen=True)
class KilledRun:
    """
    :param asked_for_seconds: how long the token request had been waiting for its answer when its sender was dead.
    """

    outcome: Outcome
    victim: str
    scope: str
    asked_for_seconds: float


@pytest.fixture(scope="module")
def killed(deployment: Deployment) -> KilledRun:
    deployment.staff(REDIS_STORE)
    emulator = deployment.emulator
    loads = {"fleet_calls": {"calls": CALLS}, "fleet_messages": {"messages": MESSAGES}}
    run = Run(deployment, "fleet-worker-killed", loads)
    run.await_calls(CALLS // 5)
    known = len(run.token_requests())
    emulator.configure(token_latency_seconds=TOKEN_SECONDS)
    emulator.revoke_tokens(REFUSED)
    request = run.await_token_request(known)
    victim = deployment.worker_with_port(int(request["client"].rpartition(":")[2]))
    assert victim is not None, "the token request came from no worker"
    deployment.kill_worker(victim)
    asked_for_seconds = time.time() - request["at"]
    emulator.configure(token_latency_seconds=0)
    deployment.staff(REDIS_STORE)
    # The first token, the one that the dead worker asked for, and the one that took its place.
    outcome = run.finish(f"{victim} killed while it asked for a token", allowed={REFUSED: 3})
    return KilledRun(show(outcome), victim, request["scope"], asked_for_seconds)


def test_the_worker_died_in_the_middle_of_a_token_request(killed: KilledRun) -> None:
    assert killed.scope == REFUSED
    assert killed.asked_for_seconds < TOKEN_SECONDS


def test_everything_is_green_in_the_end(killed: KilledRun) -> None:
    assert killed.outcome.problems() == []
    assert len(killed.outcome.tasks) == CALLS + MESSAGES + 2


def test_the_lost_answer_costs_one_token_request_more(killed: KilledRun) -> None:
    others = {f"channel:{channel}": 1 for channel in CHANNELS}
    assert killed.outcome.token_requests == {**others, REFUSED: 3}


def test_every_message_exists_once(killed: KilledRun) -> None:
    outcome = killed.outcome
    assert len(outcome.messages) == len(outcome.texts) == len(outcome.request_ids) == CALLS + MESSAGES


def test_what_the_dead_worker_ran_was_tried_again_elsewhere(killed: KilledRun) -> None:
    again = [task for task in killed.outcome.tasks if task.tries > 1]
    assert again
    assert killed.victim not in {task.host for task in again}
