"""
An operator that asks a team chat for approval, and waits for the answer without a worker slot (Airflow 3.1 or newer).

The question is Airflow's own: it is stored, answered and audited there, by Airflow's users and their permissions. The
chat gets a message with the ways to answer it, and a reply with the answer. Nothing of Airflow has to be reachable
from Channel Talk; only the people who answer have to reach Airflow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_channel_provider import request_ids
from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError
from airflow_channel_provider.notifications.channel_talk import ChannelTalkNotifier
from airflow_channel_provider.retry_policy import fail_at_once
from airflow_channel_provider.tasks import DEFAULT_RETRY_POLICY, policy_argument
from airflow_channel_provider.templates import TemplatesOfTheFile

try:
    from airflow.providers.standard.operators.hitl import ApprovalOperator
except Exception:  # before Airflow 3.1 the module is not there, or says on import what it needs
    ApprovalOperator = None  # type: ignore[assignment, misc]

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.sdk import RetryPolicy
    from typing_extensions import Unpack

    from airflow_channel_provider.arguments import QuestionArguments

    _Approval = ApprovalOperator
else:
    _Approval = ApprovalOperator or BaseOperator

__all__ = ["AskApprovalOperator"]


class _Question(ChannelTalkNotifier):
    """Asks, with the waits of a task; it takes values in place of templates, and an error of its is the task's."""

    _call_attempts = None  # those of a task
    _max_wait_seconds = None

    def __call__(self, *args: Any) -> None:
        self._report(args[0])

    def _in_time(self, work: Callable[[], None]) -> None:
        work()


class _Answer(ChannelTalkNotifier):
    """Replies to the question, with the waits of an alert, and as harmless."""

    def reply(self, context: Context, error: Exception | None = None) -> None:
        """Say what has become of the question."""
        self._report_outcome(context, error)


class AskApprovalOperator(TemplatesOfTheFile, _Approval):
    """
    Asks a group or a user chat for approval, waits until a person decides in Airflow, and returns the decision.

    It is Airflow's ``ApprovalOperator``, and takes its arguments. The message shows subject, body, who is asked and
    until when, and has a button for each option that opens Airflow's form; a reply says who decided what. What follows
    a rejection is skipped. Unlike an alert, a question that can't be written fails the task, since nobody would answer
    it. The task returns Airflow's result: ``chosen_options``, ``params_input``, ``responded_at`` and
    ``responded_by_user``.

    Before Airflow 3.1 it can't be created.

    :param subject: what is asked, in one line. (templated)
    :param group_id: the group. (templated)
    :param group_name: title or name of the group, instead of ``group_id``; needs one more call. (templated)
    :param user_chat_id: the user chat, instead of a group. (templated)
    :param bot_name: name of the sender. (templated)
    :param private: whether only managers see the messages, in a user chat.
    :param silent: whether the messages notify nobody; ``manager`` or ``user``: not that side.
    :param channel_id: the channel to act in; default: the connection's. (templated)
    :param channel_talk_conn_id: connection of the type ``channel_talk``. (templated)
    :param one_click: whether the buttons answer at once, as a command, instead of opening the
        form. Only managers to whom ``assigned_users`` assigns the question by ``manager_user`` may click.
    :param retry_policy: decides after an error whether the task is tried again; Airflow 3.3 or newer. None: only
        ``retries`` and ``retry_delay`` decide.
    """

    template_fields: Sequence[str] = (
        "subject",
        "body",
        "group_id",
        "group_name",
        "user_chat_id",
        "bot_name",
        "channel_id",
        "channel_talk_conn_id",
    )
    template_fields_renderers = {"body": "md"}
    ui_color = "#e4e1ff"

    def __init__(
        self,
        *,
        subject: str,
        group_id: str | None = None,
        group_name: str | None = None,
        user_chat_id: str | None = None,
        bot_name: str | None = "Airflow",
        private: bool = False,
        silent: bool | str = False,
        channel_id: str | None = None,
        channel_talk_conn_id: str = "channel_talk_default",
        one_click: bool = False,
        retry_policy: RetryPolicy | None = DEFAULT_RETRY_POLICY,
        **kwargs: Unpack[QuestionArguments],
    ) -> None:
        if ApprovalOperator is None:
            raise ChannelConfigurationError(
                "AskApprovalOperator needs Airflow 3.1 or newer with the package apache-airflow-providers-standard: "
                "before, a task of Airflow can't ask people."
            )
        arguments: dict[str, Any] = {**policy_argument(retry_policy), **kwargs}
        super().__init__(subject=subject, **arguments)
        self.group_id = group_id
        self.group_name = group_name
        self.user_chat_id = user_chat_id
        self.bot_name = bot_name
        self.private = private
        self.silent = silent
        self.channel_id = channel_id
        self.channel_talk_conn_id = channel_talk_conn_id
        self.one_click = one_click

    def execute(self, context: Context) -> Any:
        """Store the question, write the message, and wait."""
        self.notifiers = [*self.notifiers, _Question(**self._where(context))]
        try:
            return super().execute(context)
        except ChannelError as error:
            fail_at_once(error)
            raise

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Take the answer, write the reply, and go on."""
        answer = _Answer(**self._where(context))
        try:
            result = super().execute_complete(context, event)
        except Exception as error:
            answer.reply(context, error)
            raise
        answer.reply(context)
        return result

    def _where(self, context: Context) -> dict[str, Any]:
        """Return the arguments of both notifiers: the same, since the thread of a question is found by them."""
        return {
            "group_id": self.group_id,
            "group_name": self.group_name,
            "user_chat_id": self.user_chat_id,
            "bot_name": self.bot_name,
            "private": self.private,
            "silent": self.silent,
            "channel_id": self.channel_id,
            "channel_talk_conn_id": self.channel_talk_conn_id,
            "buttons": self._answers(context) if self.one_click else None,
        }

    def _answers(self, context: Context) -> list[dict[str, Any]]:
        """Return buttons that run the command which answers; see :mod:`airflow_channel_provider.plugins._answers`."""
        from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
        from airflow_channel_provider.inbound.commands import ANSWER_NAME, Answer
        from airflow_channel_provider.messages.attachments import MAX_BUTTONS, TITLE_LENGTH

        app_id = ChannelTalkHook(self.channel_talk_conn_id).settings.app_id
        if app_id is None:
            raise ChannelConfigurationError(
                f"Connection {self.channel_talk_conn_id!r}: the field login has no App ID, which the buttons of a "
                f"question with one_click name; save it there."
            )
        task = request_ids.task_key(context)
        found = []
        for option in self.options[:MAX_BUTTONS]:
            answer = Answer(task.dag_id, task.run_id, task.task_id, task.map_index, option)
            attributes = {"appId": app_id, "name": ANSWER_NAME, "params": answer._asdict()}
            found.append(
                {"title": option[:TITLE_LENGTH], "action": {"type": "command", "attributes": attributes}}
            )
        return found
