"""Mapped tasks, as many as the environment says: they wait in the triggerer or for a turn, or have a wrong secret."""

from __future__ import annotations

import os
from datetime import timedelta

from airflow.sdk import DAG

from airflow_channel_provider.operators.channel_talk import (
    NativeFunctionOperator,
    WriteUserChatMessageOperator,
)

TASKS = int(os.environ["WAITING_TASKS"])
ALL_AT_ONCE = {"schedule": None, "max_active_tasks": 16, "catchup": False}
RETRIES = {"retries": 3, "retry_delay": timedelta(seconds=1)}

for dag_id, channel_id, deferrable in (("deferred", "ch-11", True), ("rescheduled", "ch-12", False)):
    with DAG(dag_id, **ALL_AT_ONCE):  # type: ignore[arg-type]
        WriteUserChatMessageOperator.partial(
            task_id="write",
            user_chat_id=f"chat-{channel_id}-1",
            channel_id=channel_id,
            deferrable=deferrable,
            **RETRIES,
        ).expand(text=[f"{dag_id} {number}" for number in range(TASKS)])

with DAG("wrong_secret", **ALL_AT_ONCE):  # type: ignore[arg-type]
    NativeFunctionOperator.partial(
        task_id="read", method="getChannel", channel_talk_conn_id="wrong_secret", **RETRIES
    ).expand(channel_id=["ch-1"] * TASKS)
