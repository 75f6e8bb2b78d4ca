"""Something that is scheduled by an event, and something that is triggered."""

from __future__ import annotations

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Asset

with DAG("by_event", schedule=[Asset("channeltalk://ch-1/userChat.opened")], catchup=False):
    EmptyOperator(task_id="work")

with DAG("by_trigger", schedule=None, catchup=False):
    EmptyOperator(task_id="work")
