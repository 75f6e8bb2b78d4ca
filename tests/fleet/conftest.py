"""
One deployment for all tests of this folder; each file lets it do a run of its own.

Invariant: a run is over when a test sees it. Every run has an app of its own, so the service counts from zero.
``FLEET_CALLS`` says how many calls a run consists of; ten of them come with one message.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.deployment import Deployment, Options
from fleet.outcome import Outcome
from fleet.report import report
from tools.demo.airflow_home import DemoSetupError
from tools.demo.home_lock import HomeInUseError
from tools.demo.progress import Progress
from tools.demo.rest import RestError

ROOT = Path(__file__).resolve().parents[2]
APPS = ("fleet-calm", "fleet-worker-killed", "fleet-redis-restarted", "fleet-sql", "fleet-s3")
CALLS = int(os.environ.get("FLEET_CALLS", "90"))
MESSAGES = CALLS // 10
# Of the runs with their tokens elsewhere than in Redis.
FEWER_CALLS = CALLS * 2 // 3
FEWER_MESSAGES = FEWER_CALLS // 10


@pytest.fixture(scope="session")
def deployment() -> Iterator[Deployment]:
    dags = Path(__file__).with_name("dags")
    options = Options(home=ROOT / ".fleet", dags_folder=dags, apps=APPS, start_timeout_seconds=600)
    try:
        with Deployment(options, Progress()) as started:
            yield started
    except (DemoSetupError, HomeInUseError, RestError) as error:
        pytest.exit(str(error), returncode=2)


def show(outcome: Outcome) -> Outcome:
    """Print the table of a run."""
    print(report(outcome), flush=True)
    return outcome
