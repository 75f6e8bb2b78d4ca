"""
Runs the commands that DAGs declare: who asks, with what, and the one run that comes of it.

Everything happens in one transaction of the metadata database. Calls that are the same wait for each other, on every
server, so that one that is sent again finds the run of the first one.
"""

from __future__ import annotations

import inspect
import json
import logging
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow.exceptions import ParamValidationError
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.log import Log
from airflow.models.serialized_dag import SerializedDagModel
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import String, cast, or_, select, update

from airflow_channel_provider.inbound import command_run, commands, parameters
from airflow_channel_provider.inbound.function_call import text_of
from airflow_channel_provider.links import run_url
from airflow_channel_provider.plugins._locks import wait_for_turn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from airflow_channel_provider.inbound.function_call import FunctionCall
    from airflow_channel_provider.inbound_connections import EndpointSettings

REMEMBERED = timedelta(minutes=10)
"""A call that comes again within this time is the same run."""

_TASK_TYPE = "DagCommandOperator"
_QUESTION_TYPE = "AskApprovalOperator"
_NOT_THERE = "This command is not there any more. Ask whoever runs Airflow to register the commands again."

log = logging.getLogger(__name__)


class Command(NamedTuple):
    """A command and the DAG that is it."""

    dag: Any
    declaration: commands.Declaration

    def parameters(self) -> tuple[parameters.Parameter, ...]:
        """Return what a person may give."""
        return parameters.parameters_of(self.dag.params, self.declaration.parameters)

    def wire(self) -> dict[str, Any]:
        """Return it as the App Store takes it."""
        return commands.wire_of(self.declaration, self.dag.dag_id, self.parameters())


def declared(session: Session, conn_id: str) -> list[Command]:
    """
    Return the commands of an app, by name.

    :param conn_id: connection of the app.
    """
    found = [command_of(session, dag_id) for dag_id in _dags_with(session, _TASK_TYPE)]
    mine = [one for one in found if one is not None and one.declaration.conn_id == conn_id]
    return sorted(mine, key=lambda one: (one.declaration.name, one.dag.dag_id))


def _dags_with(session: Session, task_type: str) -> Sequence[str]:
    """Return the ids of the DAGs that may have such a task, without reading all of them."""
    active = select(DagModel.dag_id).where(~DagModel.is_stale)
    may_have = or_(
        cast(SerializedDagModel._data, String).contains(task_type),  # noqa: SLF001 - its only name
        SerializedDagModel._data_compressed.is_not(None),  # noqa: SLF001 - as above
    )
    found = (
        select(SerializedDagModel.dag_id)
        .where(SerializedDagModel.dag_id.in_(active), may_have)
        .distinct()
        .order_by(SerializedDagModel.dag_id)
    )
    return session.scalars(found).all()


def command_of(session: Session, dag_id: str) -> Command | None:
    """Return the command that the newest version of a DAG declares."""
    row = SerializedDagModel.get(dag_id, session=session)
    if row is None:
        return None
    try:
        dag = row.dag
        for task in dag.tasks:
            if task.task_type == _TASK_TYPE:
                return Command(dag, commands.Declaration.of(getattr(task, "command", "")))
    except Exception:  # whatever another version of Airflow or of a provider has written there
        log.exception("DAG %r can't be read", dag_id)
    return None


def wires(session: Session, conn_id: str) -> list[dict[str, Any]]:
    """
    Return the commands of an app as the App Store takes them.

    Left out, with a line in the log, is one that breaks a limit, has the name of another, or is one too many.
    """
    found: dict[str, dict[str, Any]] = {}
    if _dags_with(session, _QUESTION_TYPE):
        found[commands.ANSWER_NAME] = commands.answer_command()
    for one in declared(session, conn_id):
        try:
            wire = one.wire()
        except ValueError as error:
            log.error("DAG %r is not offered as a command: %s.", one.dag.dag_id, error)  # noqa: TRY400
            continue
        if wire["name"] in found or len(found) == commands.MOST_COMMANDS:
            why = "its name is taken" if wire["name"] in found else f"there are {len(found)} others"
            log.error("DAG %r is not offered as a command: %s.", one.dag.dag_id, why)
            continue
        found[wire["name"]] = wire
    return list(found.values())


