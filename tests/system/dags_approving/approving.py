"""Questions that are answered, rejected, left alone and mapped, and a task whose alerts are one thread."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.hitl import HITLBranchOperator, HITLOperator
from airflow.sdk import DAG, task

from airflow_channel_provider.notifications.channel_talk import ChannelTalkNotifier
from airflow_channel_provider.operators.approval import AskApprovalOperator

LIMIT = timedelta(seconds=15)
GROUP = "Support"
where = ChannelTalkNotifier(group_name=GROUP)
alert = ChannelTalkNotifier(group_name=GROUP, thread=True)

with DAG("approving", schedule=None, catchup=False):
    AskApprovalOperator(task_id="approved", subject="Approve?", group_name=GROUP) >> EmptyOperator(
        task_id="go_on"
    )
    AskApprovalOperator(task_id="rejected", subject="Reject?", group_name=GROUP) >> EmptyOperator(
        task_id="skipped"
    )
    AskApprovalOperator(task_id="late", subject="Late?", response_timeout=LIMIT, group_name=GROUP)
    AskApprovalOperator.partial(task_id="mapped", group_name=GROUP).expand(subject=["First?", "Second?"])
    HITLOperator(
        task_id="default",
        subject="Where?",
        options=["Seoul", "Busan", "Jeju"],
        defaults="Jeju",
        response_timeout=LIMIT,
        notifiers=where,
        on_success_callback=where,
    )
    HITLBranchOperator(
        task_id="branch",
        subject="Which way?",
        options=["left", "right"],
        notifiers=where,
        on_success_callback=where,
    ) >> [EmptyOperator(task_id="left"), EmptyOperator(task_id="right")]

    @task(
        retries=2,
        retry_delay=timedelta(seconds=1),
        on_retry_callback=alert,
        on_failure_callback=alert,
        on_success_callback=alert,
    )
    def recovers(ti: Any = None) -> None:
        if ti.try_number < 3:
            raise ConnectionError("not yet")

    recovers()
