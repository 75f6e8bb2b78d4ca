"""
Answers each chat that a customer opens: the webhook of Channel Talk becomes an asset event, which starts this DAG.

Needs a connection ``channel_talk_default`` as described in ``example_channel_talk_message``, with a webhook token, and
a webhook of Channel Talk that sends ``userChat.opened`` to the api-server of an Airflow 3.0 or newer; see "Start a DAG
by an event" in the documentation. A run that is started by hand has no events, and answers nothing.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from airflow.providers.common.compat.sdk import Asset, dag, task

from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook

# [START new_chats]
NEW_CHATS = Asset("channeltalk://ch-1/userChat.opened")


@dag(
    schedule=[NEW_CHATS],
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    tags=["example", "channel_talk"],
    doc_md=__doc__,
)
def example_channel_talk_answer_new_chats() -> None:
    @task
    def answer(triggering_asset_events: Any = None) -> list[str]:
        # Chats that are opened while the last run is under way are answered by one run.
        events = [event for found in (triggering_asset_events or {}).values() for event in found]
        chat_ids = sorted({event.extra["user_chat_id"] for event in events})
        if chat_ids:
            with ChannelTalkHook() as hook:
                for chat_id in chat_ids:
                    dto = {
                        "plainText": "Thanks for writing! Somebody will be with you soon.",
                        "botName": "Shop",
                    }
                    hook.call("writeUserChatMessage", {"userChatId": chat_id, "dto": dto})
        return chat_ids

    answer()


example_channel_talk_answer_new_chats()
# [END new_chats]
