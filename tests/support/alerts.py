"""Tasks that fail and succeed, and an alert for them."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_channel_provider.notifications.channel_talk import ChannelTalkNotifier

GROUP = "group-ch-1-1"


class Fails(BaseOperator):
    """Fails with the password of the connection ``canary`` in its error."""

    def execute(self, context: Any) -> None:
        from airflow.providers.common.compat.sdk import BaseHook

        password = BaseHook.get_connection("canary").password
        raise ConnectionError(f"<no> answer & {password}\nand more")


class Succeeds(BaseOperator):
    def execute(self, context: Any) -> str:
        return "done"


def alert(**kwargs: Any) -> ChannelTalkNotifier:
    return ChannelTalkNotifier(**{"group_id": GROUP, **kwargs})


def shown(message: Any) -> list[str]:
    return [block["value"] for block in message["blocks"] if "value" in block]
