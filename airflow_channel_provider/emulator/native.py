"""Channel Talk's two ways in, native functions and app functions, over a :class:`World`: a request in, an answer out.

The order of the checks is the service's: the body, the method, the token, the rate limit, the permission, the
parameters, and only then the function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_channel_provider.emulator.answers import (
    EMPTY_ERRORS,
    Answer,
    PendingAnswer,
    RefusalError,
    rate_limit_answer,
    rate_limit_headers,
    refusal_answer,
    success_answer,
    unprocessable,
)
from airflow_channel_provider.emulator.dialect import write_result
from airflow_channel_provider.emulator.faults import TOKEN_METHODS
from airflow_channel_provider.emulator.functions import FUNCTIONS
from airflow_channel_provider.emulator.functions.base import Call
from airflow_channel_provider.emulator.jsontypes import dump
from airflow_channel_provider.emulator.token_requests import answer_token_request
from airflow_channel_provider.emulator.tokens import TokenRefusedError, fingerprint

if TYPE_CHECKING:
    from airflow_channel_provider.emulator.functions.base import Function
    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject
    from airflow_channel_provider.emulator.request_record import RequestRecord
    from airflow_channel_provider.emulator.state import App, World
    from airflow_channel_provider.emulator.tokens import AccessToken

_SHOWN_AT_MOST = 5


def read_call(record: RequestRecord, body: JSON) -> None:
    """
    Fill a record in from the body.

    :param record: gets method, params and request_id.
    :param body: the parsed body.
    :raises RefusalError: it is no call.
    """
    if not isinstance(body, dict) or not isinstance(body.get("method"), str) or not body["method"]:
        raise RefusalError("method is required", via="http")
    record.method = body["method"]
    params = body.get("params")
    if params is not None and not isinstance(params, dict):
        raise RefusalError("params must be an object", via="http")
    record.params = params or {}
    dto = record.params.get("dto")
    if isinstance(dto, dict) and isinstance(dto.get("requestId"), str):
        record.request_id = dto["requestId"]


def identify(world: World, record: RequestRecord, token: str) -> AccessToken:
    """
    Note whose token a request carries, be it alive or not.

    :param world: knows the tokens.
    :param record: gets scope, app_id and fingerprint.
    :param token: as sent; may be empty.
    :return: what it stands for.
    :raises TokenRefusedError: it is not.
    """
    if token:
        record.fingerprint = fingerprint(token)
    try:
        known = world.tokens.check(token, record.at)
    except TokenRefusedError as refused:
        if refused.token is not None:
            record.scope, record.app_id = refused.token.scope, refused.token.app_id
        raise
    record.scope, record.app_id = known.scope, known.app_id
    return known


def answer_native(world: World, record: RequestRecord, token: str) -> Answer | PendingAnswer:
    """
    Carry out one call of a native function.

    :param world: is changed by it.
    :param record: the call; gets what the journal wants to know.
    :param token: the access token as sent.
    """
    if record.method in TOKEN_METHODS:
        return answer_token_request(world, record)
    try:
        return _answer_function(world, record, token)
    except RefusalError as refusal:
        record.error = refusal.message or "refused"
        settings = world.settings
        answer = refusal_answer(
            refusal,
            proxied_errors=settings.proxied_errors,
            error_shape=settings.error_shape,
            dialect=settings.dialect,
        )
        answer.headers = record.headers
        return answer


def _answer_function(world: World, record: RequestRecord, token: str) -> Answer | PendingAnswer:
    function = FUNCTIONS.get(record.method)
    if function is None:
        raise RefusalError(f"method not found: {record.method}")
    try:
        known = identify(world, record, token)
    except TokenRefusedError as refused:
        if function.proxied:
            raise RefusalError(refused.reason, via="core", status=401) from None
        raise RefusalError(refused.reason) from None
    app = world.apps.get(known.app_id)
    if app is None:
        raise RefusalError("signature is invalid")
    limited = _rate_limit(world, record, app)
    if limited is not None:
        return limited
    params = _from_the_start(record.params) if record.forgets_cursor else record.params
    call = Call(world, app, known, params, record.at)
    _check_allowed(function, call)
    _check_contract(function, call)
    return _answer_result(record, call, function.run(call))


def _answer_result(record: RequestRecord, call: Call, result: JSON) -> Answer | PendingAnswer:
    if isinstance(result, PendingAnswer):
        return PendingAnswer(
            result.find_out, lambda found: _answer_result(record, call, result.conclude(found))
        )
    settings = call.world.settings
    record.acted, record.repeated = True, call.repeated
    answer = success_answer(write_result(result, settings.dialect), settings.answer_shape)
    answer.headers = record.headers
    return answer


def _from_the_start(params: JSONObject) -> JSONObject:
    """The parameters of a listing without what says where to go on."""
    started = {name: value for name, value in params.items() if name != "cursor"}
    if isinstance(params.get("pagination"), dict):
        started["pagination"] = {**params["pagination"], "since": ""}
    return started


def _rate_limit(world: World, record: RequestRecord, app: App) -> Answer | None:
    settings = world.settings
    if settings.rate_limit is None:
        return None
    allowed, reset_at = app.rate.hit(record.at), app.rate.ends_at(record.at)
    if allowed:
        record.headers = rate_limit_headers(settings.rate_limit, app.rate.remaining(record.at), reset_at)
        return None
    record.error = "rate limit exceeded"
    return rate_limit_answer(
        settings.rate_limit_shape, limit=settings.rate_limit, reset_at=reset_at, now=record.at
    )


def _check_allowed(function: Function, call: Call) -> None:
    kind = "channel" if call.token.channel_id else "app"
    if kind not in function.tokens:
        raise _forbidden(function, "scope check fail")
    permissions = call.app.permissions
    if kind == "channel" and permissions is not None and function.name not in permissions:
        raise _forbidden(function, "service, action check fail")
    channel_id = call.params.get("channelId")
    if kind == "channel" and isinstance(channel_id, str) and channel_id != call.token.channel_id:
        raise _forbidden(function, "scope check fail")
    app_id = _app_id_of(call.params)
    if isinstance(app_id, str) and app_id != call.app.app_id:
        raise _forbidden(function, "scope check fail")


def _forbidden(function: Function, message: str) -> RefusalError:
    return RefusalError(message, via="core", status=403) if function.proxied else RefusalError(message)


def _app_id_of(params: JSONObject) -> JSON:
    # The service matches this one without regard to case: appId and appID are both in use.
    return params["appId"] if "appId" in params else params.get("appID")


def _check_contract(function: Function, call: Call) -> None:
    found = [violation for violation in function.contract.violations(call.params) if call.counts(violation)]
    if found:
        violations = "; ".join(f"{violation} ({violation.rule.kind})" for violation in found[:_SHOWN_AT_MOST])
        raise unprocessable(f"validation failed: {violations}")


# ---- app functions


def answer_app_function(
    world: World, record: RequestRecord, token: str, app_id: str, body: JSONObject
) -> Answer:
    """
    Call a function of an app through the store: what was programmed for it, else an echo.

    :param world: knows the apps and their answers.
    :param record: the call.
    :param token: the access token as sent.
    :param app_id: the app that is called.
    :param body: the parsed body.
    """
    try:
        known = identify(world, record, token)
    except TokenRefusedError as refused:
        record.error = refused.reason
        return refusal_answer(RefusalError(refused.reason, via="http", status=401), proxied_errors=True)
    caller = world.apps.get(known.app_id)
    limited = _rate_limit(world, record, caller) if caller else None
    if limited is not None:
        return limited
    if _other_channel(body.get("context"), known.channel_id):
        record.error = "function call unauthorized"
        return refusal_answer(RefusalError(record.error, via="http"), proxied_errors=True)
    programmed = world.app_answers.get((app_id, record.method))
    if programmed is None:
        programmed = {"result": {key: body.get(key) for key in ("method", "params", "context")}}
    record.acted = True
    answer = Answer(programmed.get("http_status") or 200, dump(_app_body(world, programmed)), record.headers)
    if programmed.get("error"):
        record.error = str(programmed["error"])[:500]
    return answer


def _other_channel(context: JSON, channel_id: str | None) -> bool:
    channel = context.get("channel") if isinstance(context, dict) else None
    named = channel.get("id") if isinstance(channel, dict) else None
    return named is not None and channel_id is not None and named != channel_id


def _app_body(world: World, programmed: JSONObject) -> JSONObject:
    if programmed.get("error"):
        return {"error": programmed["error"]}
    return {**EMPTY_ERRORS[world.settings.answer_shape], "result": programmed.get("result")}
