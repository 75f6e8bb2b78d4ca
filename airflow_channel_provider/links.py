"""
A link from a task instance to what it has written to.

The task makes the address from its connection and the id of the chat, and Airflow stores it as an XCom, so that the UI
needs no connection. Before Airflow 3 there is no link.

Channel Desk documents no addresses; these are the two forms that its users link to, by the channel's name
(``https://desk.channel.io/acme/user-chats/<id>``) and by its id (``.../#/channels/1/user_chats/<id>``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from airflow.providers.common.compat.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


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


def _quoted(name: str) -> str:
    # The service's answer may hold half of a surrogate pair, which no address can.
    return quote(name, safe="", errors="replace")
