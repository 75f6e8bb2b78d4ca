"""
Asks one manager for approval with buttons that answer in the chat: no login, no form, one click.

A button runs a command of the app, which answers the task as the manager who has clicked. Only the managers that the
question is assigned to may; everybody else, and whoever comes second, is told so in words. Airflow's audit log names
who has answered.

Needs what ``example_channel_talk_approval`` needs, and for the clicks what ``example_channel_talk_command`` needs: an
api-server that Channel Talk reaches, the signing key, the App ID, and one ``airflow channel register``.
"""

from __future__ import annotations

from airflow.providers.common.compat.sdk import dag

from airflow_channel_provider.operators.approval import AskApprovalOperator
from airflow_channel_provider.operators.channel_talk import WriteGroupMessageOperator
from airflow_channel_provider.operators.commands import manager_user


@dag(schedule=None, catchup=False, tags=["example", "channel_talk"], doc_md=__doc__)
def example_channel_talk_one_click() -> None:
    # [START ask]
    ask_mina = AskApprovalOperator(
        task_id="ask_mina",
        group_name="Support",
        subject="Refund the orders of {{ dag_run.run_after | ds }}?",
        one_click=True,
        assigned_users=[manager_user("manager-ch-1-1", "Mina Seo")],
    )
    # [END ask]
    refund = WriteGroupMessageOperator(
        task_id="refund", group_name="Support", text="The refunds are on their way."
    )
    ask_mina >> refund


example_channel_talk_one_click()
