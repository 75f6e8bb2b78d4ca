"""The same fleet with its tokens in PostgreSQL."""

from __future__ import annotations

import pytest

from fleet.conftest import FEWER_CALLS as CALLS
from fleet.conftest import FEWER_MESSAGES as MESSAGES
from fleet.conftest import show
from fleet.deployment import CHANNELS, SQL_STORE, WORKERS, Deployment
from fleet.outcome import Outcome
from fleet.run import Run


@pytest.fixture(scope="module")
def outcome(deployment: Deployment) -> Outcome:
    deployment.staff(SQL_STORE)
    loads = {"fleet_calls": {"calls": CALLS}, "fleet_messages": {"messages": MESSAGES}}
    return show(Run(deployment, "fleet-sql", loads).finish("Tokens in PostgreSQL"))


def test_everything_is_green(outcome: Outcome) -> None:
    assert outcome.problems() == []
    assert len(outcome.tasks) == CALLS + MESSAGES + 2


def test_each_scope_costs_one_token_request(outcome: Outcome) -> None:
    assert outcome.token_requests == {f"channel:{channel}": 1 for channel in CHANNELS}


def test_no_call_is_sent_twice(outcome: Outcome) -> None:
    assert outcome.sent_more_than_once == []
    assert len(outcome.messages) == len(outcome.calls) == CALLS + MESSAGES


def test_all_workers_had_their_share(outcome: Outcome) -> None:
    assert len({task.host for task in outcome.tasks}) == WORKERS
