"""
Tells many users about their orders: one mapped task instance per row of a query.

The query runs on a small SQLite database that the first task fills; in real life it is your warehouse.
However many rows there are, all task instances on all workers share one token: mapping over a thousand
chats costs one token request, not a thousand. A message that was sent is not sent again when its task
instance is retried.

Needs a connection ``channel_talk_default`` as described in ``example_channel_talk_message``. Each row
says in which channel its chat is.
"""

from __future__ import annotations

import sqlite3

from airflow.providers.common.compat.sdk import dag, task

from airflow_channel_provider.operators.channel_talk import (
    NativeFunctionOperator,
    WriteUserChatMessageOperator,
)

ORDERS = [
    ("ch-1", "chat-ch-1-1", "A-1001", "shipped"),
    ("ch-1", "chat-ch-1-2", "A-1002", "shipped"),
    ("ch-1", "chat-ch-1-3", "A-1003", "waiting"),
    ("ch-2", "chat-ch-2-1", "B-2001", "shipped"),
    ("ch-2", "chat-ch-2-2", "B-2002", "shipped"),
    ("ch-3", "chat-ch-3-1", "C-3001", "shipped"),
]


@dag(schedule=None, catchup=False, tags=["example", "channel_talk"], doc_md=__doc__)
def example_channel_talk_notify_many() -> None:
    # [START rows]
    @task
    def shipped_orders() -> list[dict[str, str]]:
        with sqlite3.connect(":memory:") as database:
            database.execute("CREATE TABLE orders (channel_id, user_chat_id, number, state)")
            database.executemany("INSERT INTO orders VALUES (?, ?, ?, ?)", ORDERS)
            rows = database.execute(
                "SELECT channel_id, user_chat_id, number FROM orders WHERE state = 'shipped' ORDER BY number"
            ).fetchall()
        return [
            {
                "channel_id": channel_id,
                "user_chat_id": user_chat_id,
                "text": f"Order {number} has been shipped.",
            }
            for channel_id, user_chat_id, number in rows
        ]

    # [END rows]

    # [START mapped_messages]
    notify = WriteUserChatMessageOperator.partial(
        task_id="notify",
        bot_name="Warehouse",
        map_index_template="{{ task.user_chat_id }}",
        retries=2,
    ).expand_kwargs(shipped_orders())
    # [END mapped_messages]

    # [START mapped_params]
    # A task for each element of the list.
    check = NativeFunctionOperator.partial(
        task_id="check", method="getUserChat", map_index_template="{{ task.function_params.userChatId }}"
    ).expand(
        function_params=[
            {"channelId": channel_id, "userChatId": user_chat_id}
            for channel_id, user_chat_id, *_ in ORDERS[:3]
        ]
    )
    # [END mapped_params]

    notify >> check


example_channel_talk_notify_many()
