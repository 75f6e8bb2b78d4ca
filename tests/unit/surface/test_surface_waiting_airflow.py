"""The same in Airflow's own task runner: what it is told after an error, and what it knows of earlier turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG
from support.airflow_features import RETRY_POLICY, TASK_RUNNER, leave_out_unless, needs

from airflow_channel_provider.exceptions import (
    ChannelAmbiguousResultError,
    ChannelAuthenticationError,
    ChannelError,
    ChannelNotSentError,
    ChannelTokenQuotaError,
)
from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
from airflow_channel_provider.operators.channel_talk import NativeFunctionOperator

leave_out_unless(*TASK_RUNNER)

from airflow.sdk.execution_time.comms import (
    DeferTask,
    RescheduleTask,
    RetryTask,
    TaskRescheduleStartDate,
    TaskState,
)
from support.task_run import NOW, Supervisor, task_runs


class Airflow(Supervisor):
    """A supervisor that knows when a task instance was first rescheduled."""

    def __init__(self, first_reschedule: datetime | None) -> None:
        super().__init__()
        self.first_reschedule = first_reschedule

    def answer(self, msg: Any) -> Any:
        if type(msg).__name__ == "GetTaskRescheduleStartDate":
            return TaskRescheduleStartDate(start_date=self.first_reschedule)
        return None

    def told_in_the_end(self) -> Any:
        kinds = (DeferTask, RescheduleTask, RetryTask, TaskState)
        (message,) = [msg for msg in self.told if isinstance(msg, kinds)]
        return message


Run = Callable[..., Any]


@pytest.fixture
def run(channel_talk: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs one try of a task that has two retries and meets an error; returns what the supervisor is told."""

    def run_it(
        error: ChannelError,
        *,
        mapped: bool = False,
        first_reschedule: datetime | None = None,
        resumed: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        def send(self: ChannelTalkHook, *args: Any, **kwargs: Any) -> Any:
            raise error

        monkeypatch.setattr(ChannelTalkHook, "send", send)
        arguments = {"task_id": "t", "retries": 2, "retry_delay": timedelta(seconds=7), **kwargs}
        with DAG("d", schedule=None):
            operator: Any = (
                NativeFunctionOperator.partial(**arguments).expand(method=["getChannel"])
                if mapped
                else NativeFunctionOperator(method="getChannel", **arguments)
            )
        airflow = Airflow(first_reschedule)
        run_one(
            operator,
            supervisor=airflow,
            map_index=0 if mapped else -1,
            max_tries=2,
            rescheduled=first_reschedule is not None,
            next_method=None if resumed is None else "execute_complete",
            next_kwargs=resumed,
        )
        return airflow.told_in_the_end()

    with task_runs(monkeypatch) as run_one:
        yield run_it


WRONG_SECRET = ChannelAuthenticationError("wrong secret", http_status=401)
RESUMED = {"waiting_since": NOW.timestamp()}


def ahead(seconds: float) -> datetime:
    return datetime.now(tz=timezone.utc) + timedelta(seconds=seconds)


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("resumed", [None, RESUMED])
@pytest.mark.parametrize("error", [WRONG_SECRET, ChannelAmbiguousResultError("x")], ids=repr)
def test_hopeless_task_fails_with_its_retries_left_mapped_or_resumed(
    run: Run, error: ChannelError, mapped: bool, resumed: Any
) -> None:
    told = run(error, mapped=mapped, resumed=resumed)
    assert isinstance(told, TaskState)
    assert str(told.state.value) == "failed"


@needs(*RETRY_POLICY)
@pytest.mark.parametrize("mapped", [False, True])
def test_task_whose_call_was_not_sent_is_tried_again_soon(run: Run, mapped: bool) -> None:
    told = run(ChannelNotSentError("no route"), mapped=mapped)
    assert isinstance(told, RetryTask)
    assert told.retry_delay_seconds is not None
    assert 7.5 <= told.retry_delay_seconds <= 15.0
    assert told.retry_reason == "ChannelNotSentError: had no effect and may work later"


@needs(*RETRY_POLICY)
def test_user_who_wants_no_policy_gets_all_retries(run: Run) -> None:
    told = run(WRONG_SECRET, retry_policy=None)
    assert isinstance(told, RetryTask)
    assert told.retry_delay_seconds is None


def test_rescheduled_task_remembers_its_first_turn(run: Run) -> None:
    def quota() -> ChannelTokenQuotaError:
        return ChannelTokenQuotaError("quota", retry_at=ahead(1200))

    limit = {"deferrable": False, "max_total_wait_seconds": 3600.0}
    assert isinstance(run(quota(), **limit), RescheduleTask)
    assert isinstance(run(quota(), first_reschedule=ahead(-2000), **limit), RescheduleTask)
    told = run(quota(), first_reschedule=ahead(-3000), **limit)
    assert isinstance(told, TaskState)
    assert str(told.state.value) == "failed"


def test_deferred_task_remembers_its_first_turn(run: Run) -> None:
    limit = {"deferrable": True, "max_total_wait_seconds": 3600.0}
    first = run(ChannelTokenQuotaError("quota", retry_at=ahead(1200)), **limit)
    assert isinstance(first, DeferTask)
    later = {"waiting_since": ahead(-2000).timestamp()}
    second = run(ChannelTokenQuotaError("quota", retry_at=ahead(1200)), resumed=later, **limit)
    assert isinstance(second, DeferTask)
    assert second.next_kwargs == later
    too_late = {"waiting_since": ahead(-3000).timestamp()}
    last = run(ChannelTokenQuotaError("quota", retry_at=ahead(1200)), resumed=too_late, **limit)
    assert isinstance(last, TaskState)
