"""Calls of the App Store to an app's function endpoint, signed as it signs them."""

from __future__ import annotations

import json
from typing import Any

from airflow_channel_provider.contract.signing import signature_of, signing_key_of

KEY = "00112233445566778899aabbccddeeff" * 2
ROUTE = "/afl/channel-talk/functions/app"


def body_of(method: str, params: Any = None, **context: Any) -> bytes:
    """
    Return a body as the App Store writes it.

    :param context: ``caller``, ``channel``, ...
    """
    call = {
        "method": method,
        "params": {} if params is None else params,
        "context": {"caller": {"type": "system", "id": "system"}, "channel": {"id": ""}, **context},
        "systemVersion": "v1",
    }
    return json.dumps(call, ensure_ascii=False).encode()


def put(client: Any, body: bytes, *, route: str = ROUTE, key: str = KEY, **headers: str) -> Any:
    """Send a body with its signature, or with the headers that are given."""
    signature = signature_of(signing_key_of(key), body)
    return client.put(route, content=body, headers=headers or {"X-Signature": signature})


def command(
    function: str,
    chat_id: str = "group-1",
    *,
    manager: str = "m-1",
    channel: str = "ch-1",
    kind: str = "group",
    caller: str = "manager",
    **given: Any,
) -> bytes:
    """Return the body of a command that a person has typed in a chat."""
    params = {
        "chat": {"type": kind, "id": chat_id},
        "trigger": {"type": "command", "attributes": None},
        "input": given,
        "language": "ko",
    }
    return body_of(function, params, caller={"type": caller, "id": manager}, channel={"id": channel})
