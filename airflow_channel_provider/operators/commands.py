"""
What a command of an app can have, for editors and type checkers, and the command that has started a DAG run.

Each part of a command is a mapping with the service's own names: as such it is rendered, shown in the UI and sent. The
limits are the contract's, which the hook checks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict

from airflow_channel_provider.ids import required_id
from airflow_channel_provider.inbound.command_run import CommandRun, command_of

__all__ = [
    "Command",
    "CommandChoice",
    "CommandParameter",
    "CommandRun",
    "Translation",
    "command_of",
    "manager_user",
]


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
    from airflow_channel_provider.inbound.commands import manager_id_in_airflow

    manager_id = required_id("manager_id", manager_id, "the id of the manager")
    return {"id": manager_id_in_airflow(channel_talk_conn_id, manager_id), "name": name or manager_id}
