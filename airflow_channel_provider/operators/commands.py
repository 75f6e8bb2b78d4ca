"""
What a command of an app can have, for editors and type checkers, and the command that has started a DAG run.

Each part of a command is a mapping with the service's own names: as such it is rendered, shown in the UI and sent. The
limits are the contract's, which the hook checks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

__all__ = [
    "Command",
    "CommandChoice",
    "CommandParameter",
    "CommandRun",
    "Translation",
    "command_of",
    "manager_user",
]

_CONF_KEY = "channel_talk"


class Translation(TypedDict, total=False):
    """What something is called in one language; of a command's button only the name."""

    name: str
    description: str


class _CommandChoice(TypedDict):
    name: str
    value: str | float | bool


class CommandChoice(_CommandChoice, total=False):
    """A value that a parameter of a command may have: ``name`` (shown) and ``value``."""

    nameDescI18nMap: Mapping[str, Translation]
    """By language, such as ``ko``: 1 to 30 characters, and a description of at most 100."""


class _CommandParameter(TypedDict):
    name: str
    type: Literal["string", "float", "int", "bool"]
    required: bool


class CommandParameter(_CommandParameter, total=False):
    """A parameter of a command: ``name`` (1 to 20 characters), ``type`` and ``required``."""

    description: str
    """At most 50 characters."""
    alfDescription: str
    """For ALF, the service's AI; at most 1,500 characters."""
    nameDescI18nMap: Mapping[str, Translation]
    """By language: 1 to 20 characters, and a description of at most 50."""
    choices: Sequence[CommandChoice]
    """At most 10."""
    autoComplete: bool
    """Whether the function ``autoCompleteFunctionName`` of the command makes suggestions for it."""


class _Command(TypedDict):
    name: str
    scope: Literal["desk", "front"]
    actionFunctionName: str


class Command(_Command, total=False):
    """
    A command: ``name`` (1 to 30 characters), ``scope`` and ``actionFunctionName``, as the service spells them.

    A mapping all the same; the class is there for editors and type checkers.
    """

    alfMode: Literal["disable", "recommend"]
    """Whether ALF, the service's AI, may offer the command; default: disable."""
    alfDescription: str
    """For ALF; at most 1,500 characters."""
    description: str
    """At most 100 characters."""
    nameDescI18nMap: Mapping[str, Translation]
    """By language, such as ``ko``: 1 to 30 characters, and a description of at most 100."""
    buttonName: str
    """1 to 30 characters."""
    buttonNameI18nMap: Mapping[str, Translation]
    """By language: a name of 1 to 30 characters."""
    paramDefinitions: Sequence[CommandParameter]
    """At most 10."""
    autoCompleteFunctionName: str
    """The function that makes suggestions for parameters with ``autoComplete``."""
    systemVersion: str
    """Of the functions, such as ``v1``."""
    enabledByDefault: bool
    """Whether a channel has it without switching it on."""


@dataclass(frozen=True)
class CommandRun:
    """
    The command that has started a DAG run.

    :param command: its name.
    :param conn_id: connection of the app that it came through.
    :param channel_id: where it was typed.
    :param manager_id: who typed it.
    :param chat_type: ``group``, ``userChat`` or ``directChat``.
    :param chat_id: of the group or user chat.
    :param root_message_id: of the thread, where it was typed in one.
    :param input: the params that the person has given, by name.
    :param language: of the person, such as ``ko``.
    """

    command: str
    conn_id: str
    channel_id: str | None
    manager_id: str
    chat_type: str
    chat_id: str
    root_message_id: str | None = None
    input: Mapping[str, Any] = field(default_factory=dict)
    language: str | None = None


def command_of(context: Context | Mapping[str, Any]) -> CommandRun | None:
    """
    Return the command that has started the DAG run of a context.

    Whoever may trigger the DAG may also give it such a ``conf``.

    :return: None for a run that was started in another way.
    """
    conf = getattr(context.get("dag_run"), "conf", None)
    started_by = conf.get(_CONF_KEY) if isinstance(conf, Mapping) else None
    if not isinstance(started_by, Mapping):
        return None
    chat = started_by.get("chat")
    chat = chat if isinstance(chat, Mapping) else {}
    given = started_by.get("input")
    return CommandRun(
        command=str(started_by.get("command") or ""),
        conn_id=str(started_by.get("conn_id") or ""),
        channel_id=_text(started_by.get("channel_id")),
        manager_id=str(started_by.get("manager_id") or ""),
        chat_type=str(chat.get("type") or ""),
        chat_id=str(chat.get("id") or ""),
        root_message_id=_text(chat.get("root_message_id")),
        input=dict(given) if isinstance(given, Mapping) else {},
        language=_text(started_by.get("language")),
    )


class _Person(TypedDict):
    id: str
    name: str


def manager_user(
    manager_id: str, name: str | None = None, *, channel_talk_conn_id: str = "channel_talk_default"
) -> _Person:
    """
    Return a manager of Channel Talk as a person to whom a question of Airflow is assigned.

    :param manager_id: of the manager.
    :param name: what Airflow calls them; default: the id.
    :param channel_talk_conn_id: connection of the app whose buttons they click.
    :return: an item of ``assigned_users`` of Airflow's human-in-the-loop operators.
    """
    return {"id": f"channel_talk:{channel_talk_conn_id}:{manager_id}", "name": name or manager_id}


def _text(value: object) -> str | None:
    return None if value is None else str(value)
