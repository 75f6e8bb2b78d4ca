"""issueToken and refreshToken: what they check, in which order, and what they cost.

Both draw on one window per app. Charged is what reaches the service behind the App Store: not a wrong secret, not a
channel without the app, not a bad refresh token, unless refused requests are set to count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_channel_provider.emulator.answers import (
    Answer,
    RefusalError,
    quota_answer,
    refusal_answer,
    success_answer,
)
from airflow_channel_provider.emulator.tokens import fingerprint, scope_of

if TYPE_CHECKING:
    from airflow_channel_provider.emulator.jsontypes import JSONObject
    from airflow_channel_provider.emulator.quota import FixedWindow
    from airflow_channel_provider.emulator.request_record import RequestRecord
    from airflow_channel_provider.emulator.state import App, World

_EMPTY_TOKENS: JSONObject = {"accessToken": "", "refreshToken": "", "expiresIn": 0}


def _start_token_request(record: RequestRecord) -> None:
    """
    Mark a request as a token request that is, so far, neither counted nor refused.

    :param record: is marked.
    """
    kind = "issue" if record.method == "issueToken" else "refresh"
    record.token_request = {"kind": kind, "counted": False, "refused_by_quota": False}


def note_token_request(world: World, record: RequestRecord) -> None:
    """
    For the journal of a token request that is not carried out: which app and scope it was about.

    :param world: knows the secrets and the refresh tokens.
    :param record: gets what is known of it, scope and app_id.
    """
    _start_token_request(record)
    secret, refresh, channel_id = (record.params.get(key) for key in ("secret", "refreshToken", "channelId"))
    if record.method == "issueToken":
        app = world.app_with_secret(secret) if isinstance(secret, str) else None
        record.app_id = app.app_id if app else None
        record.scope = scope_of(channel_id)
        return
    known = world.tokens.find_refresh(refresh) if isinstance(refresh, str) else None
    if known is not None:
        record.app_id, record.scope = known.app_id, scope_of(known.channel_id)


def answer_token_request(world: World, record: RequestRecord) -> Answer:
    """
    Carry out issueToken or refreshToken.

    :param world: is changed by it.
    :param record: the call; gets what the journal keeps.
    """
    _start_token_request(record)
    try:
        return _issue(world, record) if record.method == "issueToken" else _refresh(world, record)
    except RefusalError as refusal:
        record.error = refusal.message or "refused"
        return refusal_answer(refusal, proxied_errors=True)


def _charge(world: World, record: RequestRecord, window: FixedWindow) -> Answer | None:
    """Take one from the quota; the refusal, if it is used up."""
    counts = record.token_request or {}
    used = window.used(record.at)
    allowed = window.hit(record.at, {"at": record.at, "kind": counts["kind"], "scope": record.scope})
    counts["counted"] = window.used(record.at) > used
    if allowed:
        return None
    counts["refused_by_quota"] = True
    record.error = "token quota used up"
    return quota_answer(world.settings.quota_refusal_shape, window.ends_at(record.at) - record.at)


def _refuse_token(world: World, record: RequestRecord, window: FixedWindow, message: str) -> Answer:
    """Refuse for another reason than the quota; that is counted only where refused calls are."""
    spent = _charge(world, record, window) if world.settings.quota_counts_refused else None
    if spent is not None:
        return spent
    raise RefusalError(message)


def _issue(world: World, record: RequestRecord) -> Answer:
    secret, channel_id = record.params.get("secret"), record.params.get("channelId") or None
    if not isinstance(secret, str) or not isinstance(channel_id, str | None):
        raise RefusalError("secret and channelId must be strings")
    record.scope = scope_of(channel_id)
    app = world.app_with_secret(secret)
    if app is None:
        former = world.app_with_old_secret(secret)
        record.app_id = former.app_id if former else None
        window = former.quota if former else world.stranger_quota(fingerprint(secret))
        return _refuse_token(world, record, window, "app secret not found")
    record.app_id = app.app_id
    if channel_id and not (channel_id in world.channels and app.installed_on(channel_id)):
        return _refuse_token(world, record, app.quota, world.settings.not_installed_message)
    return _charge(world, record, app.quota) or _minted(world, record, app, channel_id)


def _refresh(world: World, record: RequestRecord) -> Answer:
    token = record.params.get("refreshToken")
    if not isinstance(token, str):
        raise RefusalError("refreshToken must be a string")
    known = world.tokens.find_refresh(token)
    app = world.apps.get(known.app_id) if known else None
    if known is None or app is None:
        return _refused_refresh(world, record, world.stranger_quota(fingerprint(token)))
    record.scope, record.app_id = scope_of(known.channel_id), app.app_id
    installed = known.channel_id is None or app.installed_on(known.channel_id)
    if known.spent or record.at >= known.expires_at or not installed:
        return _refused_refresh(world, record, app.quota)
    refused = _charge(world, record, app.quota)
    if refused is not None:
        return refused
    known.spent = True
    return _minted(world, record, app, known.channel_id)


def _refused_refresh(world: World, record: RequestRecord, window: FixedWindow) -> Answer:
    try:
        return _refuse_token(world, record, window, "refresh token is invalid")
    except RefusalError as refusal:
        record.error = refusal.message
        if world.settings.refresh_refusal == "envelope":
            raise
        # The service drops the error and answers a success made of nothing.
        return success_answer(_EMPTY_TOKENS, world.settings.answer_shape, token=True)


def _minted(world: World, record: RequestRecord, app: App, channel_id: str | None) -> Answer:
    record.acted = True
    pair = world.tokens.mint(app.app_id, channel_id, record.at)
    record.fingerprint = fingerprint(pair["accessToken"])
    return success_answer(pair, world.settings.answer_shape, token=True)
