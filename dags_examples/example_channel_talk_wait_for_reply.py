"""
Asks a user something, waits until somebody at the desk has dealt with the answer, and follows up.

People take minutes or days. The sensor waits in the triggerer and holds no worker slot meanwhile; hundreds of such
waits share one token and a few connections there, and go on where they were when the triggerer is restarted.

Needs a connection ``channel_talk_default`` as described in ``example_channel_talk_message``. At the emulator nobody is
at the desk unless its settings say so: ``{"user_chats_close_after_seconds": 5}`` closes each chat five seconds after a
message. In real life, look less often: ``poke_interval=60``.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.common.compat.sdk import dag

from airflow_channel_provider.operators.channel_talk import WriteUserChatMessageOperator
from airflow_channel_provider.sensors.channel_talk import UserChatStateSensor

USER_CHAT = "chat-ch-1-10"


@dag(schedule=None, catchup=False, tags=["example", "channel_talk"], doc_md=__doc__)
def example_channel_talk_wait_for_reply() -> None:
    ask = WriteUserChatMessageOperator(
        task_id="ask",
        user_chat_id=USER_CHAT,
        text="Your order has arrived. Is everything as it should be? Just answer here.",
        bot_name="Warehouse",
    )

    # [START wait_for_reply]
    # Looks once on the worker, then in the triggerer.
    dealt_with = UserChatStateSensor(
        task_id="dealt_with",
        user_chat_id=USER_CHAT,
        state="closed",
        deferrable=True,
        poke_interval=1,
        timeout=timedelta(days=2),
    )
    # [END wait_for_reply]

    follow_up = WriteUserChatMessageOperator(
        task_id="follow_up",
        user_chat_id=USER_CHAT,
        text="Thank you for talking to us. How did we do?",
        bot_name="Warehouse",
    )

    ask >> dealt_with >> follow_up


example_channel_talk_wait_for_reply()
