"""
What operators and sensors share as tasks: their hook, their retry policy, and waiting without a worker slot.

Two moments leave a task that waits: when to come back, and since when it has been waiting. Neither parameters nor
secrets do; the task renders its fields again when it resumes.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, cast

from airflow.providers.common.compat.sdk import conf

from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError
from airflow_channel_provider.retry_policy import SUPPORTED, default_policy

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, Context
    from airflow.sdk import RetryPolicy

    from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook

# A rescheduled task that comes back within seconds can be taken for a failed one: Airflow's supervisor may report the
# end of the first process only after the second was queued.
LEAST_RESCHEDULE_SECONDS = 60.0
# The wait was measured when the call gave up, some moments before it is looked at here.
SLACK_SECONDS = 1.0

_TOKEN_ANSWERS = ("issueEntityToken",)

DEFAULT_RETRY_POLICY: RetryPolicy | None = default_policy()


def default_deferrable() -> bool:
    """Return the option ``[operators] default_deferrable``."""
    return bool(conf.getboolean("operators", "default_deferrable", fallback=False))


def policy_argument(retry_policy: RetryPolicy | None) -> dict[str, Any]:
    """
    Return the argument for Airflow's own operator; none where Airflow has no such argument.

    The default must be in the constructor's signature, where Airflow reads the defaults of a mapped task.
    """
    return {"retry_policy": retry_policy} if SUPPORTED or retry_policy is not None else {}


def function_params_of(task: BaseOperator, function_params: Any) -> Any:
    """
    Return the parameters of the function: ``function_params``, or else the mapping that was given as ``params``.

    Airflow's ``params`` are the DAG's, and a task may add to them. What a task of ours adds can only be meant for its
    function, so it is taken out of ``params`` again, which are the DAG's then.

    :param task: constructed by Airflow.
    :param function_params: the argument; None: not given.
    :raises ChannelConfigurationError: the task is mapped, where ``params`` may be what another task returned, which is
        no template.
    """
    if function_params is not None:
        return function_params
    of_dag: Any = task.dag.params if task.has_dag() else {}  # type: ignore[no-untyped-call]
    given = task.params
    own = {
        name: _value_of(given, name)
        for name in given
        if name not in of_dag or _value_of(given, name) != _value_of(of_dag, name)
    }
    if not own:
        return None
    if is_from_mapped(task):
        raise ChannelConfigurationError(
            "params of a mapped task are the DAG's; give the parameters of the function as function_params."
        )
    task.params = type(given)({name: of_dag.get_param(name) for name in given if name in of_dag})
    return own


def is_from_mapped(task: Any) -> bool:
    """Return whether a task is one of a mapped operator's, made when it runs."""
    return bool(getattr(task, "_BaseOperator__from_mapped", False))


def check_shows_no_token(method: str) -> None:
    """
    Refuse a function whose result is a token, for a task that hands its result to XCom.

    :raises ChannelConfigurationError: the result is a token.
    """
    if method in _TOKEN_ANSWERS:
        raise ChannelConfigurationError(
            f"The result of {method} is a token, and XCom stores it unencrypted. Call it with the hook in the task "
            "that uses it, or with NativeFunctionOperator and do_xcom_push=False.",
            method=method,
        )


def _value_of(params: Any, name: str) -> Any:
    """Return a value without checking it against its schema, which is a DAG's matter."""
    return params.get_param(name).value if hasattr(params, "get_param") else params[name]


class WithHook:
    """The hook of an operator or sensor, and the arguments for it."""

    channel_talk_conn_id: str
    call_attempts: int | None
    max_wait_seconds: float | None

    @cached_property
    def hook(self) -> ChannelTalkHook:
        """The hook of the task's connection."""
        from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook

        return ChannelTalkHook(
            self.channel_talk_conn_id,
            call_attempts=self.call_attempts,
            max_wait_seconds=self.max_wait_seconds,
        )


# ---- waiting without a worker slot


def seconds_to_wait(error: ChannelError, *, longer_than_seconds: float) -> float | None:
    """
    Return how long a task has to wait for an error to pass, if that is long enough to free its worker slot.

    :param error: names a wait only if it has a ``retry_at``: a rate limit, the token quota, or a token that nobody can
        get for now.
    :param longer_than_seconds: how long the call itself waits.
    """
    from airflow_channel_provider.retry import retry_after_seconds

    wait_seconds = retry_after_seconds(error, now=time.time())
    is_long = wait_seconds is not None and wait_seconds > max(0.0, longer_than_seconds - SLACK_SECONDS)
    return wait_seconds if is_long else None


def waiting_since(context: Context, resumed: float | None) -> float:
    """
    Return when this try began to wait (seconds since the epoch); now, if it has not waited before.

    :param resumed: what came back with a deferred task.
    """
    if resumed is not None:
        return resumed
    ti: Any = context["ti"]
    if hasattr(ti, "get_first_reschedule_date"):
        since = ti.get_first_reschedule_date(context)
    else:  # Airflow 2 keeps the first start of a rescheduled task; Airflow 3 starts it anew
        since = getattr(ti, "start_date", None)
    return since.timestamp() if isinstance(since, datetime) else time.time()


def may_wait(error: ChannelError, *, wait_seconds: float, since: float, limit_seconds: float) -> bool:
    """
    Return whether a task may wait that long; if not, add that to the error.

    :param since: when it began to wait (seconds since the epoch).
    :param limit_seconds: how long it may wait altogether.
    """
    now = time.time()
    if now + wait_seconds <= since + limit_seconds:
        return True
    error.waited_out = True
    error.add_context(
        after=f"The task has waited for {max(0.0, now - since):.0f} s and would have to wait for another "
        f"{wait_seconds:.0f} s; it may wait for {limit_seconds:.0f} s altogether (max_total_wait_seconds)."
    )
    return False


def free_the_slot_for(
    operator: BaseOperator, wait_seconds: float, *, deferrable: bool, since: float
) -> NoReturn:
    """
    Give up the worker slot and come back at ``execute_complete`` (deferrable) or ``execute`` (rescheduled).

    :param wait_seconds: some are added, so that tasks that wait for the same moment do not return as one.
    :param since: when the task began to wait (seconds since the epoch); comes back with a deferred task.
    """
    if deferrable:
        operator.defer(
            trigger=_date_time_trigger(_after(wait_seconds)),
            method_name="execute_complete",
            kwargs={"waiting_since": since},
        )
    raise rescheduling(wait_seconds)


def rescheduling(wait_seconds: float) -> Exception:
    """Return the exception that has a task rescheduled; see :func:`free_the_slot_for`."""
    return _reschedule_exception(_after(max(wait_seconds, LEAST_RESCHEDULE_SECONDS)))


def _after(wait_seconds: float) -> datetime:
    from airflow_channel_provider.retry import jitter_seconds

    return datetime.now(tz=timezone.utc) + timedelta(seconds=wait_seconds + jitter_seconds(wait_seconds))


def _date_time_trigger(moment: datetime) -> Any:
    try:
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger
    except ImportError:  # Airflow 2 without the standard provider
        from airflow.triggers.temporal import DateTimeTrigger  # type: ignore[import-not-found, no-redef]

    return DateTimeTrigger(moment=moment)


def _reschedule_exception(moment: datetime) -> Exception:
    try:
        from airflow.sdk.exceptions import AirflowRescheduleException
    except ImportError:  # Airflow 2
        from airflow.exceptions import AirflowRescheduleException

    return cast("Exception", AirflowRescheduleException(moment))  # type: ignore[no-untyped-call]
