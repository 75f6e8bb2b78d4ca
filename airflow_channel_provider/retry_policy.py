"""What becomes of a task after an error of this provider: try again at a known moment, soon, or never.

:func:`decide` is pure and holds for every version of Airflow. From 3.3 on Airflow asks :class:`ChannelRetryPolicy`,
which the operators set by default; before, :func:`fail_at_once` says the same with the exception that ends a task.
Neither can give a task more tries than its ``retries``, but from Airflow 3.4 on a wait for a limit uses none of them.
Imports nothing but Airflow at its top, since every DAG file that uses an operator imports it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any

from airflow_channel_provider.exceptions import (
    ChannelAmbiguousResultError,
    ChannelAuthenticationError,
    ChannelConfigurationError,
    ChannelError,
    ChannelNotSentError,
    ChannelPermissionError,
    ChannelRateLimitError,
    ChannelRequestError,
    ChannelTooManyFailuresError,
)
from airflow_channel_provider.values import Values

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.sdk import RetryDecision, RetryPolicy

    SUPPORTED: bool
else:
    try:
        from airflow.sdk import RetryDecision, RetryPolicy
    except ImportError:  # Airflow < 3.3
        RetryDecision, RetryPolicy, SUPPORTED = None, object, False
    else:
        SUPPORTED = True

CAN_RESCHEDULE = hasattr(RetryDecision, "reschedule")
"""Whether a policy may have a task wait without using a try: from Airflow 3.4 on."""

__all__ = ["ChannelRetryPolicy"]

SOON_SECONDS = 15.0
SOON_MAX_SECONDS = 300.0
# Refusals that say nothing about the request itself; the same request may well pass later.
_PASSING_STATUSES = (408, 409, 423, 425, 429)
_INVALID_PARAMS = -32602  # of JSON-RPC, in the code of an envelope
_HOPELESS = (
    ChannelConfigurationError,
    ChannelAuthenticationError,
    ChannelPermissionError,
    ChannelTooManyFailuresError,
)


class Action(Enum):
    """
    What to do with the task.

    WAIT: run it again later. Airflow 3.4 and newer does so without using a try, older versions with a retry.
    """

    WAIT = "wait"
    RETRY = "retry"
    FAIL = "fail"
    DEFAULT = "default"


class Decision(Values):
    """
    What to do with the task, and why.

    :param delay_seconds: how long before the next try; None: what the task says.
    :param reason: free of secrets; Airflow stores it.
    """

    action: Action
    reason: str = ""
    delay_seconds: float | None = None


def decide(
    error: BaseException,
    *,
    try_number: int = 1,
    now: Callable[[], float] = time.time,
    random: Callable[[], float] = random.random,
) -> Decision:
    """
    Decide what becomes of a task.

    :param error: what ended the try.
    :param try_number: the try that it ended, from 1; unless the error says how long, pauses double from try to try.
    """
    if not isinstance(error, ChannelError):
        return Decision(Action.DEFAULT)
    name = type(error).__name__
    if error.waited_out:
        return Decision(Action.FAIL, f"{name}: waited for as long as the task may")
    delay_seconds = _delay_seconds(error, try_number, now, random)
    if isinstance(error, ChannelRateLimitError):
        return Decision(Action.WAIT, f"{name}: waits until the limit is over", delay_seconds)
    if isinstance(error, ChannelNotSentError):
        return Decision(Action.RETRY, f"{name}: had no effect and may work later", delay_seconds)
    if isinstance(error, ChannelAmbiguousResultError):
        if error.safe_to_repeat:
            return Decision(Action.RETRY, f"{name}: a repetition has no further effect", delay_seconds)
        return Decision(Action.FAIL, f"{name}: it may have taken effect, and a repetition could do it twice")
    if _is_hopeless(error):
        return Decision(Action.FAIL, f"{name}: a repetition would meet the same refusal")
    return Decision(Action.DEFAULT)


def _is_hopeless(error: ChannelError) -> bool:
    if isinstance(error, _HOPELESS):
        return True
    if not isinstance(error, ChannelRequestError):
        return False
    status = error.http_status or 0
    return (400 <= status < 500 and status not in _PASSING_STATUSES) or error.code == _INVALID_PARAMS


def _delay_seconds(
    error: ChannelError, try_number: int, now: Callable[[], float], random: Callable[[], float]
) -> float | None:
    """Return how long to wait before the next try; None: as long as the task says."""
    from airflow_channel_provider.retry import jitter_seconds, retry_after_seconds

    asked_seconds = retry_after_seconds(error, now=now())
    if asked_seconds is not None:
        return asked_seconds + jitter_seconds(asked_seconds, random)
    if isinstance(error, ChannelRateLimitError):  # a limit without a known end lasts longer than seconds
        return None
    soon = min(SOON_MAX_SECONDS, SOON_SECONDS * 2.0 ** min(max(0, try_number - 1), 16))
    return soon * (0.5 + random() / 2)


class ChannelRetryPolicy(RetryPolicy):
    """
    Airflow's question after a failed try, answered for the errors of this provider; for Airflow 3.3 and newer.

    The operators that call a service have it by default. For a task of your own that uses a hook::

        @task(retries=3, retry_policy=ChannelRetryPolicy())
        def remind(chat_id: str) -> None:
            ChannelTalkHook().call("writeUserChatMessage", ...)

    ====================================================  =====================================================
    a rate limit, the token quota                         run again when it is over
    not sent                                              retried soon, or when the error says
    wrong secret, permission, parameter, configuration    failed at once
    outcome unknown                                       failed, unless repeating the call changes nothing
    anything else                                         as the task's ``retries`` and ``retry_delay`` say
    ====================================================  =====================================================

    From Airflow 3.4 on, a rate limit or the token quota uses none of the task's ``retries``: Airflow reschedules the
    task, which waits without a worker slot, for at most ``[channel_talk] max_total_wait_seconds`` in one try. After
    that, and before Airflow 3.4, the wait uses a retry.

    It holds no state; Airflow stores no policy but reads the DAG file again where a task runs, so a mapped, deferred or
    rescheduled task keeps it.

    :raises ChannelConfigurationError: this Airflow has no retry policies.
    """

    def __init__(self) -> None:
        if not SUPPORTED:
            raise ChannelConfigurationError(
                "ChannelRetryPolicy needs Airflow 3.3 or newer; remove retry_policy. The operators of this provider "
                "decide in the same way without it."
            )

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """
        Decide what becomes of the task; see :func:`decide`.

        :param exception: what ended the try.
        :param try_number: the try that it ended, from 1.
        """
        decision = decide(exception, try_number=try_number)
        if decision.action is Action.DEFAULT:
            return RetryDecision.default()
        if decision.action is Action.FAIL:
            return RetryDecision.fail(reason=decision.reason)
        delay = None if decision.delay_seconds is None else timedelta(seconds=decision.delay_seconds)
        if decision.action is Action.WAIT and CAN_RESCHEDULE:
            from airflow_channel_provider.configuration import max_total_wait_seconds

            if limit_seconds := max_total_wait_seconds():
                reschedule: Callable[..., RetryDecision] = RetryDecision.reschedule  # type: ignore[attr-defined]
                timeout = timedelta(seconds=limit_seconds)
                return reschedule(delay=delay, reschedule_timeout=timeout, reason=decision.reason)
        return RetryDecision.retry(delay=delay, reason=decision.reason)

    def serialize(self) -> dict[str, Any]:
        """Return what :meth:`deserialize` needs: nothing but the name."""
        return {"__type": type(self).__name__}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> ChannelRetryPolicy:
        """Make a policy like the one that was serialized."""
        return cls()


def default_policy() -> ChannelRetryPolicy | None:
    """Return what the operators set where their user sets nothing: None before Airflow 3.3."""
    return ChannelRetryPolicy() if SUPPORTED else None


def fail_at_once(error: ChannelError) -> None:
    """
    End the task where no retry can help, if this Airflow has no retry policies to say so; otherwise do nothing.

    :raises AirflowFailException: in place of the error, with its message.
    """
    if not SUPPORTED and decide(error).action is Action.FAIL:
        from airflow.providers.common.compat.sdk import AirflowFailException

        raise AirflowFailException(str(error)) from error
