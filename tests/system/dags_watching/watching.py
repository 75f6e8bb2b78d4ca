"""As many assets as the environment says, each with a watcher of its own, of one channel."""

from __future__ import annotations

import os

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Asset, AssetWatcher

from airflow_channel_provider.triggers.open_api import UserChatWatcher

ASSETS = [
    Asset(
        name=f"chats-{number}",
        uri=f"watched://chats/{number}",
        watchers=[
            AssetWatcher(
                name=f"watcher-{number}",
                # Watchers that are equal are one trigger: these look back for different times.
                trigger=UserChatWatcher(
                    events=["changed"], poll_interval=2, lookback_seconds=1 + number / 1000
                ),
            )
        ],
    )
    for number in range(int(os.environ["WATCHED_ASSETS"]))
]

with DAG("watching", schedule=ASSETS, catchup=False):
    EmptyOperator(task_id="seen")
