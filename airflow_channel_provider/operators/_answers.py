"""
What a call has returned, as Airflow takes it from the task: for its XCom, and for the tasks that are mapped over it.

Airflow looks at both after ``execute``, and tries the whole task again where it finds them wrong: a call that must not
be repeated would be. So what is wrong with the DAG is told before the call, and what is wrong with the answer ends the
task at once.
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

__all__ = ["check_takers", "taken"]

MAX_KEY_CHARACTERS = 512
_KEY = re.compile(rf"[^\x00-\x1f\x7f]{{1,{MAX_KEY_CHARACTERS}}}")


def check_takers(operator: BaseOperator, context: Context) -> None:
    """
    Make sure that tasks which are mapped over the answer will be given one.

    :raises ChannelConfigurationError: they will not.
    """
    if not operator.do_xcom_push and _is_mapped_over(operator, context):
        raise ChannelConfigurationError(
            f"A task is mapped over what {operator.task_id} returns, and do_xcom_push=False keeps that from it. "
            "Nothing was sent; remove do_xcom_push=False."
        )


def taken(operator: BaseOperator, answer: Any, context: Context, *, may_repeat: bool = False) -> Any:
    """
    Return an answer as XCom can hold it.

    :param answer: what the call has returned.
    :param may_repeat: whether the task only reads, so that what Airflow makes of the answer does no harm.
    :raises AirflowFailException: Airflow would refuse it, and try the task again.
    """
    fit = fit_for_xcom(answer)
    if may_repeat or not operator.do_xcom_push:
        return fit
    why = _why_no_outputs(fit) if operator.multiple_outputs and fit is not None else ""
    if not why and _is_mapped_over(operator, context):
        why = _why_not_mappable(fit, most=conf.getint("core", "max_map_length", fallback=1024))
    if why:
        raise AirflowFailException(
            f"The call was made and answered, but {why}. The task is not tried again, since that would repeat the call."
        )
    return fit


def _is_mapped_over(operator: BaseOperator, context: Context) -> bool:
    if not operator.has_dag():  # type: ignore[no-untyped-call]
        return False
    if next(operator.iter_mapped_dependants(), None) is None:
        return False
    # What the instances of a mapped task return is put together before others are mapped over it.
    return getattr(context["ti"], "map_index", -1) < 0


def _why_no_outputs(fit: Any) -> str:
    if not isinstance(fit, Mapping):
        return f"multiple_outputs=True needs an object for an answer, not {_kind(fit)}"
    if not all(isinstance(key, str) and _KEY.fullmatch(key) for key in fit):
        return (
            "multiple_outputs=True makes an XCom of each key of the answer, which needs texts of 1 to "
            f"{MAX_KEY_CHARACTERS} characters without control characters"
        )
    return ""


def _why_not_mappable(fit: Any, *, most: int) -> str:
    if not isinstance(fit, (Sequence, dict)) or isinstance(fit, str):
        return f"a task is mapped over it, which needs a list or an object, not {_kind(fit)}"
    if len(fit) > most:
        return f"a task is mapped over its {len(fit):,} parts, and [core] max_map_length allows {most:,}"
    return ""


def _kind(fit: Any) -> str:
    return "null" if fit is None else type(fit).__name__
