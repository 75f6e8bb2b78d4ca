"""
The route that Channel Talk sends webhooks to: ``POST /channel-talk/webhooks/{connection id}?token=...``.

It needs the token of the connection and nothing else: sessions and cookies are ignored, and this route reaches nothing
else of Airflow. An event becomes an asset event in one transaction: an answer of 200 means that it is stored. If the
database is down, the answer is 503 and the sender tries again.
"""

from __future__ import annotations

import json
import logging
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow.utils.session import create_session
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.inbound.webhooks import is_same_token, read_webhook
from airflow_channel_provider.inbound_connections import WebhookSettings
from airflow_channel_provider.masking import mask_credential
from airflow_channel_provider.plugins import _asset_events
from airflow_channel_provider.plugins._body import CONN_ID, read_body

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

PATH = "/webhooks/"
TOKEN = "channel_talk.webhook_query"  # noqa: S105 - the name of a place
"""Key of the request's scope that holds its query; an access log would write it down at its usual place."""

MAX_BODY_BYTES = 2**20
RETRY_AFTER_SECONDS = 30

log = logging.getLogger(__name__)
router = APIRouter()


@router.post(PATH + "{conn_id}")
async def receive(conn_id: str, request: Request) -> Response:
    """Take one webhook."""
    body = await read_body(request, MAX_BODY_BYTES, "The body is too large.")
    return await run_in_threadpool(_take, conn_id, request.scope.get(TOKEN) or {}, body)


def _take(conn_id: str, query: dict[str, str], body: bytes) -> Response:
    try:
        with create_session() as session:
            session.execute(text("SELECT 1"))  # the look-up of a connection hides an outage of the database
            settings = _settings(conn_id)
            # Always one comparison, so that the time reveals nothing about the connection.
            is_same = is_same_token(query.get("token", ""), (settings and settings.token) or "")
            if settings is None or not settings.token or not is_same:
                log.warning(
                    "A webhook for connection %r was refused: its token is not the connection's.", conn_id
                )
                return JSONResponse({"detail": "Unauthorized"}, status_code=401)
            return _register(session, settings, query, body)
    except SQLAlchemyError as error:
        log.error("A webhook for connection %r could not be stored: %s.", conn_id, type(error).__name__)  # noqa: TRY400
        return JSONResponse(
            {"detail": "The database can't be reached; send it again."},
            status_code=503,
            headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
        )


def _settings(conn_id: str) -> WebhookSettings | None:
    """Return the webhook settings of the connection; None if it has none or does not exist."""
    from airflow.models.connection import Connection
    from airflow.providers.common.compat.sdk import AirflowNotFoundException

    if not CONN_ID.fullmatch(conn_id):
        return None
    try:
        settings = WebhookSettings.from_connection(Connection.get_connection_from_secrets(conn_id))
    except (AirflowNotFoundException, ChannelConfigurationError) as error:
        log.warning("A webhook for connection %r: %s", conn_id, error)
        return None
    if settings.token:
        mask_credential(settings.token)
    return settings


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
    count = _asset_events.register(session, event, now=datetime.now(timezone.utc))
    session.commit()
    log.info("%s of channel %s: %d asset events.", event.name, event.channel_id, count)
    return JSONResponse({"events": count})


def _json_of(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("the body is not JSON") from None
