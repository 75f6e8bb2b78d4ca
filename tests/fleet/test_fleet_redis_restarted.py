"""Redis, which is the broker and holds the tokens, dies and comes back while tasks run."""

from __future__ import annotations

import pytest

from fleet.conftest import CALLS, MESSAGES, show
from fleet.deployment import CHANNELS, REDIS_STORE, Deployment
from fleet.outcome import Outcome
from fleet.run import Run


@pytest.fixture(scope="module")
def outcome(deployment: Deployment) -> Outcome:
    deployment.staff(REDIS_STORE)
    loads = {"fleet_calls": {"calls": CALLS}, "fleet_messages": {"messages": MESSAGES}}
    run = Run(deployment, "fleet-redis-restarted", loads)
    run.await_calls(CALLS // 3)
    deployment.restart_redis(down_seconds=2)
    return show(run.finish("Redis restarted in the middle"))


def test_everything_is_green_in_the_end(outcome: Outcome) -> None:
    assert outcome.problems() == []
    assert len(outcome.tasks) == CALLS + MESSAGES + 2


def test_tokens_outlive_the_restart(outcome: Outcome) -> None:
    assert outcome.token_requests == {f"channel:{channel}": 1 for channel in CHANNELS}


def test_every_message_exists_once(outcome: Outcome) -> None:
    assert len(outcome.messages) == len(outcome.texts) == len(outcome.request_ids) == CALLS + MESSAGES
