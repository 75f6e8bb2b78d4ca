"""
Loads the files of ``example_channel_talk_extract`` into tables as soon as they are there.

It is started by each asset event of that DAG, whatever their order, and keeps of each chat and message the record that
was extracted last. Needs a connection ``warehouse`` to a database, here SQLite. A run that is started by hand has no
events, and loads nothing.
"""

from __future__ import annotations

import json
from contextlib import closing
from datetime import datetime, timezone
from typing import Any

from airflow.providers.common.compat.sdk import Asset, BaseHook, ObjectStoragePath, dag, task

# [START warehouse]
CHATS, MESSAGES = Asset("channeltalk://ch-1/user_chats"), Asset("channeltalk://ch-1/messages")
KEEP_THE_LATEST = """
INSERT INTO {table} (id, extracted_at, record) VALUES (:id, :_extracted_at, :record)
ON CONFLICT (id) DO UPDATE SET extracted_at = excluded.extracted_at, record = excluded.record
WHERE excluded.extracted_at >= {table}.extracted_at
"""


@dag(
    schedule=CHATS | MESSAGES,
    max_active_runs=1,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    tags=["example", "channel_talk"],
    doc_md=__doc__,
)
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


example_channel_talk_warehouse()
# [END warehouse]
