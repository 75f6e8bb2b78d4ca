from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred
from support.airflow_features import reschedule_exception

from airflow_channel_provider import configuration, retry_policy
from airflow_channel_provider.exceptions import (
    ChannelAuthenticationError,
    ChannelError,
    ChannelNotSentError,
    ChannelRateLimitError,
    ChannelTokenQuotaError,
)
from airflow_channel_provider.operators.channel_talk import (
    NativeFunctionOperator,
    WriteGroupMessageOperator,
    WriteUserChatMessageOperator,
)
from airflow_channel_provider.retry import jitter_seconds
from airflow_channel_provider.retry_policy import Action, decide
from airflow_channel_provider.tasks import may_wait, seconds_to_wait, waiting_since

pytestmark = pytest.mark.usefixtures("errors_as_they_are")

WRITTEN = {"message": {"id": "message-1"}}
HOUR = 3600.0


def ahead(seconds: float) -> datetime:
    return datetime.now(tz=timezone.utc) + timedelta(seconds=seconds)


def ti(**more: Any) -> SimpleNamespace:
    return SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=3, try_number=1, **more)


def context(first_reschedule: datetime | None = None) -> Any:
    return {"ti": ti(get_first_reschedule_date=lambda context: first_reschedule)}


def write(doors: Any, *answers: Any, **kwargs: Any) -> WriteUserChatMessageOperator:
    operator = WriteUserChatMessageOperator(
        task_id="t", user_chat_id="chat-1", text="private words", **kwargs
    )
    doors.client.script = list(answers)
    operator.__dict__["hook"] = doors.hook(max_wait_seconds=operator.max_wait_seconds)
    return operator


def deferred_by(operator: Any, resumed: dict[str, Any] | None = None) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as caught:
        operator.execute_complete(context(), **(resumed or {}))
    return caught.value


def wait_of(deferred: TaskDeferred) -> float:
    moment: datetime = deferred.trigger.moment
    return moment.timestamp() - time.time()


LONG_WAITS = [
    lambda: ChannelRateLimitError("limit", retry_at=ahead(900)),
    lambda: ChannelTokenQuotaError("quota", retry_at=ahead(900)),
    lambda: ChannelTokenQuotaError("quota", retry_after_seconds=900.0),
    lambda: ChannelNotSentError("another task has no token yet", retry_at=ahead(900)),
]


@pytest.mark.parametrize("error", LONG_WAITS)
def test_whatever_passes_after_a_long_wait_is_waited_for_in_the_triggerer(
    doors: Any, error: Callable[[], ChannelError]
) -> None:
    deferred = deferred_by(write(doors, error(), deferrable=True))
    assert 895 < wait_of(deferred) <= 930
    assert doors.slept == []


@pytest.mark.parametrize("error", LONG_WAITS)
def test_whatever_passes_after_a_long_wait_is_waited_for_between_two_turns(
    doors: Any, error: Callable[[], ChannelError]
) -> None:
    with pytest.raises(reschedule_exception()) as caught:
        write(doors, error(), deferrable=False).execute_complete(context())
    assert ahead(895) < caught.value.reschedule_date <= ahead(930)
    assert doors.slept == []


def test_token_that_another_task_still_owes_is_waited_for(doors: Any) -> None:
    doors.manager.error = ChannelNotSentError("another task has no token yet", retry_at=ahead(300))
    assert 290 < wait_of(deferred_by(write(doors, WRITTEN, deferrable=True))) <= 330


@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.parametrize(
    "error",
    [
        ChannelNotSentError("no route"),
        ChannelRateLimitError("a limit that nothing explains"),
        ChannelAuthenticationError("wrong secret", http_status=401),
    ],
    ids=repr,
)
def test_what_names_no_end_is_raised_as_it_is(doors: Any, error: ChannelError, deferrable: bool) -> None:
    with pytest.raises(type(error), match=error.message):
        write(doors, error, deferrable=deferrable).execute_complete(context())


def test_short_wait_keeps_the_slot(doors: Any) -> None:
    operator = write(doors, ChannelRateLimitError("x", retry_after_seconds=30.0), WRITTEN, deferrable=True)
    assert operator.execute_complete(context()) == "message-1"
    assert len(doors.slept) == 1


