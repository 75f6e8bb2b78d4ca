"""Channel Talk's two doors, native functions and app functions, over a :class:`World`. Pure: a visit in, an answer out.

The order of the checks is the service's: the body, the method, the token, the rate limit, the permission, the
parameters, and only then the function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_channel_provider.emulator.answers import (
    EMPTY_ERRORS,
    Answer,
    RefusalError,
    Unanswered,
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
    from airflow_channel_provider.emulator.state import App, World
    from airflow_channel_provider.emulator.tokens import AccessToken
    from airflow_channel_provider.emulator.visit import Visit

__all__ = ["answer_app_function", "answer_native", "identify", "read_call"]


_TOLD_AT_MOST = 5


def read_call(visit: Visit, body: JSON) -> None:
    """
    Fill a visit in from its body.

    :param visit: gets method, params and request_id.
    :param body: the parsed body.
    :raises RefusalError: it is no call.
    """
    if not isinstance(body, dict) or not isinstance(body.get("method"), str) or not body["method"]:
        raise RefusalError("method is required", via="http")
    visit.method = body["method"]
    params = body.get("params")
    if params is not None and not isinstance(params, dict):
        raise RefusalError("params must be an object", via="http")
    visit.params = params or {}
    dto = visit.params.get("dto")
    if isinstance(dto, dict) and isinstance(dto.get("requestId"), str):
        visit.request_id = dto["requestId"]


def identify(world: World, visit: Visit, token: str) -> AccessToken:
    """
    Note whose token a visit carries, be it alive or not.

    :param world: knows the tokens.
    :param visit: gets scope, app_id and fingerprint.
    :param token: as sent; may be empty.
    :return: what it stands for.
    :raises TokenRefusedError: it is not.
    """
    if token:
        visit.fingerprint = fingerprint(token)
    try:
        known = world.tokens.check(token, visit.at)
    except TokenRefusedError as refused:
        if refused.token is not None:
            visit.scope, visit.app_id = refused.token.scope, refused.token.app_id
        raise
    visit.scope, visit.app_id = known.scope, known.app_id
    return known


def answer_native(world: World, visit: Visit, token: str) -> Answer | Unanswered:
    """
    Carry out one call of a native function.

    :param world: is changed by it.
    :param visit: the call; gets what the journal wants to know.
    :param token: the access token as sent.
    """
    if visit.method in TOKEN_METHODS:
        return answer_token_request(world, visit)
    try:
        return _answer_function(world, visit, token)
    except RefusalError as refusal:
        visit.error = refusal.message or "refused"
        settings = world.settings
        answer = refusal_answer(
            refusal,
            proxied_errors=settings.proxied_errors,
            error_shape=settings.error_shape,
            dialect=settings.dialect,
        )
        answer.headers = visit.headers
        return answer


def _answer_function(world: World, visit: Visit, token: str) -> Answer | Unanswered:
    world.later.catch_up(visit.at)
    function = FUNCTIONS.get(visit.method)
    if function is None:
        raise RefusalError(f"method not found: {visit.method}")
    try:
        known = identify(world, visit, token)
    except TokenRefusedError as refused:
        if function.proxied:
            raise RefusalError(refused.reason, via="core", status=401) from None
        raise RefusalError(refused.reason) from None
    app = world.apps.get(known.app_id)
    if app is None:
        raise RefusalError("signature is invalid")
    limited = _rate_limit(world, visit, app)
    if limited is not None:
        return limited
    params = _from_the_start(visit.params) if visit.forgets_cursor else visit.params
    call = Call(world, app, known, params, visit.at)
    _check_allowed(function, call)
    _check_contract(function, call)
    return _answer_result(visit, call, function.run(call))


def _answer_result(visit: Visit, call: Call, result: JSON) -> Answer | Unanswered:
    if isinstance(result, Unanswered):
        return Unanswered(result.find_out, lambda found: _answer_result(visit, call, result.conclude(found)))
    settings = call.world.settings
    visit.acted, visit.repeated = True, call.repeated
    answer = success_answer(write_result(result, settings.dialect), settings.answer_shape)
    answer.headers = visit.headers
    return answer


def _from_the_start(params: JSONObject) -> JSONObject:
    """The parameters of a listing without what says where to go on."""
    started = {name: value for name, value in params.items() if name != "cursor"}
    if isinstance(params.get("pagination"), dict):
        started["pagination"] = {**params["pagination"], "since": ""}
    return started


def _rate_limit(world: World, visit: Visit, app: App) -> Answer | None:
    settings = world.settings
    if settings.rate_limit is None:
        return None
    allowed, reset_at = app.rate.hit(visit.at), app.rate.ends_at(visit.at)
    if allowed:
        visit.headers = rate_limit_headers(settings.rate_limit, app.rate.remaining(visit.at), reset_at)
        return None
    visit.error = "rate limit exceeded"
    return rate_limit_answer(
        settings.rate_limit_shape, limit=settings.rate_limit, reset_at=reset_at, now=visit.at
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
        told = "; ".join(f"{violation} ({violation.rule.kind})" for violation in found[:_TOLD_AT_MOST])
        raise unprocessable(f"validation failed: {told}")


# ---- app functions


def answer_app_function(world: World, visit: Visit, token: str, app_id: str, body: JSONObject) -> Answer:
    """
    Call a function of an app through the store: what was programmed for it, else an echo.

    :param world: knows the apps and their answers.
    :param visit: the call.
    :param token: the access token as sent.
    :param app_id: the app that is called.
    :param body: the parsed body.
    """
    try:
        known = identify(world, visit, token)
    except TokenRefusedError as refused:
        visit.error = refused.reason
        return refusal_answer(RefusalError(refused.reason, via="http", status=401), proxied_errors=True)
    caller = world.apps.get(known.app_id)
    limited = _rate_limit(world, visit, caller) if caller else None
    if limited is not None:
        return limited
    if _other_channel(body.get("context"), known.channel_id):
        visit.error = "function call unauthorized"
        return refusal_answer(RefusalError(visit.error, via="http"), proxied_errors=True)
    programmed = world.app_answers.get((app_id, visit.method))
    if programmed is None:
        programmed = {"result": {key: body.get(key) for key in ("method", "params", "context")}}
    visit.acted = True
    answer = Answer(programmed.get("http_status") or 200, dump(_app_body(world, programmed)), visit.headers)
    if programmed.get("error"):
        visit.error = str(programmed["error"])[:500]
    return answer


def _other_channel(context: JSON, channel_id: str | None) -> bool:
    channel = context.get("channel") if isinstance(context, dict) else None
    named = channel.get("id") if isinstance(channel, dict) else None
    return named is not None and channel_id is not None and named != channel_id


def _app_body(world: World, programmed: JSONObject) -> JSONObject:
    if programmed.get("error"):
        return {"error": programmed["error"]}
    return {**EMPTY_ERRORS[world.settings.answer_shape], "result": programmed.get("result")}
