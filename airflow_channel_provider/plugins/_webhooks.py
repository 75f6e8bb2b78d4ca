"""
The route that Channel Talk sends webhooks to: ``POST /channel-talk/webhooks/{connection id}?token=...``.

It needs the token of the connection and nothing else: sessions and cookies are ignored, and this route reaches nothing
else of Airflow. An event becomes an asset event in one transaction: an answer of 200 means that it is stored. If the
database is down, the answer is 503 and the sender tries again.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from airflow_channel_provider.inbound.webhooks import is_same_token, read_webhook
from airflow_channel_provider.inbound_connections import WebhookSettings
from airflow_channel_provider.plugins import _asset_events
from airflow_channel_provider.plugins._body import read_body
from airflow_channel_provider.plugins._gate import MAX_BODY_BYTES, Gate

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

PATH = "/webhooks/"
TOKEN = "channel_talk.webhook_query"  # noqa: S105 - the name of a place
"""Key of the request's scope that holds its query; an access log would write it down at its usual place."""

log = logging.getLogger(__name__)
router = APIRouter()

_GATE = Gate(
    subject="A webhook for",
    proof="token",
    failure="stored",
    read=WebhookSettings.from_connection,
    secret_of=lambda settings: settings.token,
)


@router.post(PATH + "{conn_id}")
async def receive(conn_id: str, request: Request) -> Response:
    """Take one webhook."""
    body = await read_body(request, MAX_BODY_BYTES, "The body is too large.")
    return await run_in_threadpool(_take, conn_id, request.scope.get(TOKEN) or {}, body)


def _take(conn_id: str, query: dict[str, str], body: bytes) -> Response:
    return _GATE.pass_through(
        conn_id,
        lambda settings: is_same_token(query.get("token", ""), (settings and settings.token) or ""),
        lambda session, settings: _register(session, settings, query, body),
    )


def _register(session: Session, settings: WebhookSettings, query: dict[str, str], body: bytes) -> Response:
    try:
        event = read_webhook(
            _json_of(body), default_channel_id=settings.channel_id, with_text=query.get("text") == "true"
        )
    except ValueError as error:
        log.warning("A webhook for connection %r can't be read: %s.", settings.conn_id, error)
        return JSONResponse({"detail": f"This is not a webhook of Channel Talk: {error}."}, status_code=400)
    if event is None:
        return JSONResponse({"events": 0})
    if settings.channel_id is not None and event.channel_id != settings.channel_id:
        log.warning(
            "A webhook for connection %r is of channel %r, and the connection of another.",
            settings.conn_id,
            event.channel_id,
        )
        return JSONResponse({"detail": "This is the connection of another channel."}, status_code=400)
    return JSONResponse({"events": _asset_events.store(session, event)})


def _json_of(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("the body is not JSON") from None
