"""
Extracts the chats and messages of each day into files: windows of a day, and those of the days before, in any order.

Needs a connection ``channel_talk_open_api_default`` with the access key and secret of the channel. The asset events of
its tasks start ``example_channel_talk_warehouse``.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from pathlib import Path

from airflow.providers.common.compat.sdk import dag

from airflow_channel_provider.operators.extract import ExtractOperator

CHANNEL = "ch-1"
FILES = Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser().joinpath("channel_talk_files").as_uri()
# Three days ago; a DAG of your own begins on a fixed day.
START = datetime.now(tz=timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=3)


@dag(schedule="@daily", start_date=START, catchup=True, tags=["example", "channel_talk"], doc_md=__doc__)
def example_channel_talk_extract() -> None:
    # [START extract]
    for stream in ("user_chats", "messages"):
        ExtractOperator(
            task_id=stream,
            stream=stream,
            path=FILES,
            window=timedelta(days=1),
            channel_id=CHANNEL,
            retries=2,
        )
    # [END extract]


example_channel_talk_extract()
