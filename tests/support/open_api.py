"""A connection to the emulator's Open API."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit


def connection(url: str, channel_id: str = "ch-1", **changes: Any) -> str:
    """Return the JSON of a connection to one channel of an emulator."""
    address = urlsplit(url)
    return json.dumps(
        {
            "conn_type": "channel_talk_open_api",
            "host": address.hostname,
            "port": address.port,
            "schema": "http",
            "login": f"open-key-{channel_id}",
            "password": f"open-secret-{channel_id}",
            **changes,
        }
    )
