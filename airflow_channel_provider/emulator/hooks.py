"""
Hooks of apps: functions that the store calls when something happens, or when a request arrives at a public address.

The store answers such a request with 202 before the app knows of it, and keeps only a hash of the token in the address.
The vendor names one parameter of the call that follows, ``rawBodyBase64``; the other names are ours.
"""

from __future__ import annotations

import contextlib
import hmac
import re
from base64 import b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from airflow_channel_provider.contract.webhooks import RECEIVED
from airflow_channel_provider.emulator.app_calls import AppCall
from airflow_channel_provider.emulator.jsontypes import load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject
    from airflow_channel_provider.emulator.state import App, World

PUBLIC_PATH = "/public/v1/apps/"
_TARGET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Hook:
    """
    One function that an app wants to be called.

    :param type: of what happens, such as ``app.installed``.
    :param method: the function.
    :param target_id: the widget or the public address that it is about.
    :param token_digest: SHA-256 of the token in that address; empty: it has none.
    """

    type: str
    method: str
    version: str
    target_id: str | None = None
    token_digest: bytes = field(default=b"", repr=False)


def read_hooks(declared: Sequence[JSONObject]) -> list[Hook]:
    """
    The hooks that an app has declared.

    :param declared: as the schema wants them.
    :raises ValueError: fields do not fit together, which no schema says.
    """
    hooks = [_read_hook(hook) for hook in declared]
    seen = [(hook.type, hook.target_id) for hook in hooks]
    if len(set(seen)) != len(seen):
        raise ValueError("a hook is given twice")
    return hooks


def _read_hook(hook: JSONObject) -> Hook:
    kind, target_id, webhook = hook["type"], hook.get("targetId"), hook.get("webhook")
    if (target_id is not None) != kind.startswith(("widget.", "webhook.")):
        raise ValueError(f"targetId belongs to hooks of widgets and webhooks, and is required there ({kind})")
    if (webhook is not None) != (kind == RECEIVED):
        raise ValueError(f"webhook belongs to {RECEIVED}, and is required there ({kind})")
    token = ""
    if webhook is not None:
        if not _TARGET.fullmatch(target_id or ""):
            raise ValueError(f"targetId of {RECEIVED} must have 1 to 64 letters, digits and . _ -")
        token = webhook.get("endpointToken") or ""
        if (webhook.get("executionScope", "app") == "app") != bool(token):
            raise ValueError("a webhook of the app has an endpointToken, one of managers has none")
    digest = sha256(token.encode()).digest() if token else b""
    return Hook(kind, hook["actionFunctionName"], hook.get("systemVersion") or "v1", target_id, digest)


@dataclass(frozen=True, slots=True)
class PublicRequest:
    """
    A request to the public address of a hook.

    :param path: below :data:`PUBLIC_PATH`; holds the token.
    :param query: as it was sent.
    """

    path: str = field(repr=False)
    query: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def shown_path(path: str) -> str:
    """The path of a public address without its token."""
    return f"{path.rpartition('/')[0]}/***"


def receive(world: World, request: PublicRequest, now: float) -> App | None:
    """
    Take a request for an app, which is told of it soon.

    :param now: epoch seconds.
    :return: the app; None: the address is that of no hook.
    """
    app_id, _, rest = request.path.partition("/hooks/")
    target_id, _, token = rest.partition("/")
    app, digest = world.apps.get(app_id), sha256(token.encode("utf-8", "replace")).digest()
    if app is None:
        return None
    for hook in app.declared_hooks:
        if hook.type == RECEIVED and hook.target_id == target_id and _is_same(hook.token_digest, digest):
            _tell(world, app, hook, _params(world, app, hook, request, now), None, now)
            return app
    return None


def _is_same(known: bytes, given: bytes) -> bool:
    return bool(known) and hmac.compare_digest(known, given)


def _params(world: World, app: App, hook: Hook, request: PublicRequest, now: float) -> JSONObject:
    original: JSONObject = {
        "headers": {name.lower(): value for name, value in request.headers.items()},
        "query": dict(parse_qsl(request.query, keep_blank_values=True)),
        "rawBodyBase64": b64encode(request.body).decode(),
    }
    with contextlib.suppress(ValueError):
        original["body"] = load(request.body)
    return {
        "deliveryId": world.new_id("delivery"),
        "appId": app.app_id,
        "targetId": hook.target_id,
        "receivedAt": int(now * 1000),
        "request": original,
    }


def tell_app(world: World, wanted: Mapping[str, JSON]) -> JSONObject:
    """
    Tell an app that something has happened to it.

    :param wanted: ``app_id`` and ``type``, and any of ``channel_id``, ``target_id`` and ``params``.
    :return: ``hooks``, how many of its hooks are called.
    :raises ValueError: the app has no such hook.
    """
    known = ("app_id", "type", "channel_id", "target_id", "params")
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        raise ValueError(f"there are {', '.join(known)}, not {', '.join(unknown)}")
    app = world.apps.get(str(wanted.get("app_id")))
    if app is None:
        raise ValueError(f"no app {wanted.get('app_id')!r}")
    params, target_id, channel_id = (
        wanted.get("params") or {},
        wanted.get("target_id"),
        wanted.get("channel_id"),
    )
    if not isinstance(params, dict):
        raise ValueError("params must be an object")  # noqa: TRY004 - one error for all wishes
    if channel_id is not None and channel_id not in world.channels:
        raise ValueError(f"no channel {channel_id!r}")
    hooks = [
        hook
        for hook in app.declared_hooks
        if hook.type == wanted.get("type") and target_id in (None, hook.target_id)
    ]
    if not hooks or app.function_endpoint is None:
        raise ValueError(f"app {app.app_id!r} has no hook for {wanted.get('type')!r}")
    for hook in hooks:
        _tell(world, app, hook, params, channel_id, world.clock.now())
    return {"hooks": len(hooks)}


def _tell(world: World, app: App, hook: Hook, params: JSONObject, channel_id: str | None, now: float) -> None:
    if app.function_endpoint is None:
        return
    context: JSONObject = {"caller": {"type": "system", "id": "system"}}
    if channel_id is not None:
        context["channel"] = {"id": channel_id}
    call = AppCall(app.app_id, app.function_endpoint, hook.method, params, context, hook.version)
    world.outbox.add("hook", app.app_id, hook.type, call.request(), now)
