"""
What the sensors share: one poll of the service, and three ways to wait for the next.

In the mode ``poke`` the task polls again and again. In the mode ``reschedule`` it polls once each time it is started. A
deferrable sensor polls once and leaves the rest to the triggerer. All three tolerate the same failures, with one
exception: a rescheduled task remembers nothing, so a failure that does not say when to try again ends its try. In all
three, ``soft_fail``, ``silent_fail`` and ``never_fail`` mean what they mean to Airflow in the mode ``poke``; so
``soft_fail`` skips the task when the condition is not met in time, and a mistake still fails it.
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

from airflow_channel_provider import tasks
from airflow_channel_provider.exceptions import ChannelError
from airflow_channel_provider.retry_policy import fail_at_once
from airflow_channel_provider.tasks import DEFAULT_RETRY_POLICY, WithHook, default_deferrable, policy_argument
from airflow_channel_provider.templates import TemplatesOfTheFile
from airflow_channel_provider.triggers.polling import FailureTolerance, Poll, result_of

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.sdk import RetryPolicy
    from typing_extensions import Unpack

    from airflow_channel_provider.arguments import PokeArguments
    from airflow_channel_provider.triggers.channel_talk import NativeFunctionTrigger


class ChannelTalkBaseSensor(WithHook, TemplatesOfTheFile, BaseSensorOperator):
    """Waits until the answer of a native function meets a condition."""

    template_fields: Sequence[str] = ("channel_id", "channel_talk_conn_id")
    ui_color = "#e4e1ff"

    _poll_from_seconds = 0.0
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
        **kwargs: Unpack[PokeArguments],
    ) -> None:
        super().__init__(**policy_argument(retry_policy), **kwargs)
        self.channel_id = channel_id
        self.channel_talk_conn_id = channel_talk_conn_id
        self.deferrable = default_deferrable() if deferrable is None else deferrable
        self.tolerated_failures = tolerated_failures
        self.call_attempts = call_attempts
        self.max_wait_seconds = max_wait_seconds

    @abstractmethod
    def new_poll(self) -> Poll:
        """
        Return the read and its condition.

        :raises ChannelConfigurationError: an argument is wrong.
        """

    def execute(self, context: Context) -> Any:
        """Wait in one of the three ways; return what was found."""
        try:
            self._poll.check()
            return self._poll_and_defer(context) if self.deferrable else self._poll_in_mode(context)
        except ChannelError as error:
            fail_at_once(error)
            raise
        finally:
            self.hook.close()

    def poke(self, context: Context) -> PokeReturnValue | bool:
        """Poll once."""
        if time.time() < self._poll_from_seconds:
            return False
        try:
            found = self._poll.run_once(self.hook)
        except ChannelError as error:
            self._tolerate(error, context)
            return False
        self._tolerance.reset()
        return found is not None and PokeReturnValue(is_done=True, xcom_value=found)

    def execute_complete(self, context: Context, event: Any = None) -> Any:
        """
        Return what the trigger has found.

        :param event: from the trigger.
        :raises ChannelError: what ended the wait instead.
        """
        try:
            found = result_of(event)
        except ChannelError as error:
            fail_at_once(error)
            raise
        self.log.info("%s: the condition is met", self._poll.method)
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
    def _poll(self) -> Poll:
        return self.new_poll()

    @cached_property
    def _tolerance(self) -> FailureTolerance:
        return FailureTolerance(self.tolerated_failures if self._remembers else 0)

    @property
    def _remembers(self) -> bool:
        """Whether this process, or the triggerer, polls next and so knows of the failures before."""
        return self.deferrable or not self.reschedule

    def _poll_and_defer(self, context: Context) -> Any:
        """Poll once, so that a mistake shows at once, and a condition that is met already needs no triggerer."""
        trigger = self._new_trigger()
        found = self._first_poll(context)
        if isinstance(found, PokeReturnValue):
            return found.xcom_value
        self.log.info("%s: waiting in the triggerer", self._poll.method)
        return self.defer(
            trigger=trigger, method_name="execute_complete", timeout=timedelta(seconds=self.timeout)
        )

    def _first_poll(self, context: Context) -> PokeReturnValue | bool:
        """Poll once; an error has the consequences that it has in the mode ``poke``."""
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
                self.log.exception("%s: the poll failed", self._poll.method)
                return False
            if self.never_fail:
                raise self._skipped() from error
            raise

    def _poll_in_mode(self, context: Context) -> Any:
        """Poll in the modes of Airflow's sensors; come back no sooner than a failure allows."""
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
            **self._poll.serialize(),
            channel_talk_conn_id=self.channel_talk_conn_id,
            poke_interval=self.poke_interval,
            tolerated_failures=self.tolerated_failures,
            backoff_since=time.time() if self.exponential_backoff else None,
            max_interval=None if self.max_wait is None else self.max_wait.total_seconds(),
            silent_fail=self.silent_fail,
        )

    def _tolerate(self, error: ChannelError, context: Context) -> None:
        """Wait for an error to pass, or raise it."""
        wait_seconds = self._tolerance.wait_seconds(error, now=time.time())
        self.log.warning("%s: the poll failed (%s: %s)", self._poll.method, type(error).__name__, error)
        if self._remembers:
            self._poll_from_seconds = time.time() + wait_seconds
        else:
            self._come_back_after(wait_seconds, context, error)

    def _come_back_after(self, wait_seconds: float, context: Context, error: ChannelError) -> None:
        """Have the task rescheduled, once Airflow's loop is left: it would take the exception for a failure."""
        since = tasks.waiting_since(context, None)
        if time.time() + wait_seconds > since + self.timeout:
            raise AirflowSensorTimeout(
                f"The sensor would have to wait for another {wait_seconds:.0f} s before it may poll again, and its "
                f"timeout is {self.timeout:.0f} s. {error}"
            ) from error
        self._comes_back = tasks.rescheduling(wait_seconds)


def _is_mistake(error: BaseException) -> bool:
    """Return whether something else than its timeout has ended a wait; Airflow names a lost trigger in words only."""
    if type(error).__name__ == "TaskDeferralError":
        return "timeout" not in str(error).lower()
    return isinstance(error, (ChannelError, AirflowFailException))