def run(session: Session, settings: EndpointSettings, call: FunctionCall, dag_id: str) -> dict[str, Any]:
    """
    Start the run of a command, or say why not.

    :return: the body of the answer.
    """
    model = session.get(DagModel, dag_id)
    command = None if model is None or model.is_stale else command_of(session, dag_id)
    if model is None or command is None or command.declaration.conn_id != settings.conn_id:
        return _said(call, dag_id, "it is no command", _NOT_THERE)
    if not command.declaration.allows(call):
        return _said(
            call,
            dag_id,
            "the manager may not run it",
            f"You may not run {command.declaration.name}. The DAG {dag_id} names who may.",
        )
    if model.is_paused:
        return _said(
            call,
            dag_id,
            "it is paused",
            f"The DAG {dag_id} is paused. Unpause it in Airflow, then try again.",
        )
    if model.has_import_errors or not _may_run_by_hand(model):
        return _said(
            call,
            dag_id,
            "it has import errors, or allows no manual runs",
            f"The DAG {dag_id} can't be started now: its file has an error, or it allows no manual runs.",
        )
    try:
        arguments = parameters.arguments_of(command.parameters(), call.input)
    except parameters.InputError as error:
        return _said(call, dag_id, "an argument is wrong", str(error))
    except ValueError as error:
        return _said(
            call,
            dag_id,
            f"its params fit no command: {error}",
            f"The DAG {dag_id} can't be a command: {error}.",
        )
    return _start(session, command, call, arguments)


def suggest(
    session: Session, settings: EndpointSettings, call: FunctionCall, dag_id: str
) -> list[dict[str, Any]]:
    """Return suggestions for the parameter that a person types in; none for whoever may not run the command."""
    command = command_of(session, dag_id)
    if command is None or command.declaration.conn_id != settings.conn_id:
        return []
    if not command.declaration.allows(call):
        return []
    for parameter in command.parameters():
        if parameter.name == call.focused:
            return parameters.suggestions_for(parameter, call.input.get(parameter.name))
    return []


def _start(
    session: Session, command: Command, call: FunctionCall, arguments: dict[str, Any]
) -> dict[str, Any]:
    dag, name = command.dag, command.declaration.name
    row = update(DagModel).where(DagModel.dag_id == dag.dag_id).values(fileloc=DagModel.fileloc)
    wait_for_turn(session, f"channel_talk command {dag.dag_id} {call.digest}", row)
    now = datetime.now(timezone.utc)
    prefix = f"{command_run.RUN_ID}{call.digest[:24]}__"
    known = session.execute(
        select(DagRun.run_id, DagRun.run_after).where(
            DagRun.dag_id == dag.dag_id,
            DagRun.run_id.startswith(prefix, autoescape=True),
            DagRun.run_after > now - REMEMBERED,
        )
    ).first()
    if known is not None:
        session.rollback()
        log.info("Command %r came again: it is run %r of DAG %r.", name, known.run_id, dag.dag_id)
        return text_of(
            f"{name} was started already; the same command counts once in ten minutes."
            f"{_linked(dag.dag_id, known.run_id)}"
        )
    run_id = f"{prefix}{now:%Y%m%dT%H%M%S%f}"
    conf = command_run.conf_of(command.declaration, call, call.chat, arguments)
    person = f"Channel Talk manager {call.caller_id}"
    more = {"triggering_user_name": person}
    known_names = inspect.signature(dag.create_dagrun).parameters
    try:
        dag.create_dagrun(
            run_id=run_id,
            run_after=now,
            conf=conf,
            run_type=DagRunType.MANUAL,
            triggered_by=DagRunTriggeredByType.REST_API,
            state=DagRunState.QUEUED,
            session=session,
            **{key: value for key, value in more.items() if key in known_names},
        )
    except (ParamValidationError, ValueError) as error:
        session.rollback()
        why = next(iter(str(error).strip().splitlines()), type(error).__name__)
        return _said(call, dag.dag_id, "Airflow refused its params", f"{name} was not started. {why}")
    session.add(
        Log(
            "trigger_dag_run",
            owner=person,
            owner_display_name=person,
            dag_id=dag.dag_id,
            run_id=run_id,
            extra=json.dumps(
                {"dag_id": dag.dag_id, "dag_run_id": run_id, command_run.CONF_KEY: conf[command_run.CONF_KEY]}
            ),
        )
    )
    session.commit()
    log.info("Manager %r started run %r of DAG %r by command %r.", call.caller_id, run_id, dag.dag_id, name)
    return text_of(f"Started {name}.{_linked(dag.dag_id, run_id)}")


def _linked(dag_id: str, run_id: str) -> str:
    url = run_url(dag_id, run_id)
    return f" {url}" if url else ""


def _may_run_by_hand(model: Any) -> bool:
    allowed = getattr(model, "allowed_run_types", None)  # Airflow >= 3.2
    return allowed is None or DagRunType.MANUAL in allowed


def _said(call: FunctionCall, dag_id: str, why: str, sentence: str) -> dict[str, Any]:
    log.warning("Manager %r could not run DAG %r by a command: %s.", call.caller_id, dag_id, why)
    return text_of(sentence)
