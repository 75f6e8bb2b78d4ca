"""Many calls to several channels, one mapped task instance each."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import Param, dag, get_current_context, task

from airflow_channel_provider.operators.channel_talk import NativeFunctionOperator

CHANNELS = ("ch-1", "ch-2", "ch-3")
CHATS = 10


@dag(
    schedule=None,
    catchup=False,
    params={"calls": Param(300, type="integer"), "conn_id": Param("channel_talk_default", type="string")},
    default_args={"retries": 5, "retry_delay": timedelta(seconds=1)},
)
def fleet_calls() -> None:
    @task
    def plan() -> list[dict[str, Any]]:
        params = get_current_context()["params"]
        return [
            {
                "channelId": CHANNELS[number % len(CHANNELS)],
                "userChatId": f"chat-{CHANNELS[number % len(CHANNELS)]}-{number % CHATS + 1}",
                "dto": {"plainText": f"call {number}", "botName": params["conn_id"]},
            }
            for number in range(params["calls"])
        ]

    NativeFunctionOperator.partial(
        task_id="call",
        do_xcom_push=False,
        method="writeUserChatMessage",
        channel_talk_conn_id="{{ params.conn_id }}",
    ).expand(function_params=plan())


fleet_calls()
