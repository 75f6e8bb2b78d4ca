"""
Links from a task instance to what it has written to, from a message to the form of a task that waits for an answer,
and to a DAG run.

The task makes the address from its connection and the id of the chat, and Airflow stores it as an XCom, so that the UI
needs no connection. Before Airflow 3 there is no link.

Channel Desk documents no addresses; these are the two forms that its users link to, by the channel's name
(``https://desk.channel.io/acme/user-chats/<id>``) and by its id (``.../#/channels/1/user_chats/<id>``).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

from airflow.providers.common.compat.sdk import BaseOperatorLink, conf

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

    from airflow_channel_provider.request_ids import TaskKey


class OpenChatLink(BaseOperatorLink):
    """Opens the chat in Channel Desk, if the connection has a Desk address."""

    name = "Open the chat"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address that the operator stored while it ran."""
        return getattr(operator, "chat_url", None) or ""


def user_chat_url(desk_url: str, user_chat_id: str) -> str:
    """Return the address of a user chat in Channel Desk."""
    kind = "user_chats" if "#/" in desk_url else "user-chats"
    return f"{desk_url}/{kind}/{_quoted(user_chat_id)}"


def group_url(desk_url: str, group_id: str) -> str:
    """Return the address of a group in Channel Desk."""
    return f"{desk_url}/groups/{_quoted(group_id)}"


def answer_url(base_url: str, key: TaskKey, *, option: str | None = None) -> str:
    """
    Return the address of the form in which a person answers a task that waits for one (Airflow 3.1 or newer).

    Airflow reads the chosen options as a JSON list, and decodes the percent signs of a text that its browser has
    decoded already. JSON that is ASCII and names a percent sign by its number means the same either way.

    :param base_url: where Airflow's UI is, its path included: the option ``[api] base_url``.
    :param key: of the task instance.
    :param option: the option that the form shows as chosen.
    """
    mapped = "" if key.map_index < 0 else f"/mapped/{key.map_index}"
    task = f"dags/{_quoted(key.dag_id)}/runs/{_quoted(key.run_id)}/tasks/{_quoted(key.task_id)}{mapped}"
    chosen = "" if option is None else json.dumps([option]).replace("%", "\\u0025")
    query = chosen and f"?_options={_quoted(chosen)}"
    return f"{base_url.rstrip('/')}/{task}/required_actions{query}"


def run_url(dag_id: str | None, run_id: str | None) -> str | None:
    """Return the address of a DAG run in Airflow's UI; None if this Airflow does not know its own address."""
    base_url = str(conf.get("api", "base_url", fallback="") or "").rstrip("/")
    if not (base_url and dag_id and run_id):
        return None
    return f"{base_url}/dags/{_quoted(dag_id)}/runs/{_quoted(run_id)}"


def _quoted(name: str) -> str:
    # The service's answer may hold half of a surrogate pair, which no address can.
    return quote(name, safe="", errors="replace")
