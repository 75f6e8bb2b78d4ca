"""What belongs to the app itself: commands, extensions, hooks. The App Store answers these on its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_channel_provider.emulator.answers import NO_RESULT, RefusalError
from airflow_channel_provider.emulator.functions.base import APP, APP_OR_CHANNEL, CHANNEL, Function

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_channel_provider.emulator.functions.base import Call
    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject

__all__ = ["FUNCTIONS"]

MOST_COMMANDS = 30


def _check_command(command: JSONObject) -> tuple[str, str]:
    for field in ("name", "scope", "actionFunctionName"):
        if not isinstance(command.get(field), str) or not command[field]:
            raise RefusalError(f"command {field} is required")
    if command["scope"] not in ("desk", "front"):
        raise RefusalError("command scope must be desk or front")
    if command.get("alfMode") not in (None, "disable", "recommend"):
        raise RefusalError("command alfMode must be disable or recommend")
    return command["scope"], command["name"]


def _register_commands(call: Call) -> JSON:
    commands = call.items("commands")
    if len(commands) > MOST_COMMANDS:
        raise RefusalError(f"the number of commands must be less than or equal to {MOST_COMMANDS}")
    known = {(c["scope"], c["name"]): c for c in call.app.commands}
    new: dict[tuple[str, str], JSONObject] = {}
    for command in commands:
        key = _check_command(command)
        if key in new:
            raise RefusalError(f"command {key[1]} is given twice in scope {key[0]}")
        command_id = known[key]["id"] if key in known else call.world.new_id("command")
        new[key] = {"id": command_id, "appId": call.app.app_id, **command}
    # Declarative: what is not in the list is gone.
    call.app.commands = list(new.values())
    return NO_RESULT


def _toggle_command(call: Call) -> JSON:
    enabled = call.params.get("commandEnabled")
    if not isinstance(enabled, bool):
        raise RefusalError("commandEnabled must be a boolean")
    call.app.toggles[call.channel().id] = enabled
    return NO_RESULT


def _activations(call: Call) -> JSON:
    enabled = call.app.toggles.get(call.channel().id, True)
    commands = call.app.commands
    return {"commands": commands, "activations": [{"id": c["id"], "enabled": enabled} for c in commands]}


def _extension_problem(call: Call) -> JSONObject | None:
    for field in ("extensionName", "systemVersion"):
        value = call.params[field]
        if not isinstance(value, str) or not value:
            problem = {"field": field, "message": f"{field} must be a non-empty string"}
            return {"success": False, "errorMessage": "validation failed", "validationErrors": [problem]}
    return None


def _register_extension(call: Call) -> JSON:
    problem = _extension_problem(call)
    if problem:
        return {**problem, "extensions": []}
    key = (call.params["extensionName"], call.params["systemVersion"])
    call.app.extensions[key] = {"extensionName": key[0], "systemVersion": key[1]}
    return {
        "success": True,
        "errorMessage": "",
        "extensions": list(call.app.extensions.values()),
        "validationErrors": [],
    }


def _unregister_extension(call: Call) -> JSON:
    problem = _extension_problem(call)
    if problem:
        return {"success": False, "errorMessage": problem["errorMessage"]}
    key = (call.params["extensionName"], call.params["systemVersion"])
    if call.app.extensions.pop(key, None) is None:
        return {"success": False, "errorMessage": "extension not found"}
    return {"success": True, "errorMessage": ""}


def _oauth_targets(call: Call) -> JSON:
    limit, cursor = call.params["limit"], call.params.get("cursor") or "0"
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1 or not str(cursor).isdecimal():
        raise RefusalError("limit must be a positive integer and cursor one that was answered")
    targets = [
        {"channelId": channel.id, "managerId": manager_id}
        for channel in call.world.channels.values()
        if call.app.installed_on(channel.id)
        for manager_id in channel.managers
    ]
    start = int(cursor)
    more = {"nextCursor": str(start + limit)} if start + limit < len(targets) else {}
    return {"targets": targets[start : start + limit], **more}


def _check_install(call: Call) -> JSON:
    channel_id = call.text("channelId")
    return {"installed": channel_id in call.world.channels and call.app.installed_on(channel_id)}


def _register_hook(call: Call) -> JSON:
    number = f"hook-{len(call.app.hooks) + 1}"
    call.app.hooks[number] = dict(call.params)
    return NO_RESULT


def _write_system_log(call: Call) -> JSON:
    fields = {k: v for k, v in call.params.items() if k not in ("id", "createdAt")}
    return {"systemLog": {"id": call.world.new_id("log"), "createdAt": call.stamp, **fields}}


def _own(name: str, scopes: frozenset[str], required: str, run: Callable[[Call], JSON]) -> Function:
    return Function(name, scopes, tuple(required.split()), run, proxied=False)


FUNCTIONS = [
    _own("registerCommands", APP, "appId commands", _register_commands),
    _own("getCommands", APP, "appId", lambda call: call.app.commands),
    _own("toggleCommand", CHANNEL, "channelId appId commandEnabled", _toggle_command),
    _own("getCommandChannelActivations", CHANNEL, "appId channelId", _activations),
    _own("registerExtension", APP, "appId extensionName systemVersion", _register_extension),
    _own("unregisterExtension", APP, "appId extensionName systemVersion", _unregister_extension),
    _own("getAlfTaskVersions", APP, "appId", lambda call: {"success": True, "errorMessage": "", "tasks": []}),
    _own(
        "getAppNotebookVersions",
        APP,
        "appId",
        lambda call: {"success": True, "errorMessage": "", "notebooks": []},
    ),
    _own("listActiveOAuthManagerTargets", APP, "limit", _oauth_targets),
    _own("checkInstall", APP_OR_CHANNEL, "channelId appId", _check_install),
    _own("registerInstallHook", APP, "appId", _register_hook),
    _own("registerToggleHook", APP, "appId", _register_hook),
    _own("registerAppWidgets", APP, "appId", _register_hook),
    _own("writeSystemLog", CHANNEL, "channelId appId", _write_system_log),
]
