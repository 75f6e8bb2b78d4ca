"""
Prepares the answer of a call for Airflow: for the XCom, and for the tasks that are mapped over it.

Airflow checks both after ``execute`` and retries the whole task where one is wrong, which would repeat the call. So a
mistake in the DAG is an error before the call, and an answer that Airflow would refuse fails the task without a retry.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException, conf

from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.xcom import fit_for_xcom

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, Context

MAX_KEY_CHARACTERS = 512
_KEY = re.compile(rf"[^\x00-\x1f\x7f]{{1,{MAX_KEY_CHARACTERS}}}")


def check_mapped_tasks(operator: BaseOperator, context: Context) -> None:
    """
    Check that tasks which are mapped over the answer get one.

    :raises ChannelConfigurationError: ``do_xcom_push=False`` keeps it from them.
    """
    if not operator.do_xcom_push and _is_mapped_over(operator, context):
        raise ChannelConfigurationError(
            f"A task is mapped over the result of {operator.task_id}, which has no XCom because of "
            "do_xcom_push=False. Nothing was sent. Remove do_xcom_push=False."
        )


def as_xcom(operator: BaseOperator, answer: Any, context: Context, *, may_repeat: bool = False) -> Any:
    """
    Return an answer in a form that XCom can hold.

    :param answer: result of the call.
    :param may_repeat: whether the task only reads, so that a retry does no harm.
    :raises AirflowFailException: Airflow would refuse the answer and retry the task.
    """
    fit = fit_for_xcom(answer)
    if may_repeat or not operator.do_xcom_push:
        return fit
    why = _why_no_outputs(fit) if operator.multiple_outputs and fit is not None else ""
    if not why and _is_mapped_over(operator, context):
        why = _why_not_mappable(fit, most=conf.getint("core", "max_map_length", fallback=1024))
    if why:
        raise AirflowFailException(
            f"The call succeeded, but {why}. The task is not retried, because a retry would repeat the call."
        )
    return fit


def _is_mapped_over(operator: BaseOperator, context: Context) -> bool:
    if not operator.has_dag():  # type: ignore[no-untyped-call]
        return False
    if next(operator.iter_mapped_dependants(), None) is None:
        return False
    # Airflow combines the results of a mapped task before other tasks are mapped over them.
    return getattr(context["ti"], "map_index", -1) < 0


def _why_no_outputs(fit: Any) -> str:
    if not isinstance(fit, Mapping):
        return f"multiple_outputs=True needs an object as the answer, not {_kind(fit)}"
    if not all(isinstance(key, str) and _KEY.fullmatch(key) for key in fit):
        return (
            "multiple_outputs=True makes an XCom of each key of the answer, and each key must be a text of 1 to "
            f"{MAX_KEY_CHARACTERS} characters without control characters"
        )
    return ""


def _why_not_mappable(fit: Any, *, most: int) -> str:
    if not isinstance(fit, (Sequence, dict)) or isinstance(fit, str):
        return f"a task is mapped over the answer, which must be a list or an object, not {_kind(fit)}"
    if len(fit) > most:
        return f"a task is mapped over its {len(fit):,} elements, and [core] max_map_length allows {most:,}"
    return ""


def _kind(fit: Any) -> str:
    return "null" if fit is None else type(fit).__name__
