"""One call with the app's own token."""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.common.compat.sdk import Param, dag

from airflow_channel_provider.operators.channel_talk import RegisterCommandsOperator


@dag(
    schedule=None,
    catchup=False,
    params={"conn_id": Param("channel_talk_default", type="string")},
    default_args={"retries": 5, "retry_delay": timedelta(seconds=1)},
)
def fleet_commands() -> None:
    RegisterCommandsOperator(
        task_id="register_commands",
        channel_talk_conn_id="{{ params.conn_id }}",
        commands=[{"name": "fleet", "scope": "desk", "actionFunctionName": "showFleet"}],
    )


fleet_commands()
