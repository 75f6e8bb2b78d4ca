"""
A command: a manager types ``report`` in the group of the shop, the DAG runs with what they have typed, and replies.

Needs a connection ``channel_talk_default`` as described in ``example_channel_talk_message``, with the signing key of
the app's function endpoint, an Airflow 3.0 or newer that Channel Talk reaches, and one ``airflow channel register``;
see "Start a DAG by a command" in the documentation. It can be started by hand as well, and then nobody gets a reply.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import Param, dag, task

from airflow_channel_provider.operators.dag_command import DagCommandOperator


@dag(
    schedule=None,
    catchup=False,
    params={
        "shop": Param("Seoul", enum=["Seoul", "Busan"], description="Whose orders"),
        "days": Param(7, type="integer", minimum=1, maximum=31, description="How many days back"),
    },
    tags=["example", "channel_talk"],
    doc_md=__doc__,
)
def example_channel_talk_command() -> None:
    # [START declaration]
    # Everybody in the group may run it, and one manager from anywhere.
    command = DagCommandOperator(
        task_id="command",
        name="report",
        description="Counts the orders of a shop",
        groups=["group-ch-1-1"],
        managers=["manager-ch-1-1"],
    )
    # [END declaration]

    @task
    def count_orders(typed: Any, params: Any = None) -> str:
        who = typed["manager_id"] if typed else "nobody in a chat"
        return f"{params['shop']}: {6 * params['days']} orders in {params['days']} days, for {who}"

    count_orders(command.output)


example_channel_talk_command()
