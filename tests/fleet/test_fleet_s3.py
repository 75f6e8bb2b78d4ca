"""The same fleet with its tokens in a bucket, and a worker's host that dies in the middle."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from fleet.conftest import FEWER_CALLS as CALLS
from fleet.conftest import FEWER_MESSAGES as MESSAGES
from fleet.conftest import show
from fleet.deployment import CHANNELS, Deployment
from fleet.outcome import Outcome
from fleet.run import Run

if TYPE_CHECKING:
    from support.s3_server import S3Server

BUCKET, CONN_ID = "tokens", "fleet_s3"


@pytest.fixture(scope="module")
def server(deployment: Deployment) -> Iterator[S3Server]:
    import boto3
    from support.s3_server import KEYS, S3Server

    with S3Server() as server:
        client: Any = boto3.client("s3", endpoint_url=server.url, **KEYS)
        client.create_bucket(Bucket=BUCKET)
        extra = {"endpoint_url": server.url, "region_name": KEYS["region_name"]}
        deployment.rest.add_connection(
            {
                "connection_id": CONN_ID,
                "conn_type": "aws",
                "login": KEYS["aws_access_key_id"],
                "password": KEYS["aws_secret_access_key"],
                "extra": json.dumps(extra),
            }
        )
        yield server


@pytest.fixture(scope="module")
def outcome(deployment: Deployment, server: S3Server) -> Outcome:
    store = f"s3://{CONN_ID}/{BUCKET}/fleet"
    deployment.staff(store)
    loads = {"fleet_calls": {"calls": CALLS}, "fleet_messages": {"messages": MESSAGES}}
    run = Run(deployment, "fleet-s3", loads)
    run.await_calls(CALLS // 3)
    deployment.kill_worker(deployment.workers.names()[0])
    deployment.staff(store)
    return show(run.finish("Tokens in a bucket, and a worker killed"))


def test_everything_is_green_in_the_end(outcome: Outcome) -> None:
    assert outcome.problems() == []
    assert len(outcome.tasks) == CALLS + MESSAGES + 2


def test_each_scope_costs_one_token_request(outcome: Outcome) -> None:
    assert outcome.token_requests == {f"channel:{channel}": 1 for channel in CHANNELS}


def test_every_message_exists_once(outcome: Outcome) -> None:
    assert len(outcome.messages) == len(outcome.texts) == len(outcome.request_ids) == CALLS + MESSAGES


def test_the_bucket_was_used(outcome: Outcome, server: S3Server) -> None:
    written = [request for request in server.requests() if request.startswith(f"PUT /{BUCKET}/fleet/")]
    assert written