def test_a_wait_that_was_too_long_for_the_call_is_too_long_for_the_task_a_moment_later() -> None:
    assert (
        seconds_to_wait(ChannelRateLimitError("x", retry_at=ahead(60)), longer_than_seconds=60.0) is not None
    )
    assert seconds_to_wait(ChannelRateLimitError("x", retry_at=ahead(58)), longer_than_seconds=60.0) is None
    assert seconds_to_wait(ChannelRateLimitError("x", retry_at=ahead(-1)), longer_than_seconds=0.0) is None


# What leaves the task, and what comes back


def test_nothing_but_two_moments_leaves_the_task(doors: Any) -> None:
    error = ChannelTokenQuotaError("quota", retry_at=ahead(900))
    deferred = deferred_by(write(doors, error, deferrable=True))
    assert deferred.method_name == "execute_complete"
    _, arguments = deferred.trigger.serialize()
    assert set(arguments) <= {"moment", "target_time", "end_from_trigger"}
    assert deferred.kwargs is not None
    assert set(deferred.kwargs) == {"waiting_since"}
    assert json.loads(json.dumps(deferred.kwargs)) == deferred.kwargs
    assert abs(deferred.kwargs["waiting_since"] - time.time()) < 60
    left = json.dumps([arguments, deferred.kwargs], default=str)
    for private in ("private words", "chat-1", "access-", "channel_talk_default"):
        assert private not in left


def test_message_has_the_same_request_id_after_every_wait(doors: Any) -> None:
    limits = [ChannelRateLimitError("x", retry_at=ahead(900)) for _ in range(2)]
    operator = write(doors, *limits, WRITTEN, deferrable=True)
    first = deferred_by(operator)
    second = deferred_by(operator, dict(first.kwargs or {}))
    assert operator.execute_complete(context(), {"moment": "now"}, **(second.kwargs or {})) == "message-1"
    ids = {params["dto"]["requestId"] for _, params, _ in doors.client.calls}
    assert (len(doors.client.calls), len(ids)) == (3, 1)


def test_waiting_does_not_begin_anew_with_the_second_wait(doors: Any) -> None:
    operator = write(doors, ChannelRateLimitError("x", retry_at=ahead(900)), deferrable=True)
    since = time.time() - HOUR
    assert deferred_by(operator, {"waiting_since": since}).kwargs == {"waiting_since": since}


# Many that wait


@pytest.mark.parametrize(
    ("wait_seconds", "spread"), [(5.0, 3.0), (60.0, 6.0), (90.0, 9.0), (300.0, 30.0), (1800.0, 30.0)]
)
def test_the_longer_the_wait_the_wider_the_return(wait_seconds: float, spread: float) -> None:
    assert jitter_seconds(wait_seconds, lambda: 1.0) == spread
    assert jitter_seconds(wait_seconds, lambda: 0.0) == 0.0


