"""
The function endpoint of an app: ``PUT /channel-talk/functions/{connection id}``, and the same with ``/v1``.

The App Store signs each body with the app's signing key, and that signature is all that counts here: no session and no
cookie stands in for it, and this route reaches nothing of Airflow but what a signed call names. A request without it
gets 401 and no reason. When the database is away, the answer is 503, and the sender may try again.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from airflow_channel_provider.contract.signing import SIGNATURE_HEADER, is_signed
from airflow_channel_provider.inbound import commands, hooks
from airflow_channel_provider.inbound import function_call as calls
from airflow_channel_provider.inbound_connections import EndpointSettings
from airflow_channel_provider.plugins import _answers, _asset_events, _commands
from airflow_channel_provider.plugins._body import Json, read_body
from airflow_channel_provider.plugins._gate import MAX_BODY_BYTES, Gate

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from airflow_channel_provider.inbound.function_call import FunctionCall

PATH = "/functions/"
_NO_KEY = bytes(32)

log = logging.getLogger(__name__)
router = APIRouter()

_GATE = Gate(
    subject="A call to",
    proof="signature",
    failure="handled",
    read=EndpointSettings.from_connection,
    secret_of=lambda settings: settings.signing_key.hex() if settings.signing_key else None,
)


@router.put(PATH + "{conn_id}")
@router.put(PATH + "{conn_id}/v1")
async def receive(conn_id: str, request: Request) -> Response:
    """Take one call."""
    body = await read_body(request, MAX_BODY_BYTES, "The body is too large.")
    signatures = request.headers.getlist(SIGNATURE_HEADER)
    return await run_in_threadpool(_take, conn_id, signatures[0] if len(signatures) == 1 else "", body)


def _take(conn_id: str, signature: str, body: bytes) -> Response:
    return _GATE.pass_through(
        conn_id,
        lambda settings: is_signed((settings and settings.signing_key) or _NO_KEY, body, signature),
        lambda session, settings: _answer(session, settings, body),
    )


def _answer(session: Session, settings: EndpointSettings, body: bytes) -> Response:
    try:
        call = calls.read_call(body)
    except ValueError as error:
        log.warning("A call to connection %r can't be read: %s.", settings.conn_id, error)
        return Json(calls.error_of(calls.PARSE_ERROR, f"This is no call: {error}."), status_code=400)
    return Json(_called(session, settings, call))


def _called(session: Session, settings: EndpointSettings, call: FunctionCall) -> dict[str, Any]:
    if settings.channel_id and call.channel_id and call.channel_id != settings.channel_id:
        return _of_another_channel(settings, call.channel_id)
    if call.method in _DISCOVERY:
        return _DISCOVERY[call.method](session, settings)
    if (dag_id := commands.dag_of(commands.RUN, call.method)) is not None:
        return _commands.run(session, settings, call, dag_id)
    if (dag_id := commands.dag_of(commands.SUGGEST, call.method)) is not None:
        return calls.result_of({"choices": _commands.suggest(session, settings, call, dag_id)})
    if call.method == commands.ANSWER:
        return _answers.answer(session, settings, call)
    if (event := hooks.event_of(call.method)) is not None:
        return _hooked(session, settings, call, event)
    log.warning("A call to connection %r names a function that is not here.", settings.conn_id)
    return calls.error_of(calls.METHOD_NOT_FOUND, "There is no such function.")


def _hooked(session: Session, settings: EndpointSettings, call: FunctionCall, name: str) -> dict[str, Any]:
    try:
        event = hooks.read_hook(call, name, default_channel_id=settings.channel_id)
    except ValueError as error:
        log.warning("The hook %s of connection %r can't be read: %s.", name, settings.conn_id, error)
        return calls.error_of(calls.BAD_REQUEST, f"The hook can't be read: {error}.")
    if event is None:
        return calls.result_of({"events": 0})
    if settings.channel_id and event.channel_id != settings.channel_id:
        return _of_another_channel(settings, event.channel_id)
    return calls.result_of({"events": _asset_events.store(session, event)})


def _of_another_channel(settings: EndpointSettings, channel_id: str) -> dict[str, Any]:
    log.warning(
        "A call to connection %r is of channel %r, and the connection of another.",
        settings.conn_id,
        channel_id,
    )
    return calls.error_of(calls.BAD_REQUEST, "This is the connection of another channel.")


def _functions(session: Session, settings: EndpointSettings) -> dict[str, Any]:
    offered = _commands.wires(session, settings.conn_id)
    keys = ("actionFunctionName", "autoCompleteFunctionName")
    of_commands = [command[key] for command in offered for key in keys if key in command]
    of_hooks = [hook["actionFunctionName"] for hook in hooks.hooks_of(settings.webhook_token)]
    return calls.functions_of(of_commands + of_hooks)


def _get_commands(session: Session, settings: EndpointSettings) -> dict[str, Any]:
    return calls.result_of({"commands": _commands.wires(session, settings.conn_id)})


def _get_hooks(session: Session, settings: EndpointSettings) -> dict[str, Any]:
    return calls.result_of({"hooks": hooks.hooks_of(settings.webhook_token)})


_DISCOVERY = {
    calls.GET_FUNCTIONS: _functions,
    calls.GET_TEST_FUNCTIONS: lambda session, settings: calls.functions_of([]),
    calls.GET_COMMANDS: _get_commands,
    calls.GET_HOOKS: _get_hooks,
}
