"""Something that is scheduled by an event, something that is a command, and something that is triggered."""

from __future__ import annotations

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Asset, Param

from airflow_channel_provider.operators.dag_command import DagCommandOperator

with DAG("by_event", schedule=[Asset("channeltalk://ch-1/userChat.opened")], catchup=False):
    EmptyOperator(task_id="work")

# Its runs stay queued, so that the machine has time for the burst.
with DAG(
    "by_command",
    schedule=None,
    catchup=False,
    max_active_runs=0,
    params={"number": Param(0, type="integer")},
):
    DagCommandOperator(task_id="command", name="run", managers=["m-1"], reply=False)

with DAG("by_trigger", schedule=None, catchup=False):
    EmptyOperator(task_id="work")
