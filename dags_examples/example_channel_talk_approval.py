"""
Asks a group whether a campaign may go out, and sends it when somebody has approved it in Airflow.

The message in the group *Support* has a button for each option, which opens Airflow's form with that option chosen if
``[api] base_url`` is set. The task waits without a worker slot. Who decided what is a reply in the thread of the
question; a rejection skips what follows. Nothing of Airflow has to be reachable from Channel Talk.

Needs Airflow 3.1 or newer, and a connection ``channel_talk_default`` as described in ``example_channel_talk_message``.
"""

from __future__ import annotations

from airflow.providers.common.compat.sdk import dag

from airflow_channel_provider.operators.approval import AskApprovalOperator
from airflow_channel_provider.operators.channel_talk import WriteGroupMessageOperator


@dag(schedule=None, catchup=False, tags=["example", "channel_talk"], doc_md=__doc__)
def example_channel_talk_approval() -> None:
    # [START ask]
    ask = AskApprovalOperator(
        task_id="ask",
        group_name="Support",
        subject="Send the campaign of {{ dag_run.run_after | ds }}?",
        body="**1,200** customers get a message.",
    )
    # [END ask]
    send = WriteGroupMessageOperator(task_id="send", group_name="Support", text="The campaign is on its way.")
    # [START mapped]
    # A question for each region; each goes on by itself.
    ask_regions = AskApprovalOperator.partial(task_id="ask_regions", group_name="Support").expand(
        subject=["Start in Seoul?", "Start in Tokyo?"]
    )
    # [END mapped]
    ask >> [send, ask_regions]


example_channel_talk_approval()
