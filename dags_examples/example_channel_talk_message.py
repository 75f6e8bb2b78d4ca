"""
Declares the commands of an app and tells a user and a group about it.

Operators and TaskFlow mixed: what an operator returns (the id of its message) is the argument of a
``@task``, and a ``@task`` uses the hook for a call that no operator is typed for.

Needs a connection ``channel_talk_default`` of the type Channel Talk with App ID, App Secret and a default
channel. As it stands it runs against the package's emulator (``python -m
airflow_channel_provider.emulator``) and the data that this starts with. Elsewhere, replace the ids.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import dag, task

from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
from airflow_channel_provider.operators.channel_talk import (
    NativeFunctionOperator,
    RegisterCommandsOperator,
    WriteGroupMessageOperator,
    WriteUserChatMessageOperator,
)
from airflow_channel_provider.operators.commands import Command

USER_CHAT = "chat-ch-1-1"


@dag(schedule=None, catchup=False, tags=["example", "channel_talk"], doc_md=__doc__)
def example_channel_talk_message() -> None:
    # [START register_commands]
    # The list is complete: the service removes every command of the app that is not in it.
    register_commands = RegisterCommandsOperator(
        task_id="register_commands",
        commands=[
            Command(
                name="order",
                scope="desk",
                actionFunctionName="showOrder",
                description="Shows an order",
                nameDescI18nMap={"ko": {"name": "주문", "description": "주문을 보여 줍니다"}},
                paramDefinitions=[
                    {"name": "number", "type": "string", "required": True, "autoComplete": True},
                    {
                        "name": "part",
                        "type": "string",
                        "required": False,
                        "choices": [{"name": "Items", "value": "items"}, {"name": "Bill", "value": "bill"}],
                    },
                ],
                autoCompleteFunctionName="suggestOrders",
            ),
            Command(name="track", scope="front", actionFunctionName="trackParcel", alfMode="recommend"),
        ],
    )
    # [END register_commands]

    # [START native_function]
    user_chat = NativeFunctionOperator(
        task_id="get_user_chat", method="getUserChat", function_params={"userChatId": USER_CHAT}
    )
    # [END native_function]

    # [START user_chat_message]
    # A retry of this task is the same message, not a second one.
    tell_user = WriteUserChatMessageOperator(
        task_id="tell_user",
        user_chat_id=USER_CHAT,
        text="Your order of {{ dag_run.start_date | ds }} has left our warehouse.",
        bot_name="Warehouse",
    )
    # [END user_chat_message]

    # [START group_message]
    tell_support = WriteGroupMessageOperator(
        task_id="tell_support",
        group_name="Support",
        blocks=[
            {"type": "text", "value": "The parcels of {{ dag_run.start_date | ds }} are on their way."},
            {"type": "bullets", "blocks": [{"type": "text", "value": "run {{ run_id }}"}]},
        ],
        options=["MESSAGE_OPTION_SILENT_TO_MANAGER"],
        bot_name="Warehouse",
    )
    # [END group_message]

    # [START hook_in_a_task]
    @task
    def summarize(message_ids: Any) -> dict[str, object]:
        with ChannelTalkHook() as hook:
            channel = hook.call("getChannel")
        return {"channel": channel, "message_ids": message_ids}

    # [END hook_in_a_task]

    register_commands >> user_chat
    user_chat >> [tell_user, tell_support]
    summarize([tell_user.output, tell_support.output])


example_channel_talk_message()
