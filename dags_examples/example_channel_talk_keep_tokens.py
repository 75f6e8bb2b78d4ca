"""
Keeps the tokens of an app and of its channels alive, a few minutes ahead of need.

With ``[channel_talk] store = variable://`` this DAG is what renews the tokens: all other tasks only read them, from
Airflow Variables, and wait where there is none. List every channel that a task uses. With the other stores it is not
needed, but no task ever waits for a token then.

Exactly one keeper may run at a time, hence ``max_active_runs=1`` and one task for all channels. Give it a pool of its
own with one slot (``airflow pools set channel_talk_keeper 1 "Renews the tokens"``, and ``pool="channel_talk_keeper"``
below), so that it never queues behind other tasks. Up to 5 scopes are renewed without a gap; with 6 to 8 the quota of
10 token requests in 30 minutes leaves one without a token for a minute now and then (0.02 to 0.2 % of the day).

Needs a connection ``channel_talk_default`` as described in ``example_channel_talk_message``. To renew a token that the
service no longer accepts, trigger the DAG with ``ahead_seconds`` set to 1800.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.providers.common.compat.sdk import Param, dag

from airflow_channel_provider.operators.keep_tokens import KeepTokensOperator

CHANNELS = ["ch-1", "ch-2", "ch-3"]


@dag(
    schedule=timedelta(minutes=5),
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=10),
    params={"ahead_seconds": Param(420, type="number", minimum=0)},
    tags=["example", "channel_talk"],
    doc_md=__doc__,
)
def example_channel_talk_keep_tokens() -> None:
    # [START keep_tokens]
    # A keeper that was killed is tried again once its lease has run out.
    KeepTokensOperator(
        task_id="keep_tokens",
        channel_ids=CHANNELS,
        ahead_seconds="{{ params.ahead_seconds }}",
        retries=2,
        retry_delay=timedelta(seconds=30),
        execution_timeout=timedelta(minutes=4),
    )
    # [END keep_tokens]


example_channel_talk_keep_tokens()
