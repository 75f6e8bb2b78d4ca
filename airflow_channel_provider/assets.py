"""The URIs of assets, ``channeltalk://{channel}/{event}``, checked when a DAG file is parsed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_channel_provider.contract.webhooks import EVENTS, HOOK_EVENTS
from airflow_channel_provider.inbound.webhooks import SCHEME

if TYPE_CHECKING:
    from urllib.parse import SplitResult


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """
    Check the URI of an asset.

    :raises ValueError: it names no channel, or an event that no webhook or hook has.
    """
    event = uri.path.strip("/")
    if not uri.netloc or "@" in uri.netloc or uri.query:
        raise ValueError(f"write {SCHEME}://CHANNEL_ID/EVENT, with the id of a channel and nothing else")
    if event not in (*EVENTS, *HOOK_EVENTS):
        raise ValueError(
            f"{event or 'no event'} is no event of Channel Talk; name one of {', '.join((*EVENTS, *HOOK_EVENTS))}"
        )
    return uri._replace(path=f"/{event}")
