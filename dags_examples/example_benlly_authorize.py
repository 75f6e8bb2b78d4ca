"""
Authorizes channels of Benlly for several devices, and takes one authorization back.

A connection of the type Benlly is one user on one device, so each device has a connection. A channel whose
``auth_type`` is ``push_notification`` wants the access token of its push service. That token must not
travel through XCom and must not stand in this file: here it is the password of a connection, which Airflow
keeps encrypted and masks.

Needs the connections ``benlly_default`` and ``benlly_tablet`` of the type Benlly, and ``push_service`` of
any type with the token of the push service as its password. Either of the first two may have a user's
access token as its password, or client and user in its extra; then the tasks fetch and share the token.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import dag, task

from airflow_channel_provider.operators.benlly import ChannelAuthorizeOperator, ChannelDeauthorizeOperator

DEVICES = ["benlly_default", "benlly_tablet"]
CHANNELS = [2, 3]
PUSH_CHANNEL = 1


@dag(schedule=None, catchup=False, tags=["example", "benlly"], doc_md=__doc__)
def example_benlly_authorize() -> None:
    # [START authorize]
    # Each device with each channel: four task instances.
    authorize = ChannelAuthorizeOperator.partial(
        task_id="authorize", map_index_template="{{ task.benlly_conn_id }}: {{ task.channel_id }}"
    ).expand(benlly_conn_id=DEVICES, channel_id=CHANNELS)
    # [END authorize]

    # [START authorize_push]
    # What is mapped is the reference to the token; it is read in the task, and masked there.
    authorize_push = ChannelAuthorizeOperator.partial(
        task_id="authorize_push",
        channel_id=PUSH_CHANNEL,
        token="{{ conn.push_service.password }}",  # noqa: S106 - a template
    ).expand(benlly_conn_id=DEVICES)
    # [END authorize_push]

    # [START result]
    @task
    def report(answers: Any) -> list[str]:
        # The answer of a push channel comes without its device_token.
        return [answer["udid"] for answer in answers if not answer["expired"]]

    # [END result]

    # [START deauthorize]
    deauthorize = ChannelDeauthorizeOperator(
        task_id="deauthorize", channel_id=CHANNELS[-1], benlly_conn_id="benlly_tablet"
    )
    # [END deauthorize]

    authorize >> authorize_push >> deauthorize
    report(authorize_push.output)


example_benlly_authorize()
