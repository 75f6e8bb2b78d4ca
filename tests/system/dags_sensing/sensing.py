"""As many sensors as the environment says, each with a chat of its own; all wait in the triggerer."""

from __future__ import annotations

import os
from datetime import timedelta

from airflow.sdk import DAG

from airflow_channel_provider.sensors.channel_talk import UserChatStateSensor

COUNT = int(os.environ["SENSOR_WAITS"])

with DAG("sensing", schedule=None, catchup=False, max_active_tasks=16):
    UserChatStateSensor.partial(
        task_id="wait",
        state="closed",
        deferrable=True,
        # Some 50 looks a second, however many wait.
        poke_interval=max(2.0, COUNT / 50),
        timeout=timedelta(hours=6),
    ).expand(user_chat_id=[f"chat-{number}" for number in range(COUNT)])
