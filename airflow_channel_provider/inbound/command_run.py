"""The ``conf`` of a DAG run that a command has started: written here, and read here. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_channel_provider.inbound.commands import Declaration
    from airflow_channel_provider.inbound.function_call import Chat, FunctionCall

CONF_KEY = "channel_talk"
"""Where the ``conf`` of a run says which command has started it."""

RUN_ID = "channel_talk__"
"""Begins the ids of the runs that commands have started."""


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
    started_by = conf.get(CONF_KEY) if isinstance(conf, Mapping) else None
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


def conf_of(
    declaration: Declaration, call: FunctionCall, chat: Chat | None, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the ``conf`` of the run that a command starts: its params, and what has started it."""
    started_by = {
        "command": declaration.name,
        "conn_id": declaration.conn_id,
        "channel_id": call.channel_id,
        "manager_id": call.caller_id,
        "chat": chat and {"type": chat.kind, "id": chat.id, "root_message_id": chat.root_message_id},
        "input": dict(arguments),
        "language": call.language,
    }
    return {**arguments, CONF_KEY: started_by}


def _text(value: object) -> str | None:
    return None if value is None else str(value)
