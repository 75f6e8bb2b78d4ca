"""What every Channel Talk operator shares: its hook, and the waiting that frees the worker slot.

Only waiting is ever deferred. The call itself is always sent by the worker, since a trigger is replayed when its
triggerer restarts. What waits carries no parameter and no secret: the task renders its fields again when it resumes,
and its request id is the same.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_channel_provider import configuration, request_ids, tasks
from airflow_channel_provider.exceptions import ChannelError
from airflow_channel_provider.operators._answers import as_xcom, check_mapped_tasks
from airflow_channel_provider.retry_policy import fail_at_once
from airflow_channel_provider.tasks import (
    DEFAULT_RETRY_POLICY,
    WithHook,
    default_deferrable,
    policy_argument,
)
from airflow_channel_provider.templates import TemplatesOfTheFile

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.sdk import RetryPolicy
    from typing_extensions import Unpack

    from airflow_channel_provider.arguments import AirflowArguments, WaitingArguments
    from airflow_channel_provider.hooks.open_api import ChannelTalkOpenApiHook


class WaitingOperator(TemplatesOfTheFile, BaseOperator):
    """Calls a service through its hook and waits, where it must, without holding a worker slot."""

    ui_color = "#e4e1ff"
    hook: Any
    """The hook of the task's connection."""

    _only_reads = False

    def __init__(
        self,
        *,
        deferrable: bool | None = None,
        call_attempts: int | None = None,
        max_wait_seconds: float | None = None,
        max_total_wait_seconds: float | None = None,
        retry_policy: RetryPolicy | None = DEFAULT_RETRY_POLICY,
        **kwargs: Unpack[AirflowArguments],
    ) -> None:
        super().__init__(**policy_argument(retry_policy), **kwargs)
        self.deferrable = default_deferrable() if deferrable is None else deferrable
        self.call_attempts = call_attempts
        self.max_wait_seconds = max_wait_seconds
        self.max_total_wait_seconds = max_total_wait_seconds

    @abstractmethod
    def _call_service(self, context: Context) -> Any:
        """Make the call and return its result."""

    def _request_id(self, context: Context) -> str:
        """Return the request id of this task instance's message; each try has the same."""
        return request_ids.for_task(request_ids.task_key(context))

    def _describe(self) -> str:
        """Name the call for the log."""
        return type(self).__name__

    def _describe_place(self) -> str:
        """Name for the log where the call acts."""
        return "the connection's service"

    def execute(self, context: Context) -> Any:
        """Make the call."""
        return self._carry_through(context)

    def execute_complete(
        self, context: Context, event: Any = None, waiting_since: float | None = None
    ) -> Any:
        """
        Make the call after the wait; a message keeps its request id.

        :param waiting_since: when the first of the waits began (seconds since the epoch).
        """
        self.log.info("%s: the wait is over", self._describe())
        return self._carry_through(context, waiting_since)

    def _carry_through(self, context: Context, waiting_since: float | None = None) -> Any:
        what, where = self._describe(), self._describe_place()
        self.log.info("%s: calling, %s", what, where)
        started = time.monotonic()
        try:
            check_mapped_tasks(self, context)
            result = as_xcom(self, self._call_service(context), context, may_repeat=self._only_reads)
        except ChannelError as error:
            self._wait_for(error, context, waiting_since)
            fail_at_once(error)
            raise
        finally:
            self.hook.close()
        self.log.info("%s: done in %.2f s, %s%s", what, time.monotonic() - started, where, _named(result))
        return result

    def _wait_for(self, error: ChannelError, context: Context, waiting_since: float | None) -> None:
        """Free the worker slot if the error names a long wait that the task's limit still allows."""
        wait_seconds = tasks.seconds_to_wait(error, longer_than_seconds=self.hook.max_wait_seconds)
        if wait_seconds is None:
            return
        since = tasks.waiting_since(context, waiting_since)
        limit = self.max_total_wait_seconds
        limit = configuration.max_total_wait_seconds() if limit is None else limit
        if tasks.may_wait(error, wait_seconds=wait_seconds, since=since, limit_seconds=limit):
            until = datetime.now(tz=timezone.utc) + timedelta(seconds=wait_seconds)
            self.log.warning("%s: %s Waiting until %s", self._describe(), error, until.isoformat())
            tasks.free_the_slot_for(self, wait_seconds, deferrable=self.deferrable, since=since)


class ChannelTalkBaseOperator(WithHook, WaitingOperator):
    """Makes one call to the App Store API."""

    template_fields: Sequence[str] = ("channel_id", "channel_talk_conn_id")

    def __init__(
        self,
        *,
        channel_id: str | None = None,
        channel_talk_conn_id: str = "channel_talk_default",
        **kwargs: Unpack[WaitingArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.channel_id = channel_id
        self.channel_talk_conn_id = channel_talk_conn_id

    def _describe_place(self) -> str:
        """Name the channel."""
        return f"channel {self.channel_id}" if self.channel_id else "the connection's default channel"


class OpenApiBaseOperator(WaitingOperator):
    """Calls Open API, whose connection is one channel."""

    template_fields: Sequence[str] = ("channel_talk_open_api_conn_id",)

    def __init__(
        self,
        *,
        channel_talk_open_api_conn_id: str = "channel_talk_open_api_default",
        **kwargs: Unpack[WaitingArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.channel_talk_open_api_conn_id = channel_talk_open_api_conn_id

    @cached_property
    def hook(self) -> ChannelTalkOpenApiHook:
        """The hook of the task's connection."""
        from airflow_channel_provider.hooks.open_api import ChannelTalkOpenApiHook

        return ChannelTalkOpenApiHook(
            self.channel_talk_open_api_conn_id,
            call_attempts=self.call_attempts,
            max_wait_seconds=self.max_wait_seconds,
        )

    def _describe_place(self) -> str:
        """Name the connection."""
        return f"connection {self.channel_talk_open_api_conn_id}"


def _named(result: object) -> str:
    return f", message {result}" if isinstance(result, str) else ""
