"""
What the sensors share: one look at the service, and three ways to wait for the next.

In the mode ``poke`` the task looks again and again, in the mode ``reschedule`` each time it is its turn, and a
deferrable one looks once and leaves the rest to the triggerer. All find the same and bear the same failures, but for
one thing: a rescheduled task remembers nothing, so that a failure which names no end ends its try. In all of them
``soft_fail``, ``silent_fail`` and ``never_fail`` do what Airflow makes of them in the mode ``poke``; so ``soft_fail``
is for what is awaited and does not come in time, and a mistake fails the task.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    BaseSensorOperator,
    PokeReturnValue,
)

from airflow_channel_provider.exceptions import ChannelError
from airflow_channel_provider.operators import _waiting
from airflow_channel_provider.operators._base import (
    DEFAULT_RETRY_POLICY,
    WithHook,
    default_deferrable,
    policy_argument,
)
from airflow_channel_provider.operators._templates import TemplatesOfTheFile
from airflow_channel_provider.retry_policy import fail_at_once

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.sdk import RetryPolicy

    from airflow_channel_provider.triggers._patience import Patience
    from airflow_channel_provider.triggers._watch import Watch
    from airflow_channel_provider.triggers.channel_talk import NativeFunctionTrigger

__all__ = ["ChannelTalkBaseSensor"]


class ChannelTalkBaseSensor(WithHook, TemplatesOfTheFile, BaseSensorOperator):
    """
    Waits until a native function answers what is awaited.

    :param channel_id: the channel to act in; default: the connection's. (templated)
    :param channel_talk_conn_id: connection of the type ``channel_talk``. (templated)
    :param deferrable: whether to wait in the triggerer, without a worker slot, whatever ``mode`` says. Default:
        ``[operators] default_deferrable``.
    :param tolerated_failures: how many looks in a row may fail before the task does, in the triggerer and in the mode
        ``poke``. A rate limit, and what else tells when it is over, does not count: it is waited out.
    :param call_attempts: how often one call is sent at most, on the worker; default: the option ``[channel_talk]
        call_attempts``.
    :param max_wait_seconds: longest single wait within a call, on the worker, in seconds; default: the option.
    :param retry_policy: what becomes of the task after an error, from Airflow 3.3 on; default:
        :class:`.ChannelRetryPolicy`. None: only ``retries`` and ``retry_delay`` say.
    """

    template_fields: Sequence[str] = ("channel_id", "channel_talk_conn_id")
    ui_color = "#e4e1ff"

    _look_from_seconds = 0.0
    _comes_back: Any = None

    def __init__(
        self,
        *,
        channel_id: str | None = None,
        channel_talk_conn_id: str = "channel_talk_default",
        deferrable: bool | None = None,
        tolerated_failures: int = 10,
        call_attempts: int | None = None,
        max_wait_seconds: float | None = None,
        retry_policy: RetryPolicy | None = DEFAULT_RETRY_POLICY,
        **kwargs: Any,
    ) -> None:
        super().__init__(**policy_argument(retry_policy), **kwargs)
        self.channel_id = channel_id
        self.channel_talk_conn_id = channel_talk_conn_id
        self.deferrable = default_deferrable() if deferrable is None else deferrable
        self.tolerated_failures = tolerated_failures
        self.call_attempts = call_attempts
        self.max_wait_seconds = max_wait_seconds

    @abstractmethod
    def new_watch(self) -> Watch:
        """
        Return what is read, and what is awaited.

        :raises ChannelConfigurationError: an argument is wrong.
        """

    def execute(self, context: Context) -> Any:
        """Wait, in one of the three ways; return what was found."""
        try:
            self._watch.check()
            return self._look_and_defer(context) if self.deferrable else self._look_again(context)
        except ChannelError as error:
            fail_at_once(error)
            raise
        finally:
            self.hook.close()

    def poke(self, context: Context) -> PokeReturnValue | bool:
        """Look once."""
        if time.time() < self._look_from_seconds:
            return False
        try:
            found = self._watch.look(self.hook)
        except ChannelError as error:
            self._bear(error, context)
            return False
        self._patience.restore()
        return found is not None and PokeReturnValue(is_done=True, xcom_value=found)

    def execute_complete(self, context: Context, event: Any = None) -> Any:
        """
        Return what the trigger has found.

        :param event: from the trigger.
        :raises ChannelError: what ended the wait instead.
        """
        from airflow_channel_provider.triggers._events import found_in

        try:
            found = found_in(event)
        except ChannelError as error:
            fail_at_once(error)
            raise
        self.log.info("%s: found what was awaited", self._watch.method)
        return found

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """
        Go on after the wait.

        Airflow skips whatever has ended it under ``soft_fail``; here a mistake fails. Before 3.1 it forgets
        ``never_fail``, and ``soft_fail`` where the wait was too long.
        """
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except AirflowSkipException as skip:
            ended_by = skip.__cause__
            if self.never_fail or ended_by is None or not _is_mistake(ended_by):
                raise
        except AirflowException as error:
            if self.never_fail or (self.soft_fail and isinstance(error, AirflowSensorTimeout)):
                raise self._skipped() from error
            raise
        raise ended_by

    def _skipped(self) -> AirflowSkipException:
        option = "soft_fail" if self.soft_fail else "never_fail"
        return AirflowSkipException(f"Skipping due to {option} is set to True.")

    @cached_property
    def _watch(self) -> Watch:
        return self.new_watch()

    @cached_property
    def _patience(self) -> Patience:
        from airflow_channel_provider.triggers._patience import Patience

        return Patience(self.tolerated_failures if self._remembers else 0)

    @property
    def _remembers(self) -> bool:
        """Whether the next look is this process's, or the triggerer's."""
        return self.deferrable or not self.reschedule

    def _look_and_defer(self, context: Context) -> Any:
        """Look once, so that what is wrong is told at once, and what is there already needs no triggerer."""
        trigger = self._new_trigger()
        found = self._first_look(context)
        if isinstance(found, PokeReturnValue):
            return found.xcom_value
        self.log.info("%s: waiting in the triggerer", self._watch.method)
        return self.defer(
            trigger=trigger, method_name="execute_complete", timeout=timedelta(seconds=self.timeout)
        )

    def _first_look(self, context: Context) -> PokeReturnValue | bool:
        """Look once; of an error becomes what Airflow makes of it in the mode ``poke``."""
        try:
            return self.poke(context)
        except (AirflowSensorTimeout, AirflowTaskTimeout, AirflowFailException) as error:
            if self.soft_fail or self.never_fail:
                raise self._skipped() from error
            raise
        except AirflowSkipException:
            raise
        except Exception as error:
            if self.silent_fail:
                self.log.exception("%s: could not look", self._watch.method)
                return False
            if self.never_fail:
                raise self._skipped() from error
            raise

    def _look_again(self, context: Context) -> Any:
        """Look in the modes of Airflow's sensors; come back no sooner than a look has told."""
        try:
            return super().execute(context)
        except Exception as error:
            if self._comes_back is None or type(error) is not type(self._comes_back):
                raise
            later: Any = error
        raise max(later, self._comes_back, key=lambda one: one.reschedule_date)

    def _new_trigger(self) -> NativeFunctionTrigger:
        from airflow_channel_provider.triggers.channel_talk import NativeFunctionTrigger

        return NativeFunctionTrigger(
            **self._watch.portable(),
            channel_talk_conn_id=self.channel_talk_conn_id,
            poke_interval=self.poke_interval,
            tolerated_failures=self.tolerated_failures,
            backoff_since=time.time() if self.exponential_backoff else None,
            max_interval=None if self.max_wait is None else self.max_wait.total_seconds(),
            silent_fail=self.silent_fail,
        )

    def _bear(self, error: ChannelError, context: Context) -> None:
        """Wait for an error to pass, or raise it."""
        wait_seconds = self._patience.seconds_after(error, now=time.time())
        self.log.warning("%s: could not look (%s: %s)", self._watch.method, type(error).__name__, error)
        if self._remembers:
            self._look_from_seconds = time.time() + wait_seconds
        else:
            self._come_back_after(wait_seconds, context, error)

    def _come_back_after(self, wait_seconds: float, context: Context, error: ChannelError) -> None:
        """Have the task rescheduled, once Airflow's loop is left: it would take the exception for a failure."""
        since = _waiting.waiting_since(context, None)
        if time.time() + wait_seconds > since + self.timeout:
            raise AirflowSensorTimeout(
                f"The sensor would have to wait for another {wait_seconds:.0f} s before it may look again, and its "
                f"timeout is {self.timeout:.0f} s. {error}"
            ) from error
        self._comes_back = _waiting.rescheduling(wait_seconds)


def _is_mistake(error: BaseException) -> bool:
    """Tell whether something else than its timeout has ended a wait; a lost trigger is told by words alone."""
    if type(error).__name__ == "TaskDeferralError":
        return "timeout" not in str(error).lower()
    return isinstance(error, (ChannelError, AirflowFailException))
