"""What belongs to the app itself: commands, installs, hooks. The App Store answers these on its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_channel_provider.emulator.answers import NO_RESULT, RefusalError
from airflow_channel_provider.emulator.functions.base import Function, what_follows
from airflow_channel_provider.emulator.functions.extensions import set_commands

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_channel_provider.emulator.functions.base import Call
    from airflow_channel_provider.emulator.jsontypes import JSON


def _register_commands(call: Call) -> JSON:
    set_commands(call, call.params["commands"], "registerCommands")
    return NO_RESULT


def _toggle_command(call: Call) -> JSON:
    call.app.toggles[call.channel().id] = call.params["commandEnabled"]
    return NO_RESULT


def _activations(call: Call) -> JSON:
    enabled = call.app.toggles.get(call.channel().id, True)
    commands = call.app.commands
    return {"commands": commands, "activations": [{"id": c["id"], "enabled": enabled} for c in commands]}


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
    _own("getAlfTaskVersions", _empty("tasks")),
    _own("getAppNotebookVersions", _empty("notebooks")),
    _own("listActiveOAuthManagerTargets", _oauth_targets),
    _own("checkInstall", _check_install),
    _own("registerInstallHook", _register_hook),
    _own("registerToggleHook", _register_hook),
    _own("registerAppWidgets", _register_hook),
    _own("writeSystemLog", _write_system_log),
]
