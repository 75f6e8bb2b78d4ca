"""The extensions of an app. The store asks the app itself for its commands and hooks, where it has an endpoint."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from airflow_channel_provider.contract.parts import DECLARED_COMMANDS, DECLARED_FUNCTIONS, DECLARED_HOOKS
from airflow_channel_provider.emulator.answers import PendingAnswer, RefusalError
from airflow_channel_provider.emulator.app_calls import AppCall, send_all
from airflow_channel_provider.emulator.functions.base import Function
from airflow_channel_provider.emulator.hooks import read_hooks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_channel_provider.emulator.app_calls import AppAnswer
    from airflow_channel_provider.emulator.functions.base import Call
    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject

_FUNCTIONS = ("extension.core.function.getFunctions", DECLARED_FUNCTIONS)
# What the store asks for, for each extension that it asks about, and what the app has to declare then.
_QUESTIONS = {
    ("command", "v1"): dict([_FUNCTIONS, ("extension.command.metadata.getCommands", DECLARED_COMMANDS)]),
    ("hook", "v1"): dict([_FUNCTIONS, ("extension.hook.metadata.getHooks", DECLARED_HOOKS)]),
}


def set_commands(call: Call, commands: Sequence[JSONObject], way: str) -> None:
    """
    Let these be the commands of an app. What was registered in the same way and is not among them is gone.

    :param call: by the app.
    :param way: the function that registers them.
    :param commands: all of them, which the contract has seen to.
    :raises RefusalError: two have the same name and scope.
    """
    known = {(c["scope"], c["name"]): c for c in call.app.commands}
    new: dict[tuple[str, str], JSONObject] = {}
    for command in commands:
        key = command.get("scope", ""), command.get("name", "")
        if key in new:
            raise RefusalError(f"command {key[1]} is given twice in scope {key[0]}")
        command_id = known[key]["id"] if key in known else call.world.new_id("command")
        new[key] = {"id": command_id, "appId": call.app.app_id, "scope": key[0], "name": key[1], **command}
    call.app.commands_by[way] = list(new.values())


def _register(call: Call) -> JSON:
    endpoint, questions = call.app.function_endpoint, _QUESTIONS.get(_extension(call))
    if endpoint is None or questions is None:
        return _registered(call)
    calls = [AppCall(call.app.app_id, endpoint, method) for method in questions]
    return PendingAnswer(partial(send_all, calls), partial(_take, call))


def _take(call: Call, answers: list[AppAnswer]) -> JSON:
    """Register what an app has declared, or say what is wrong with it."""
    for answer in answers:
        call.world.app_calls.note(answer, call.now)
    if answers[-1].error is not None:
        return _failed(answers[-1].error)
    declared = [answer.value for answer in answers]
    questions = _QUESTIONS[_extension(call)]
    functions, things = declared
    if isinstance(functions, dict) and functions.get("success") is False:
        return _failed(str(functions.get("errorMessage") or "the app does not name its functions"))
    problems = [
        str(violation.under(method.rpartition(".")[2]))
        for (method, shape), answer in zip(questions.items(), declared, strict=True)
        for violation in shape.check(answer, shape.by)
        if call.counts(violation)
    ]
    if problems:
        return _failed("", problems)
    try:
        if "commands" in things:
            set_commands(call, things["commands"], "registerExtension")
        else:
            call.app.declared_hooks = read_hooks(things["hooks"])
    except (RefusalError, ValueError) as refusal:
        return _failed("", [str(refusal)])
    return _registered(call)


def _registered(call: Call) -> JSON:
    key = _extension(call)
    call.app.extensions[key] = {"name": key[0], "systemVersion": key[1], "exclusive": False}
    return {
        "success": True,
        "errorMessage": "",
        "extensions": list(call.app.extensions.values()),
        "validationErrors": [],
    }


def _failed(message: str, problems: Sequence[str] = ()) -> JSON:
    return {"success": False, "errorMessage": message, "validationErrors": list(problems)}


def _unregister(call: Call) -> JSON:
    if call.app.extensions.pop(_extension(call), None) is None:
        return {"success": False, "errorMessage": "extension not found"}
    return {"success": True, "errorMessage": ""}


def _extension(call: Call) -> tuple[str, str]:
    return call.params["extensionName"], call.params["systemVersion"]


FUNCTIONS = [
    Function("registerExtension", _register, proxied=False),
    Function("unregisterExtension", _unregister, proxied=False),
]
