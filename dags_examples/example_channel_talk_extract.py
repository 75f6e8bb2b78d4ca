"""
Extracts the chats and messages of each day into files, and loads the files into a table as soon as they are there.

The first DAG has a window of a day and catches up on the days before. The second is started by the asset events of the
first, whatever their order, and keeps of each chat and message the record that was extracted last.

Needs a connection ``channel_talk_open_api_default`` with the access key and secret of the channel, and a connection
``warehouse`` to a database, here SQLite. A run of the second DAG that is started by hand has no events, and loads
nothing.
"""

from __future__ import annotations

import json
import os
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import Asset, BaseHook, ObjectStoragePath, dag, task

from airflow_channel_provider.operators.extract import ExtractOperator

CHANNEL = "ch-1"
CHATS, MESSAGES = (Asset(f"channeltalk://{CHANNEL}/{stream}") for stream in ("user_chats", "messages"))
FILES = Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser().joinpath("channel_talk").as_uri()
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


# [START warehouse]
KEEP_THE_LATEST = """
INSERT INTO {table} (id, extracted_at, record) VALUES (:id, :_extracted_at, :record)
ON CONFLICT (id) DO UPDATE SET extracted_at = excluded.extracted_at, record = excluded.record
WHERE excluded.extracted_at >= {table}.extracted_at
"""


@dag(schedule=[CHATS, MESSAGES], catchup=False, tags=["example", "channel_talk"])
def example_channel_talk_warehouse() -> None:
    @task
    def load(**context: Any) -> dict[str, int]:
        # Before Airflow 3 it is triggering_dataset_events.
        found = context.get("triggering_asset_events") or context.get("triggering_dataset_events") or {}
        manifests = {event.extra["manifest"] for events in found.values() for event in events}
        rows: dict[str, int] = {}
        with closing(BaseHook.get_hook("warehouse").get_conn()) as database:
            for address in sorted(manifests):
                path = ObjectStoragePath(address)
                manifest = json.loads(path.read_text())
                table = f"channel_talk_{manifest['stream']}"
                database.execute(
                    f"CREATE TABLE IF NOT EXISTS {table} (id TEXT PRIMARY KEY, extracted_at TEXT, record TEXT)"
                )
                for file in manifest["files"]:
                    with (path.parent / file["name"]).open("rt", encoding="utf-8") as lines:
                        records = ({**json.loads(line), "record": line} for line in lines)
                        database.executemany(KEEP_THE_LATEST.format(table=table), records)
                rows[table] = rows.get(table, 0) + manifest["rows"]
            database.commit()
        return rows

    load()


# [END warehouse]


example_channel_talk_extract()
example_channel_talk_warehouse()
