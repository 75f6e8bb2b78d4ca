"""
Commands of apps, as a person in a chat uses them: run, with suggestions for a parameter, or by a button of a message.

The parameters of the calls are those of the vendor's schema of commands. What an app answers is checked against that
schema too: what the service would refuse is an error here, in words.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from airflow_channel_provider.contract.parts import COMMAND_RESULT, SUGGESTIONS
from airflow_channel_provider.emulator.answers import PendingAnswer
from airflow_channel_provider.emulator.app_calls import AppCall
from airflow_channel_provider.emulator.buttons import Action, find_button, read_action
from airflow_channel_provider.emulator.conversation import (
    Chat,
    Person,
    find_chat,
    find_person,
    only,
    root_of,
    text_of,
)
from airflow_channel_provider.emulator.written import Draft, write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_channel_provider.contract.structures import Record
    from airflow_channel_provider.emulator.app_calls import AppAnswer, Endpoint
    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject
    from airflow_channel_provider.emulator.state import App, Channel, World

_SCOPES = {"manager": "desk", "user": "front"}
_WHERE = ("name", "chat_id", "app_id", "manager_id", "user_id", "arguments", "root_message_id", "language")
_WORDS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Use:
    """
    A command that somebody uses.

    :param root_id: of the thread in which it is; empty: in none.
    :param trigger: the type of what it was used by.
    """

    app: App
    endpoint: Endpoint
    command: JSONObject
    chat: Chat
    person: Person
    root_id: str
    language: str
    trigger: str = "command"

    def call(self, method: str, params: JSONObject) -> AppCall:
        """A call of the app about it."""
        context: JSONObject = {
            "caller": {"type": self.person.kind, "id": self.person.record["id"]},
            "channel": {"id": self.chat.channel.id},
            "language": self.language,
        }
        if self.chat.type == "userChat":
            context["userChat"] = {"id": self.chat.id, "state": self.chat.record["state"]}
        if self.person.kind == "user":
            context["user"] = {"id": self.person.record["id"]}
        version = self.command.get("systemVersion") or "v1"
        return AppCall(self.app.app_id, self.endpoint, method, params, context, version)


def commands_for(world: World, channel: Channel, kind: str) -> list[tuple[App, JSONObject]]:
    """
    The commands that a person can use in a channel, with the app of each.

    :param kind: ``manager`` or ``user``.
    """
    return [
        (app, command)
        for app in world.apps.values()
        for command in app.commands
        if command["scope"] == _SCOPES[kind] and _is_on(app, command, channel.id)
    ]


def _is_on(app: App, command: JSONObject, channel_id: str) -> bool:
    by_default = command.get("enabledByDefault") is not False
    return app.installed_on(channel_id) and app.toggles.get(channel_id, by_default)


def run_command(world: World, wanted: Mapping[str, JSON]) -> PendingAnswer:
    """
    Run a command in a chat.

    :param wanted: ``name`` and ``chat_id``, and any of ``arguments`` (by parameter), ``app_id``, ``manager_id``,
        ``user_id``, ``root_message_id``, ``language`` and ``checked`` (false: arguments go as they are).
    :raises ValueError: there is no such command here, or an argument does not fit it.
    """
    only(wanted, *_WHERE, "checked")
    use, arguments = _use(world, wanted), _object(wanted, "arguments")
    if wanted.get("checked", True):
        arguments = fit_arguments(use.command, arguments)
    return _run(world, use, arguments)


def suggest(world: World, wanted: Mapping[str, JSON]) -> PendingAnswer | JSONObject:
    """
    Ask what a parameter may be, while somebody types it.

    :param wanted: as of :func:`run_command`, and ``parameter``, the one that is typed.
    :raises ValueError: there is no such command or parameter, or nobody suggests values for it.
    """
    only(wanted, *_WHERE, "parameter")
    use, arguments, name = _use(world, wanted), _object(wanted, "arguments"), text_of(wanted, "parameter")
    known = {parameter["name"]: parameter for parameter in use.command.get("paramDefinitions") or []}
    if name not in known:
        raise ValueError(f"{use.command['name']} has no parameter {name!r}")
    if known[name].get("choices"):
        return {"choices": known[name]["choices"], "error": None}
    method = use.command.get("autoCompleteFunctionName")
    if not known[name].get("autoComplete") or not method:
        raise ValueError(f"nobody suggests values for {name!r}")
    typed = {name: "", **arguments}
    params = {
        "chat": _chat(world, use.chat),
        "input": [{"focused": key == name, "name": key, "value": value} for key, value in typed.items()],
        "language": use.language,
    }
    return PendingAnswer(use.call(method, params).send, partial(_take_suggestions, world))


def click_button(world: World, wanted: Mapping[str, JSON]) -> PendingAnswer | JSONObject:
    """
    Click a button of a message: a URL is answered, a command is run.

    :param wanted: ``message_id`` and ``button`` (its title, or its number from 0 on), and any of ``manager_id``,
        ``user_id`` and ``language``.
    :raises ValueError: there is no such button, or nothing can come of it.
    """
    only(wanted, "message_id", "button", "manager_id", "user_id", "language")
    message = world.messages.get(text_of(wanted, "message_id"))
    if message is None:
        raise ValueError(f"no message {wanted.get('message_id')!r}")
    action = read_action(find_button(message, wanted.get("button")))
    if action.kind != "command":
        return _nothing(action)
    where = {
        **{name: wanted.get(name) for name in ("manager_id", "user_id", "language")},
        "name": action.name,
        "app_id": action.app_id,
        "chat_id": message["chatId"],
        "root_message_id": message.get("rootMessageId") or (message["id"] if message.get("thread") else None),
    }
    return _run(world, _use(world, where, "button"), action.params)


def _nothing(action: Action) -> JSONObject:
    return {"type": action.kind, "url": action.url, "text": None, "message_id": None, "error": None}


def _use(world: World, wanted: Mapping[str, JSON], trigger: str = "command") -> Use:
    chat = find_chat(world, text_of(wanted, "chat_id"))
    person = find_person(chat.channel, wanted)
    name, app_id = text_of(wanted, "name").removeprefix("/"), text_of(wanted, "app_id")
    found = [
        (app, command)
        for app, command in commands_for(world, chat.channel, person.kind)
        if command["name"] == name and app_id in ("", app.app_id)
    ]
    if not found:
        raise ValueError(
            f"a {person.kind} has no command {name!r} in channel {chat.channel.id}; if no app has registered it, set "
            "the app's function endpoint and run `airflow channel register` against this emulator"
        )
    app, command = found[0]
    if app.function_endpoint is None:
        raise ValueError(f"app {app.app_id!r} has no function endpoint")
    root_id, language = root_of(world, chat, wanted), text_of(wanted, "language") or "en"
    return Use(app, app.function_endpoint, command, chat, person, root_id, language, trigger)


def _object(wanted: Mapping[str, JSON], name: str) -> JSONObject:
    value = wanted.get(name) or {}
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be an object")  # noqa: TRY004 - one error for all wishes
    return value


def _chat(world: World, chat: Chat) -> JSONObject:
    # The vendor's guide and its code do not agree on the word for a group.
    kind = world.settings.command_group_type if chat.type == "group" else chat.type
    return {"type": kind, "id": chat.id}


def _run(world: World, use: Use, arguments: JSONObject) -> PendingAnswer:
    attributes = {"chatTitle": use.chat.title}
    if use.root_id:
        attributes |= {"rootMessageId": use.root_id, "broadcast": "false"}
    params = {
        "chat": _chat(world, use.chat),
        "trigger": {"type": use.trigger, "attributes": attributes},
        "input": arguments,
        "language": use.language,
    }
    call = use.call(use.command["actionFunctionName"], params)
    return PendingAnswer(call.send, partial(_take_result, world, use))


def _take_result(world: World, use: Use, answer: AppAnswer) -> JSONObject:
    """Show the app's answer in the chat, or say why there is none."""
    now = world.clock.now()
    error = _noted(world, answer, COMMAND_RESULT, now)
    if error is not None:
        return {"type": None, "url": None, "text": None, "message_id": None, "error": error}
    attributes = answer.value.get("attributes") or {}
    given = attributes.get("message", attributes.get("text"))
    text = given if answer.value["type"] == "text" and isinstance(given, str) and given else None
    message_id = None
    if text is not None:
        writer = ("bot", use.app.app_id)
        draft = Draft(use.chat.type, use.chat.record, writer, {"plainText": text}, use.root_id)
        message_id = write(world, draft, int(now * 1000))["id"]
    return {"type": answer.value["type"], "url": None, "text": text, "message_id": message_id, "error": None}