@pytest.mark.parametrize("wait_seconds", [20.0, 900.0])
def test_rescheduled_tasks_come_back_one_by_one_and_none_within_a_minute(
    doors: Any, wait_seconds: float
) -> None:
    error = ChannelRateLimitError("x", retry_after_seconds=wait_seconds)
    operator = write(doors, error, deferrable=False, max_wait_seconds=10.0)
    soonest = ahead(max(wait_seconds, 60.0))
    back = []
    for _ in range(50):
        with pytest.raises(reschedule_exception()) as caught:
            operator.execute_complete(context())
        back.append(caught.value.reschedule_date)
    assert min(back) >= soonest
    assert len({moment.timestamp() // 0.5 for moment in back}) > 5


# How long altogether


def test_a_wait_beyond_the_limit_raises_what_it_waited_for(doors: Any) -> None:
    error = ChannelTokenQuotaError("quota.", retry_at=ahead(900))
    operator = write(doors, error, deferrable=True, max_total_wait_seconds=2 * HOUR)
    with pytest.raises(ChannelTokenQuotaError) as caught:
        operator.execute_complete(context(), waiting_since=time.time() - 1.9 * HOUR)
    assert "quota. The task has waited for 6840 s" in str(caught.value)
    assert "max_total_wait_seconds" in str(caught.value)
    assert decide(caught.value).action is Action.FAIL


def test_the_limit_counts_from_the_first_turn_of_a_rescheduled_task(doors: Any) -> None:
    error = ChannelTokenQuotaError("quota", retry_at=ahead(900))
    operator = write(doors, error, deferrable=False, max_total_wait_seconds=2 * HOUR)
    with pytest.raises(reschedule_exception()):
        operator.execute_complete(context(ahead(-1.5 * HOUR)))
    with pytest.raises(ChannelTokenQuotaError):
        operator.execute_complete(context(ahead(-1.9 * HOUR)))


def test_a_first_wait_beyond_the_limit_is_not_begun(doors: Any) -> None:
    error = ChannelTokenQuotaError("quota", retry_at=ahead(900))
    with pytest.raises(ChannelTokenQuotaError):
        write(doors, error, deferrable=True, max_total_wait_seconds=600.0).execute_complete(context())


@pytest.mark.parametrize(("option", "waits"), [(None, True), ("600", False), ("0", False), ("1000", True)])
def test_the_limit_is_the_option_where_the_task_names_none(
    doors: Any, monkeypatch: pytest.MonkeyPatch, option: str | None, waits: bool
) -> None:
    if option is not None:
        monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__MAX_TOTAL_WAIT_SECONDS", option)
    operator = write(doors, ChannelTokenQuotaError("quota", retry_at=ahead(900)), deferrable=True)
    with pytest.raises(TaskDeferred if waits else ChannelTokenQuotaError):
        operator.execute_complete(context())


def test_the_limit_is_six_hours_unless_somebody_says_otherwise() -> None:
    limit, error = configuration.max_total_wait_seconds(), ChannelRateLimitError("x")
    assert limit == 6 * HOUR
    assert may_wait(error, wait_seconds=60.0, since=time.time() - 5.9 * HOUR, limit_seconds=limit)
    assert not error.waited_out
    assert not may_wait(error, wait_seconds=900.0, since=time.time() - 5.9 * HOUR, limit_seconds=limit)
    assert error.waited_out


def test_beginning_of_the_wait_is_taken_from_whatever_knows_it() -> None:
    earlier = ahead(-500)
    assert waiting_since(context(earlier), 123.0) == 123.0
    assert waiting_since(context(earlier), None) == earlier.timestamp()
    assert abs(waiting_since(context(), None) - time.time()) < 60
    airflow_2: Any = {"ti": ti(start_date=earlier)}
    assert waiting_since(airflow_2, None) == earlier.timestamp()


# Airflow before 3.3


def test_older_airflow_waits_alike_and_fails_at_once_what_nothing_can_help(
    doors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry_policy, "SUPPORTED", False)
    quota = ChannelTokenQuotaError("quota", retry_at=ahead(900))
    deferred_by(write(doors, quota, deferrable=True))
    with pytest.raises(reschedule_exception()):
        write(doors, quota, deferrable=False).execute_complete(context())
    with pytest.raises(AirflowFailException, match="wrong secret"):
        write(doors, ChannelAuthenticationError("wrong secret")).execute_complete(context())
    with pytest.raises(AirflowFailException, match="altogether"):
        write(doors, quota, max_total_wait_seconds=1.0).execute_complete(context())
    with pytest.raises(ChannelNotSentError):
        write(doors, ChannelNotSentError("no route"), max_wait_seconds=0.0).execute_complete(context())


def test_look_up_before_the_message_waits_as_well(doors: Any) -> None:
    operator = WriteGroupMessageOperator(task_id="t", group_name="Support", text="hi", deferrable=True)
    doors.client.script = [ChannelRateLimitError("x", retry_at=ahead(900))]
    operator.__dict__["hook"] = doors.hook()
    deferred_by(operator)


def test_hook_is_closed_while_the_task_waits(doors: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    operator = NativeFunctionOperator(task_id="t", method="getChannel", deferrable=True)
    doors.client.script = [ChannelRateLimitError("x", retry_at=ahead(900))]
    hook = operator.__dict__["hook"] = doors.hook()
    closed: list[bool] = []
    monkeypatch.setattr(type(hook), "close", lambda self: closed.append(True))
    deferred_by(operator)
    assert closed == [True]
