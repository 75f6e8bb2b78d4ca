"""
Makes a DAG a command of a Channel Talk app: a manager types it in a chat, and the DAG runs with what they have typed.

The declaration is the first task of the DAG. A task is the only part of a DAG that Airflow serializes with fields of
its own class, so the api-server reads the declaration without the DAG file, in every Airflow since 3.0; and the same
task hands the person's input to the tasks behind it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.ids import required_id
from airflow_channel_provider.operators.commands import command_of
from airflow_channel_provider.tasks import policy_argument

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import DAG, Context
    from airflow.sdk import RetryPolicy
    from typing_extensions import Unpack

    from airflow_channel_provider.arguments import AirflowArguments
    from airflow_channel_provider.inbound.commands import Declaration

__all__ = ["DagCommandOperator"]


class DagCommandOperator(BaseOperator):
    """
    Makes the DAG a command that managers type in a chat, and returns who has typed it, where, and what.

    Put it at the start of the DAG. The ``params`` of the DAG become the parameters of the command: their types,
    whether they are required, choices from ``enum``, suggestions from ``examples``. Nobody may run the command unless
    ``managers`` or ``groups`` says so. The result of the task is the
    :class:`~airflow_channel_provider.operators.commands.CommandRun` as a mapping; None if the DAG was started in
    another way.

    :param name: what a manager types, 1 to 30 characters.
    :param description: what it does, at most 100 characters.
    :param managers: ids of the managers who may run it, in any chat.
    :param groups: ids of groups; each manager who types the command there may run it.
    :param parameters: names of the params that are asked for; default: each of type text, number or boolean.
    :param reply: whether the chat gets a message when the run ends.
    :param channel_talk_conn_id: connection of the app, of the type ``channel_talk``; it has the signing key.
    :param retry_policy: decides after an error whether the task is tried again; Airflow 3.3 or newer. None: only
        ``retries`` and ``retry_delay`` decide.
    :param kwargs: what every operator of Airflow takes.
    """

    ui_color = "#e1f3ea"

    def __init__(
        self,
        *,
        name: str,
        description: str | None = None,
        managers: Collection[str] = (),
        groups: Collection[str] = (),
        parameters: Sequence[str] | None = None,
        reply: bool = True,
        channel_talk_conn_id: str = "channel_talk_default",
        retry_policy: RetryPolicy | None = None,
        **kwargs: Unpack[AirflowArguments],
    ) -> None:
        super().__init__(**policy_argument(retry_policy), **kwargs)
        from airflow_channel_provider.inbound.commands import Declaration

        if isinstance(managers, str) or isinstance(groups, str):
            raise ChannelConfigurationError("managers and groups are lists of ids, not one text.")
        self.name = name
        self.channel_talk_conn_id = channel_talk_conn_id
        declaration = Declaration(
            name,
            channel_talk_conn_id,
            description,
            tuple(sorted(required_id("managers", one) for one in managers)),
            tuple(sorted(required_id("groups", one) for one in groups)),
            None if parameters is None else tuple(parameters),
        )
        # A text: Airflow serializes a mapping here, and then can't read the DAG any more.
        self.command = declaration.as_text()
        if (dag := self.get_dag()) is not None:
            self._check(declaration, dag)
            if reply:
                self._reply_at_the_end(dag)

    @classmethod
    def get_serialized_fields(cls) -> frozenset[str]:
        """Return the names of what the serialized DAG holds of the task."""
        return frozenset(super().get_serialized_fields()) | {"command"}  # type: ignore[no-untyped-call]

    def execute(self, context: Context) -> dict[str, Any] | None:
        """Return what the person has typed, and where."""
        run = command_of(context)
        if run is None:
            self.log.info("This run was not started by a command. An Airflow before 3.0 takes none.")
            return None
        self.log.info("Command %s of manager %s in chat %s", run.command, run.manager_id, run.chat_id)
        return asdict(run)

    def _check(self, declaration: Declaration, dag: DAG) -> None:
        from airflow_channel_provider.inbound.commands import wire_of
        from airflow_channel_provider.inbound.parameters import parameters_of

        try:
            wire_of(declaration, dag.dag_id, parameters_of(dag.params, declaration.parameters))
        except ValueError as error:
            raise ChannelConfigurationError(
                f"DAG {dag.dag_id!r} can't be a command of Channel Talk: {error}. The argument parameters names the "
                f"params that are asked for."
            ) from None

    def _reply_at_the_end(self, dag: DAG) -> None:
        from airflow_channel_provider.notifications.command_reply import CommandReplyNotifier

        for name in ("on_success_callback", "on_failure_callback"):
            present = getattr(dag, name, None)
            callbacks = list(present) if isinstance(present, (list, tuple)) else [present] if present else []
            if not any(isinstance(callback, CommandReplyNotifier) for callback in callbacks):
                setattr(dag, name, [*callbacks, CommandReplyNotifier()])
                # Airflow 3 notes only when it makes a DAG whether it has callbacks.
                setattr(dag, f"has_{name}", True)
