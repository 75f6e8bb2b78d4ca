"""Two workers that share nothing but Redis, three DAGs at once, nothing goes wrong."""

from __future__ import annotations

import pytest

from fleet.conftest import CALLS, MESSAGES, show
from fleet.deployment import CHANNELS, REDIS_STORE, WORKERS, Deployment
from fleet.outcome import Outcome
from fleet.run import Run


@pytest.fixture(scope="module")
def outcome(deployment: Deployment) -> Outcome:
    deployment.staff(REDIS_STORE)
    loads = {
        "fleet_calls": {"calls": CALLS},
        "fleet_messages": {"messages": MESSAGES},
        "fleet_commands": {},
    }
    return show(Run(deployment, "fleet-calm", loads).finish("A calm fleet, tokens in Redis"))


def test_everything_is_green(outcome: Outcome) -> None:
    assert outcome.problems() == []
    assert len(outcome.tasks) == CALLS + MESSAGES + 3


def test_each_scope_costs_one_token_request(outcome: Outcome) -> None:
    assert outcome.token_requests == {"app": 1, **{f"channel:{channel}": 1 for channel in CHANNELS}}


def test_no_call_is_sent_twice(outcome: Outcome) -> None:
    assert outcome.sent_more_than_once == []
    assert len(outcome.calls) == CALLS + MESSAGES + 1


def test_every_message_exists_once(outcome: Outcome) -> None:
    assert len(outcome.messages) == len(outcome.texts) == len(outcome.request_ids) == CALLS + MESSAGES


def test_all_workers_had_their_share(outcome: Outcome) -> None:
    assert len({task.host for task in outcome.tasks}) == WORKERS
