"""The URIs of assets, ``channeltalk://{channel}/{event or stream}``, checked when a DAG file is parsed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_channel_provider.contract.webhooks import EVENTS, HOOK_EVENTS
from airflow_channel_provider.inbound.webhooks import SCHEME

if TYPE_CHECKING:
    from urllib.parse import SplitResult


EXTRACTED = (
    "user_chats",
    "messages",
    "users",
    "user_events",
    "managers",
    "groups",
    "group_messages",
    "bots",
    "chat_tags",
    "channel",
    "call_logs",
)
"""The streams that :class:`.ExtractOperator` writes to files."""


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """
    Check the URI of an asset.

    :raises ValueError: it names no channel, or neither an event of a webhook or hook nor a stream.
    """
    event = uri.path.strip("/")
    if not uri.netloc or "@" in uri.netloc or uri.query:
        raise ValueError(
            f"write {SCHEME}://CHANNEL_ID/EVENT, with the id of a channel, an event or a stream, and nothing else"
        )
    if event not in (*EVENTS, *HOOK_EVENTS, *EXTRACTED):
        raise ValueError(
            f"{event or 'no event'} is no event or stream of Channel Talk; name one of "
            f"{', '.join((*EVENTS, *HOOK_EVENTS, *EXTRACTED))}"
        )
    return uri._replace(path=f"/{event}")
