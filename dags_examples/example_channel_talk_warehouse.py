"""
Loads the files of ``example_channel_talk_extract`` into tables as soon as they are there.

It is started by the asset events of that DAG, loads each manifest that it has not loaded yet, whatever their order, and
keeps of each chat and message the record that was extracted last. Needs a connection ``warehouse`` to a database, here
SQLite, with Airflow's provider for it (``pip install apache-airflow-providers-sqlite``).
"""

from __future__ import annotations

import json
import os
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

from airflow.providers.common.compat.sdk import Asset, BaseHook, ObjectStoragePath, dag, task

FILES = Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser().joinpath("channel_talk_files").as_uri()

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
    def load() -> dict[str, int]:
        # All manifests that are new: Airflow may name an event to a later run than the one that it has started.
        rows: dict[str, int] = {}
        with closing(BaseHook.get_hook("warehouse").get_conn()) as database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS channel_talk_loaded (manifest TEXT, extracted_until TEXT)"
            )
            loaded = set(database.execute("SELECT manifest, extracted_until FROM channel_talk_loaded"))
            for stream in ("user_chats", "messages"):
                table = f"channel_talk_{stream}"
                database.execute(
                    f"CREATE TABLE IF NOT EXISTS {table} (id TEXT PRIMARY KEY, extracted_at TEXT, record TEXT)"
                )
                for path in ObjectStoragePath(f"{FILES}/{stream}").glob("*/_manifest.json"):
                    manifest = json.loads(path.read_text())
                    load_of = (str(path), manifest["extracted_until"])
                    if load_of in loaded:
                        continue
                    for file in manifest["files"]:
                        with (path.parent / file["name"]).open("rt", encoding="utf-8") as lines:
                            rest = iter(lines.readline, "")
                            records = ({**json.loads(line), "record": line} for line in rest)
                            database.executemany(KEEP_THE_LATEST.format(table=table), records)
                    database.execute("INSERT INTO channel_talk_loaded VALUES (?, ?)", load_of)
                    rows[table] = rows.get(table, 0) + manifest["rows"]
            database.commit()
        return rows

    load()


example_channel_talk_warehouse()
# [END warehouse]
