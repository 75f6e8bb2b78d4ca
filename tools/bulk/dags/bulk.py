"""Bulk tasks over files of a folder that the run has laid out, and the same calls as mapped tasks."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import dag, task

from airflow_channel_provider.operators.bulk import BulkNativeFunctionOperator, DataTableLoadOperator
from airflow_channel_provider.operators.channel_talk import WriteUserChatMessageOperator

FOLDER = Path(os.environ["BULK_FOLDER"])
MAPPED = int(os.environ["BULK_MAPPED"])
AGAIN: dict[str, Any] = {"retries": 6, "retry_delay": timedelta(seconds=1)}


@dag(schedule=None, catchup=False)
def campaign() -> None:
    BulkNativeFunctionOperator(
        task_id="write",
        method="writeUserChatMessage",
        sql="SELECT id, chat_id, text FROM orders ORDER BY id",
        sql_conn_id="orders",
        function_params={
            "userChatId": "{{ item.chat_id }}",
            "dto": {"plainText": "{{ item.text }}", "botName": "Shop"},
        },
        item_key="id",
        dead_letter=FOLDER.joinpath("failed.jsonl").as_uri(),
        progress_seconds=2,
        **AGAIN,
    )


@dag(schedule=None, catchup=False)
def load() -> None:
    DataTableLoadOperator(
        task_id="load",
        table_name="orders",
        primary_key="id",
        path=FOLDER.joinpath("orders.parquet").as_uri(),
        dead_letter=FOLDER.joinpath("failed_rows.jsonl").as_uri(),
        progress_seconds=2,
        **AGAIN,
    )


@dag(schedule=None, catchup=False)
def mapped() -> None:
    @task
    def messages() -> list[dict[str, str]]:
        return [{"user_chat_id": f"chat-ch-1-{n % 9 + 1}", "text": f"mapped {n}"} for n in range(MAPPED)]

    WriteUserChatMessageOperator.partial(task_id="write").expand_kwargs(messages())


@dag(schedule=None, catchup=False)
def bulk() -> None:
    BulkNativeFunctionOperator(
        task_id="write",
        method="writeUserChatMessage",
        items=list(range(MAPPED)),
        function_params={
            "userChatId": "chat-ch-1-{{ item % 9 + 1 }}",
            "dto": {"plainText": "bulk {{ item }}", "botName": "Shop"},
        },
    )


campaign()
load()
mapped()
bulk()