def _take_suggestions(world: World, answer: AppAnswer) -> JSONObject:
    error = _noted(world, answer, SUGGESTIONS, world.clock.now())
    return {"choices": [] if error is not None else answer.value["choices"], "error": error}


def _noted(world: World, answer: AppAnswer, shape: Record, now: float) -> str | None:
    """Note a call; return why its answer counts for nothing, if it does."""
    world.app_calls.note(answer, now)
    if answer.error is not None:
        return answer.error
    broken = shape.check(answer.value, shape.by)
    return "; ".join(str(one.under(answer.call.method)) for one in broken[:5]) or None


def fit_arguments(command: JSONObject, given: Mapping[str, JSON]) -> JSONObject:
    """
    Arguments as the types of a command's parameters want them, of what a person typed.

    :param command: as it was registered.
    :param given: by parameter; a text is read as the type.
    :raises ValueError: one is missing, unknown or of another type, or not among the choices.
    """
    parameters: Sequence[JSONObject] = command.get("paramDefinitions") or []
    unknown = sorted(set(given) - {parameter["name"] for parameter in parameters})
    if unknown:
        raise ValueError(f"{command['name']} has no parameter {', '.join(unknown)}")
    fitting: JSONObject = {}
    for parameter in parameters:
        name, value = parameter["name"], given.get(parameter["name"])
        if value is None or value == "":
            if parameter["required"]:
                raise ValueError(f"{name} is required")
            continue
        fitting[name] = _fit(name, parameter["type"], value)
        choices = [choice["value"] for choice in parameter.get("choices") or []]
        if choices and fitting[name] not in choices:
            raise ValueError(f"{name} must be one of its choices")
    return fitting


def _fit(name: str, kind: str, value: JSON) -> JSON:
    try:
        if kind == "string" and isinstance(value, str):
            return value
        if kind == "bool":
            return value if isinstance(value, bool) else _WORDS[str(value).strip().lower()]
        if kind == "int" and not isinstance(value, bool | float):
            return int(value)
        if kind == "float" and not isinstance(value, bool) and math.isfinite(float(value)):
            return float(value)
    except (ValueError, TypeError, KeyError, OverflowError):
        pass
    words = {"string": "text", "int": "a whole number", "float": "a number", "bool": "true or false"}
    raise ValueError(f"{name} must be {words[kind]}")
