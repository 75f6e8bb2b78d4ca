"""Replies to the chat that a command was typed in when its DAG run has ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from airflow_channel_provider import request_ids
from airflow_channel_provider.notifications._event import buttons_of, event_of
from airflow_channel_provider.notifications.channel_talk import CONTENT, ChannelTalkNotifier

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
    from airflow_channel_provider.notifications._event import Event

__all__ = ["CommandReplyNotifier"]

_MOST_TASKS = 5
_CHATS = {"group": "group_id", "userChat": "user_chat_id"}


class CommandReplyNotifier(ChannelTalkNotifier):
    """
    Says in the chat of a command how its DAG run has ended, and which tasks have failed.

    ``DagCommandOperator`` adds it to its DAG. Give it as ``on_success_callback`` or ``on_failure_callback`` of the DAG
    for a content of your own: it takes the arguments of :class:`ChannelTalkNotifier` but for the chat and the
    connection, which are the command's. A run that was started in another way gets no message. Before Airflow 3.1 the
    callback of a DAG does not know the run's ``conf``, so there is no reply.
    """

    _root_message_id: str | None = None

    def notify(self, context: Context) -> None:
        """
        Send the reply, its fields rendered already.

        :param context: of the callback.
        """
        with self._harmless():
            if (reply := self._to_the_chat_of(context)) is not None:
                ChannelTalkNotifier.notify(reply, context)

    def _to_the_chat_of(self, context: Context) -> CommandReplyNotifier | None:
        """Return a copy that writes to the chat of the command; None where there is none."""
        from airflow_channel_provider.inbound.command_run import RUN_ID, command_of

        run = command_of(context)
        if run is None:
            if str(context.get("run_id") or "").startswith(RUN_ID):
                self.log.warning(
                    "No reply to a command: before Airflow 3.1 a callback can't know who has typed it."
                )
            return None
        if run.chat_type not in _CHATS:
            self.log.warning("The command of a %s gets no reply: a bot can't write there.", run.chat_type)
            return None
        reply = cast("CommandReplyNotifier", self._copy())
        setattr(reply, _CHATS[run.chat_type], run.chat_id)
        reply.channel_talk_conn_id, reply.channel_id = run.conn_id, run.channel_id
        reply._root_message_id = run.root_message_id  # noqa: SLF001 - a copy of this one
        if not any(getattr(reply, name) for name in CONTENT):
            event = event_of(context)
            reply.text = _sentence(run.command, context)
            reply.buttons = reply.buttons or buttons_of(event)
        return reply

    def _target(self, hook: ChannelTalkHook) -> tuple[str, dict[str, str]]:
        method, target = super()._target(hook)
        in_thread = bool(self._root_message_id) and method == "writeGroupMessage"
        return method, {**target, "rootMessageId": str(self._root_message_id)} if in_thread else target

    def _request_id(self, event: Event) -> str:
        # One reply to the end of a run, whatever is in it.
        return request_ids.for_event("command reply", *event.key)


def _sentence(command: str, context: Mapping[str, Any]) -> str:
    """Return how a run has ended."""
    run = context.get("dag_run")
    dag_id = getattr(run, "dag_id", "")
    state = getattr(run, "state", None)
    state = str(getattr(state, "value", state))
    if state == "success" or (state != "failed" and context.get("reason") == "success"):
        return f"{command}: {dag_id} has succeeded."
    failed = _failed_tasks(context)
    named = ", ".join(failed[:_MOST_TASKS]) + (", ..." if len(failed) > _MOST_TASKS else "")
    return f"{command}: {dag_id} has failed" + (f" at {named}." if failed else ".")


def _failed_tasks(context: Mapping[str, Any]) -> list[str]:
    """Return the tasks of the run that have failed, as far as Airflow says so where the callback runs."""
    ti, run_id = context.get("ti"), context.get("run_id")
    try:
        states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[run_id])[run_id]  # type: ignore[union-attr]
    except (
        Exception
    ):  # what a callback may ask depends on Airflow, and the reply is worth more than the names
        return []
    return sorted(task for task, state in states.items() if str(getattr(state, "value", state)) == "failed")
