"""
Follows up on an order: what is known of the customer, a message with formatting, and the end of the chat.

Needs a connection ``channel_talk_default`` as described in ``example_channel_talk_message``. As it stands it runs
against the package's emulator and the data that this starts with. Elsewhere, replace the ids.
"""

from __future__ import annotations

from airflow.providers.common.compat.sdk import dag

from airflow_channel_provider.operators.channel_talk import WriteUserChatMessageOperator
from airflow_channel_provider.operators.users import UpdateUserChatStateOperator, UpsertMemberOperator

MEMBER = "member-ch-1-2"
USER_CHAT = "chat-ch-1-2"

# [START markdown]
THANKS = """
# Your order A-1002

Thank you! *Sent today*, to arrive in **two days**:

- 1 kettle
- 2 cups
  - blue
  - green

[Track the parcel](https://shop.example.com/parcels/A-1002 "button green")
[Ask us](https://shop.example.com/help "button")

![The bill](https://shop.example.com/bills/A-1002.pdf)
"""
# [END markdown]


@dag(schedule=None, catchup=False, tags=["example", "channel_talk"], doc_md=__doc__)
def example_channel_talk_follow_up() -> None:
    # [START upsert_member]
    # What is not named here stays as it is.
    remember = UpsertMemberOperator(
        task_id="remember",
        member_id=MEMBER,
        profile={"lastOrder": "A-1002", "lastOrderAt": "{{ dag_run.start_date | ds }}"},
        tags=["customer"],
    )
    # [END upsert_member]

    # [START markdown_message]
    thank = WriteUserChatMessageOperator(
        task_id="thank",
        user_chat_id=USER_CHAT,
        bot_name="Warehouse",
        markdown=THANKS,
    )
    # [END markdown_message]

    # [START private_note]
    note = WriteUserChatMessageOperator(
        task_id="note",
        user_chat_id=USER_CHAT,
        markdown="[@Mina Seo](manager:manager-ch-1-1), the bill was sent by run `{{ run_id }}`.",
        private=True,
        silent="user",
    )
    # [END private_note]

    # [START user_chat_state]
    close = UpdateUserChatStateOperator(
        task_id="close", user_chat_id=USER_CHAT, state="closed", bot_name="Warehouse"
    )
    # [END user_chat_state]

    remember >> thank >> note >> close


example_channel_talk_follow_up()
