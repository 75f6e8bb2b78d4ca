"""
The function endpoint of an app: ``PUT /channel-talk/functions/{connection id}``, and the same with ``/v1``.

The App Store signs each body with the app's signing key, and that signature is all that counts here: no session and no
cookie stands in for it, and this route reaches nothing of Airflow but what a signed call names. A request without it
gets 401 and no reason. When the database is away, the answer is 503, and the sender may try again.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

from airflow.utils.session import create_session
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from airflow_channel_provider.contract.signing import SIGNATURE_HEADER, is_signed
from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.inbound import function_call as calls
from airflow_channel_provider.inbound_connections import EndpointSettings
from airflow_channel_provider.masking import mask_credential
from airflow_channel_provider.plugins._body import Json, read_body

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from airflow_channel_provider.inbound.function_call import FunctionCall

PATH = "/functions/"
MAX_BODY_BYTES = 2**20
RETRY_AFTER_SECONDS = 30

_NO_KEY = bytes(32)
_CONN_ID = re.compile(r"[\w.#-]{1,250}")

log = logging.getLogger(__name__)
router = APIRouter()


@router.put(PATH + "{conn_id}")
@router.put(PATH + "{conn_id}/v1")
async def receive(conn_id: str, request: Request) -> Response:
    """Take one call."""
    body = await read_body(request, MAX_BODY_BYTES, "The body is too large.")
    signatures = request.headers.getlist(SIGNATURE_HEADER)
    return await run_in_threadpool(_take, conn_id, signatures[0] if len(signatures) == 1 else "", body)


def _take(conn_id: str, signature: str, body: bytes) -> Response:
    try:
        with create_session() as session:
            session.execute(text("SELECT 1"))  # the look-up of a connection hides an outage of the database
            settings = _settings(conn_id)
            key = settings and settings.signing_key
            # One comparison in any case, so that the time reveals nothing about the connection.
            signed = is_signed(key or _NO_KEY, body, signature)
            if settings is None or not key or not signed:
                log.warning(
                    "A call to connection %r was refused: its signature is not the connection's.", conn_id
                )
                return JSONResponse({"detail": "Unauthorized"}, status_code=401)
            return _answer(session, settings, body)
    except SQLAlchemyError as error:
        log.error("A call to connection %r could not be handled: %s.", conn_id, type(error).__name__)  # noqa: TRY400
        return JSONResponse(
            {"detail": "The database can't be reached; send it again."},
            status_code=503,
            headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
        )


def _settings(conn_id: str) -> EndpointSettings | None:
    """Return what the connection says of calls; None where it says nothing, or is not there."""
    from airflow.models.connection import Connection
    from airflow.providers.common.compat.sdk import AirflowNotFoundException

    if not _CONN_ID.fullmatch(conn_id):
        return None
    try:
        settings = EndpointSettings.from_connection(Connection.get_connection_from_secrets(conn_id))
    except (AirflowNotFoundException, ChannelConfigurationError) as error:
        log.warning("A call to connection %r: %s", conn_id, error)
        return None
    if settings.signing_key:
        mask_credential(settings.signing_key.hex())
    return settings


def _answer(session: Session, settings: EndpointSettings, body: bytes) -> Response:
    try:
        call = calls.read_call(body)
    except ValueError as error:
        log.warning("A call to connection %r can't be read: %s.", settings.conn_id, error)
        return Json(calls.error_of(calls.PARSE_ERROR, f"This is no call: {error}."), status_code=400)
    return Json(_called(session, settings, call))


def _called(session: Session, settings: EndpointSettings, call: FunctionCall) -> dict[str, Any]:
    if settings.channel_id and call.channel_id and call.channel_id != settings.channel_id:
        log.warning(
            "A call to connection %r is of channel %r, and the connection of another.",
            settings.conn_id,
            call.channel_id,
        )
        return calls.error_of(calls.BAD_REQUEST, "This is the connection of another channel.")
    if call.method == calls.GET_FUNCTIONS:
        return calls.functions_of([])
    if call.method == calls.GET_TEST_FUNCTIONS:
        return calls.functions_of([])
    log.warning("A call to connection %r names a function that is not here.", settings.conn_id)
    return calls.error_of(calls.METHOD_NOT_FOUND, "There is no such function.")
