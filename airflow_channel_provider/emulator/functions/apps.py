"""What belongs to the app itself: commands, extensions, hooks. The App Store answers these on its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_channel_provider.emulator.answers import NO_RESULT, RefusalError
from airflow_channel_provider.emulator.functions.base import Function, what_follows

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_channel_provider.emulator.functions.base import Call
    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject

__all__ = ["FUNCTIONS"]


def _register_commands(call: Call) -> JSON:
    known = {(c["scope"], c["name"]): c for c in call.app.commands}
    new: dict[tuple[str, str], JSONObject] = {}
    for command in call.params["commands"]:
        key = command.get("scope", ""), command.get("name", "")
        if key in new:
            raise RefusalError(f"command {key[1]} is given twice in scope {key[0]}")
        command_id = known[key]["id"] if key in known else call.world.new_id("command")
        new[key] = {"id": command_id, "appId": call.app.app_id, "scope": key[0], "name": key[1], **command}
    # Declarative: what is not in the list is gone.
    call.app.commands = list(new.values())
    return NO_RESULT


def _toggle_command(call: Call) -> JSON:
    call.app.toggles[call.channel().id] = call.params["commandEnabled"]
    return NO_RESULT


def _activations(call: Call) -> JSON:
    enabled = call.app.toggles.get(call.channel().id, True)
    commands = call.app.commands
    return {"commands": commands, "activations": [{"id": c["id"], "enabled": enabled} for c in commands]}


def _register_extension(call: Call) -> JSON:
    key = (call.params["extensionName"], call.params["systemVersion"])
    call.app.extensions[key] = {"name": key[0], "systemVersion": key[1], "exclusive": False}
    return {
        "success": True,
        "errorMessage": "",
        "extensions": list(call.app.extensions.values()),
        "validationErrors": [],
    }


def _unregister_extension(call: Call) -> JSON:
    key = (call.params["extensionName"], call.params["systemVersion"])
    if call.app.extensions.pop(key, None) is None:
        return {"success": False, "errorMessage": "extension not found"}
    return {"success": True, "errorMessage": ""}


def _oauth_targets(call: Call) -> JSON:
    limit, cursor = max(1, int(call.params["limit"])), call.text("cursor") or "0"
    if not (cursor.isascii() and cursor.isdecimal()):
        raise RefusalError("cursor must be one that was answered")
    targets = [
        {"channelId": channel.id, "managerId": manager_id}
        for channel in call.world.channels.values()
        if call.app.installed_on(channel.id)
        for manager_id in channel.managers
    ]
    start = int(cursor[:18])
    end = start + limit
    return {
        "targets": targets[start:end],
        **what_follows(call, "nextCursor", str(min(end, len(targets))), more=end < len(targets)),
    }


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


def _own(name: str, run: Callable[[Call], JSON]) -> Function:
    return Function(name, run, proxied=False)


def _empty(name: str) -> Callable[[Call], JSON]:
    return lambda _: {"success": True, "errorMessage": "", name: []}


FUNCTIONS = [
    _own("registerCommands", _register_commands),
    _own("getCommands", lambda call: call.app.commands),
    _own("toggleCommand", _toggle_command),
    _own("getCommandChannelActivations", _activations),
    _own("registerExtension", _register_extension),
    _own("unregisterExtension", _unregister_extension),
    _own("getAlfTaskVersions", _empty("tasks")),
    _own("getAppNotebookVersions", _empty("notebooks")),
    _own("listActiveOAuthManagerTargets", _oauth_targets),
    _own("checkInstall", _check_install),
    _own("registerInstallHook", _register_hook),
    _own("registerToggleHook", _register_hook),
    _own("registerAppWidgets", _register_hook),
    _own("writeSystemLog", _write_system_log),
]
