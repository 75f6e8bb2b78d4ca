"""
Loads the orders of a day into a data table of the app: what a nightly run does.

The table is created when it is missing, with columns as the rows have them, and gets the columns that it lacks
later on. With a primary key a retry, even of a task that was killed, leaves no row twice and none missing.

Needs a connection ``channel_talk_default`` as described in ``example_channel_talk_message``, and a connection
``warehouse`` to a database; this example fills a table of it first. Files will do as well: ``path`` instead of
``sql`` names a JSONL, CSV or Parquet file.
"""

from __future__ import annotations

from contextlib import closing

from airflow.providers.common.compat.sdk import BaseHook, dag, task

from airflow_channel_provider.operators.bulk import DataTableLoadOperator
from airflow_channel_provider.operators.channel_talk import NativeFunctionOperator

STATES = ("paid", "packed", "shipped")


@dag(schedule=None, catchup=False, tags=["example", "channel_talk"], doc_md=__doc__)
def example_channel_talk_table_load() -> None:
    @task
    def orders() -> None:
        rows = [(f"A-{number}", STATES[number % 3], number * 1.5) for number in range(1_000, 2_000)]
        with closing(BaseHook.get_hook("warehouse").get_conn()) as database:
            database.execute("DROP TABLE IF EXISTS orders")
            database.execute("CREATE TABLE orders (number TEXT, state TEXT, total REAL)")
            database.executemany("INSERT INTO orders VALUES (?, ?, ?)", rows)
            database.commit()

    # [START table_load]
    load = DataTableLoadOperator(
        task_id="load",
        table_name="orders",
        primary_key="number",
        sql_conn_id="warehouse",
        sql="SELECT number, state, total, '{{ dag_run.start_date | ds }}' AS loaded_on FROM orders ORDER BY number",
        retries=2,
    )
    # [END table_load]

    schema = NativeFunctionOperator(
        task_id="schema", method="getAppDataTableSchema", function_params={"tableName": "orders"}
    )

    orders() >> load >> schema


example_channel_talk_table_load()
