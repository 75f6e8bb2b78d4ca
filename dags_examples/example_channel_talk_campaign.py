"""
Writes to every customer of a table, from one task, and tells the team what came of it.

The customers are rows of a query; a query of a million rows needs no more memory than this one. Each message
exists once, however often the task is retried or its worker killed. What could not be delivered is in a
dead-letter file, a line each, which is valid input of another run.

Needs a connection ``channel_talk_default`` as described in ``example_channel_talk_message``, and a connection
``warehouse`` to a database; this example fills a table of it first. The dead-letter file may be anywhere that
Airflow's ``ObjectStoragePath`` reaches: ``s3://my_s3_connection@my-bucket/dead_letters`` for example.
"""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

from airflow.providers.common.compat.sdk import BaseHook, dag, task

from airflow_channel_provider.operators.bulk import BulkNativeFunctionOperator
from airflow_channel_provider.operators.channel_talk import WriteGroupMessageOperator

HOME = Path(os.environ.get("AIRFLOW_HOME", Path.home() / "airflow"))
DEAD_LETTERS = HOME.joinpath("dead_letters").as_uri()
# The chats of the last two are gone: their messages become dead letters.
CUSTOMERS = [(number, f"chat-ch-1-{number}", f"Customer {number}") for number in (*range(1, 10), 11, 12)]


@dag(schedule=None, catchup=False, tags=["example", "channel_talk"], doc_md=__doc__)
def example_channel_talk_campaign() -> None:
    @task
    def customers() -> None:
        with closing(BaseHook.get_hook("warehouse").get_conn()) as database:
            database.execute("DROP TABLE IF EXISTS customers")
            database.execute("CREATE TABLE customers (id INTEGER, chat_id TEXT, name TEXT)")
            database.executemany("INSERT INTO customers VALUES (?, ?, ?)", CUSTOMERS)
            database.commit()

    # [START campaign]
    send = BulkNativeFunctionOperator(
        task_id="send",
        method="writeUserChatMessage",
        sql_conn_id="warehouse",
        sql="SELECT id, chat_id, name FROM customers ORDER BY id",
        function_params={
            "userChatId": "{{ item.chat_id }}",
            "dto": {
                "plainText": "Dear {{ item.name }}, our spring sale has begun ({{ dag_run.start_date | ds }}).",
                "botName": "Shop",
            },
        },
        item_key="id",
        dead_letter=DEAD_LETTERS + "/campaign/{{ run_id }}.jsonl",
        retries=2,
    )
    # [END campaign]

    # [START campaign_summary]
    tell_team = WriteGroupMessageOperator(
        task_id="tell_team",
        group_name="Support",
        bot_name="Shop",
        text="{% set result = ti.xcom_pull(task_ids='send') %}"
        "The campaign of {{ dag_run.start_date | ds }}: {{ result.succeeded }} of "
        "{{ result['items'] }} messages delivered, "
        "{{ result.failed + result.uncertain }} failed"
        "{{ ' (' ~ result.dead_letter ~ ')' if result.dead_letter }}.",
    )
    # [END campaign_summary]

    customers() >> send >> tell_team


example_channel_talk_campaign()
