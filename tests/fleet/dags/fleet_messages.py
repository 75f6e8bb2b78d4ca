"""Messages to groups, by the hook: the same app at the same time."""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.common.compat.sdk import Param, dag, get_current_context, task

from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook

CHANNELS = ("ch-1", "ch-2", "ch-3")


@dag(
    schedule=None,
    catchup=False,
    params={"messages": Param(30, type="integer"), "conn_id": Param("channel_talk_default", type="string")},
    default_args={"retries": 5, "retry_delay": timedelta(seconds=1)},
)
def fleet_messages() -> None:
    @task
    def plan() -> list[int]:
        return list(range(get_current_context()["params"]["messages"]))

    @task(do_xcom_push=False)
    def tell(number: int) -> None:
        channel = CHANNELS[number % len(CHANNELS)]
        conn_id = get_current_context()["params"]["conn_id"]
        dto = {"plainText": f"message {number}", "botName": conn_id}
        ChannelTalkHook(conn_id).call(
            "writeGroupMessage", {"channelId": channel, "groupId": f"group-{channel}-1", "dto": dto}
        )

    tell.expand(number=plan())


fleet_messages()
