"""
Hooks of an app: the App Store calls a function when something happens to the app, or when a webhook arrives at it.

Each becomes the asset event that the same webhook would have become at the route with a token. Of a delivery only the
name ``rawBodyBase64`` is published, so it is looked for wherever it may be.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_channel_provider.contract.parts import ENDPOINT_TOKEN
from airflow_channel_provider.contract.sources import HOOK_SCHEMA
from airflow_channel_provider.contract.webhooks import HOOK_EVENTS, RECEIVED
from airflow_channel_provider.inbound.commands import SYSTEM_VERSION
from airflow_channel_provider.inbound.function_call import id_of
from airflow_channel_provider.inbound.webhooks import WebhookEvent, delivery_id, read_webhook

if TYPE_CHECKING:
    from airflow_channel_provider.inbound.function_call import FunctionCall

HOOK = "airflow.hook."
TARGET_ID = "airflow"
"""Of the app's public address: ``/public/v1/apps/{app id}/hooks/airflow/{token}``."""

_RAW_BODY = "rawBodyBase64"
_DELIVERY_IDS = ("deliveryId", "delivery_id", "id")
_DEEPEST = 3


def hooks_of(webhook_token: str | None) -> list[dict[str, Any]]:
    """
    Return the hooks of an app as the App Store takes them.

    :param webhook_token: of the app's public address; one that the App Store would refuse is left out with its hook.
    """
    found: list[dict[str, Any]] = [
        {"type": event, "actionFunctionName": f"{HOOK}{event}", "systemVersion": SYSTEM_VERSION}
        for event in HOOK_EVENTS
        if event != RECEIVED
    ]
    if webhook_token is not None and not ENDPOINT_TOKEN.check(webhook_token, HOOK_SCHEMA):
        found.append(
            {
                "type": RECEIVED,
                "actionFunctionName": f"{HOOK}{RECEIVED}",
                "systemVersion": SYSTEM_VERSION,
                "targetId": TARGET_ID,
                "webhook": {"endpointToken": webhook_token, "executionScope": "app"},
            }
        )
    return found


def event_of(method: str) -> str | None:
    """Return the event of the hook that a function belongs to; None for another function."""
    event = method.removeprefix(HOOK)
    return event if event != method and event in HOOK_EVENTS else None


def read_hook(
    call: FunctionCall, event: str, *, default_channel_id: str | None = None
) -> WebhookEvent | None:
    """
    Read the call of a hook.

    :param default_channel_id: the channel of a call that names none.
    :return: None for a webhook of Channel Talk that no asset stands for.
    :raises ValueError: no channel is known, or the body of a webhook can't be read; the message has no value of it.
    """
    channel_id = call.channel_id or default_channel_id
    if event == RECEIVED:
        request = _request_in(call.params)
        if (body := _body_of(request)) is not None:
            query = request.get("query")
            with_text = isinstance(query, Mapping) and query.get("text") == "true"
            try:
                return read_webhook(body, default_channel_id=channel_id, with_text=with_text)
            except ValueError:
                pass  # a webhook of somebody else's, which the address takes as well
    if channel_id is None:
        raise ValueError("no channel is known; give the connection a default channel")
    given = next((found for name in _DELIVERY_IDS if (found := id_of(call.params.get(name)))), None)
    delivery = delivery_id(event, channel_id, given) if given else call.digest[:32]
    extra = {"event": event, "channel_id": channel_id, "delivery": delivery}
    if call.caller_type == "manager" and call.caller_id is not None:
        extra["manager_id"] = call.caller_id
    return WebhookEvent(event, channel_id, delivery, extra)


def _request_in(value: object, deepest: int = _DEEPEST) -> Mapping[str, Any]:
    """Return the object that has the raw body; an empty one where there is none."""
    if not isinstance(value, Mapping):
        return {}
    if isinstance(value.get(_RAW_BODY), str):
        return value
    inner = (_request_in(one, deepest - 1) for one in value.values()) if deepest else iter(())
    return next((found for found in inner if found), {})


def _body_of(request: Mapping[str, Any]) -> Any:
    try:
        return json.loads(base64.b64decode(request[_RAW_BODY], validate=True))
    except (KeyError, ValueError, RecursionError):
        return None
