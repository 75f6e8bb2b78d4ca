"""
Answers a question of Airflow by a click in Channel Talk: the reserved command behind the buttons of a question.

The answer goes through the function behind Airflow's own route. Who may give it are the managers that the question is
assigned to, under the id of :func:`~airflow_channel_provider.operators.commands.manager_user`, and nobody else: a
manager has no permissions in Airflow, so a question that is assigned to nobody is for Airflow's users alone.
"""

from __future__ import annotations

import inspect
import json
import logging
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow.models.log import Log
from airflow.models.taskinstance import TaskInstance
from fastapi import HTTPException
from sqlalchemy import select

from airflow_channel_provider.inbound import commands
from airflow_channel_provider.inbound.function_call import text_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from airflow_channel_provider.inbound.function_call import FunctionCall
    from airflow_channel_provider.inbound_connections import EndpointSettings

_ENDED = ("success", "failed", "skipped", "upstream_failed", "removed")
_GONE = "This question is not there any more."

log = logging.getLogger(__name__)


class _Manager(NamedTuple):
    """A manager as Airflow's route knows its users."""

    id: str
    name: str

    def get_id(self) -> str:
        return self.id

    def get_name(self) -> str:
        return self.name

    def get_display_name(self) -> str:  # Airflow >= 3.4
        return self.name


def answer(session: Session, settings: EndpointSettings, call: FunctionCall) -> dict[str, Any]:
    """
    Give the answer that a button names, or say why not.

    :return: the body of the answer.
    """
    try:
        from airflow.models.hitl import HITLDetail
    except ImportError:
        return text_of("Before Airflow 3.1 a task can't ask people.")
    named = commands.answer_of(call.input)
    if named is None or call.caller_type != "manager" or call.caller_id is None:
        return _said(call, "it names no question, or comes from no manager", _GONE)
    where = (
        TaskInstance.dag_id == named.dag_id,
        TaskInstance.run_id == named.run_id,
        TaskInstance.task_id == named.task_id,
        TaskInstance.map_index == named.map_index,
    )
    # A click waits here for one that came first, on every server.
    ti = session.scalar(select(TaskInstance).where(*where).with_for_update(of=TaskInstance))
    detail = None if ti is None else session.scalar(select(HITLDetail).where(HITLDetail.ti_id == ti.id))
    if ti is None or detail is None:
        return _said(call, "it is not there", _GONE)
    me = commands.manager_id_in_airflow(settings.conn_id, call.caller_id)
    people = {str(user["id"]): str(user.get("name") or user["id"]) for user in detail.assigned_users or ()}
    if me not in people:
        return _said(call, "the manager is not asked", "You are not asked. The question names who is.")
    if detail.responded_at is not None:
        return _said(call, "it is answered", _answered(detail))
    if str(getattr(ti.state, "value", ti.state)) in _ENDED:
        return _said(call, "the task has ended", "This question is over: its task has ended.")
    # Airflow's scheduler looks now and then for questions whose time is over; its own form takes an answer until then.
    if ti.trigger_timeout is not None and ti.trigger_timeout <= datetime.now(timezone.utc):
        return _said(call, "its time is over", "This question is over: nobody has answered in time.")
    if named.option not in detail.options:  # Airflow 3.1 takes any
        return _said(call, "it has no such option", "This question has no such answer.")
    # Airflow 3.1 finds the question only where it loads it with the task instance.
    session.expire(ti, ["hitl_detail"])
    try:
        _respond(session, named, _Manager(me, people[me]))
    except HTTPException as error:
        session.rollback()
        return _said(
            call, f"Airflow answered {error.status_code}", f"Airflow refused the answer: {error.detail}"
        )
    session.add(
        Log(
            "update_hitl_detail",
            owner=me,
            owner_display_name=people[me],
            dag_id=named.dag_id,
            run_id=named.run_id,
            task_id=named.task_id,
            map_index=named.map_index,
            extra=json.dumps({"chosen_options": [named.option], "manager_id": call.caller_id}),
        )
    )
    session.commit()
    log.info("Manager %r answered task %r of DAG %r.", call.caller_id, named.task_id, named.dag_id)
    return text_of(f"You have answered: {named.option}.")


def _respond(session: Session, named: commands.Answer, person: _Manager) -> None:
    from airflow.api_fastapi.core_api.datamodels.hitl import UpdateHITLDetailPayload
    from airflow.api_fastapi.core_api.routes.public import hitl

    more: dict[str, Any] = {}
    if "dag_bag" in inspect.signature(hitl.update_hitl_detail).parameters:  # Airflow >= 3.4
        from airflow.models.dagbag import DBDagBag

        more["dag_bag"] = DBDagBag()
    hitl.update_hitl_detail(
        dag_id=named.dag_id,
        dag_run_id=named.run_id,
        task_id=named.task_id,
        map_index=named.map_index,
        update_hitl_detail_payload=UpdateHITLDetailPayload(chosen_options=[named.option], params_input={}),
        user=person,  # type: ignore[arg-type]
        session=session,
        **more,
    )


def _answered(detail: Any) -> str:
    chosen = ", ".join(map(str, detail.chosen_options or ()))
    by = detail.responded_by or {}
    name = by.get("name") or by.get("id") or "nobody in time"
    return f"This question is answered already: {chosen}, by {name}."


def _said(call: FunctionCall, why: str, sentence: str) -> dict[str, Any]:
    log.warning("Manager %r could not answer a question: %s.", call.caller_id, why)
    return text_of(sentence)
