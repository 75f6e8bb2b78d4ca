"""Sensors that leave the worker: for their next turn, or to the triggerer."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
)
from support.airflow_features import (
    RESCHEDULED_SENSORS,
    find,
    needs,
    reschedule_exception,
)
from support.sensor_runs import (
    CLOSED,
    MISTAKES,
    OPEN,
    ahead,
    assignee,
    chat_sensor,
    context,
    deferred,
    execute,
    function_sensor,
    resumed,
)

from airflow_channel_provider import retry_policy
from airflow_channel_provider.exceptions import (
    ChannelAuthenticationError,
    ChannelConfigurationError,
    ChannelError,
    ChannelNotSentError,
    ChannelRateLimitError,
    ChannelTokenQuotaError,
)
from airflow_channel_provider.sensors._base import ChannelTalkBaseSensor
from airflow_channel_provider.triggers import polling
from airflow_channel_provider.triggers.channel_talk import NativeFunctionTrigger

pytestmark = pytest.mark.usefixtures("errors_as_they_are", "no_sleep")


@needs(*RESCHEDULED_SENSORS)
def test_rescheduled_sensor_comes_back_after_its_interval(doors: Any) -> None:
    with pytest.raises(reschedule_exception()) as caught:
        execute(chat_sensor(doors, OPEN, mode="reschedule", poke_interval=120))
    assert ahead(110) < caught.value.reschedule_date < ahead(130)
    assert execute(chat_sensor(doors, CLOSED, mode="reschedule"), ahead(-120)) == "closed"


@needs(*RESCHEDULED_SENSORS)
@pytest.mark.parametrize(("interval", "least"), [(60, 900), (1200, 1200)])
def test_rescheduled_sensor_comes_back_when_the_limit_is_over(
    doors: Any, interval: int, least: float
) -> None:
    limit = ChannelTokenQuotaError("x", retry_at=ahead(900))
    with pytest.raises(reschedule_exception()) as caught:
        execute(chat_sensor(doors, limit, mode="reschedule", poke_interval=interval))
    assert ahead(least - 10) < caught.value.reschedule_date < ahead(least + 40)


@needs(*RESCHEDULED_SENSORS)
def test_rescheduled_sensor_does_not_wait_for_a_limit_beyond_its_timeout(doors: Any) -> None:
    limit = ChannelRateLimitError("x", retry_at=ahead(900))
    kwargs = {"mode": "reschedule", "timeout": 3600}
    with pytest.raises(reschedule_exception()):
        execute(chat_sensor(doors, limit, **kwargs), ahead(-2000))
    with pytest.raises(AirflowSensorTimeout, match="its timeout is 3600 s"):
        execute(chat_sensor(doors, limit, **kwargs), ahead(-3000))
    with pytest.raises(AirflowSkipException):
        execute(chat_sensor(doors, limit, soft_fail=True, **kwargs), ahead(-3000))


@needs(*RESCHEDULED_SENSORS)
def test_rescheduled_sensor_leaves_other_failures_to_its_retries(doors: Any) -> None:
    with pytest.raises(ChannelNotSentError, match=r"no route$"):
        execute(chat_sensor(doors, ChannelNotSentError("no route"), mode="reschedule"))


def test_deferred_sensor_looks_once_and_leaves_the_rest_to_the_triggerer(doors: Any) -> None:
    left = deferred(
        chat_sensor(doors, OPEN, deferrable=True, timeout=600, channel_id="ch-2", poke_interval=5)
    )
    assert len(doors.client.calls) == 1
    assert (left.method_name, left.timeout, left.kwargs) == ("execute_complete", timedelta(seconds=600), None)
    path, kwargs = left.trigger.serialize()
    assert path.endswith("NativeFunctionTrigger")
    assert kwargs == {
        "method": "getUserChat",
        "params": {"userChatId": "c"},
        "channel_id": "ch-2",
        "repeatable": False,
        "predicate": "airflow_channel_provider.triggers.conditions.user_chat_state",
        "predicate_kwargs": {"states": ["closed"]},
        "channel_talk_conn_id": "channel_talk_default",
        "poke_interval": 5.0,
        "tolerated_failures": 10,
    }
    assert NativeFunctionTrigger(**json.loads(json.dumps(kwargs))).serialize() == (path, kwargs)


def test_what_is_there_already_needs_no_triggerer(doors: Any) -> None:
    assert execute(chat_sensor(doors, CLOSED, deferrable=True)) == "closed"


@pytest.mark.parametrize(
    "error", [ChannelRateLimitError("x", retry_at=ahead(900)), ChannelNotSentError("no route")], ids=repr
)
def test_a_first_look_that_fails_for_now_is_left_to_the_triggerer(doors: Any, error: ChannelError) -> None:
    deferred(chat_sensor(doors, error, deferrable=True))


def test_a_function_that_can_not_travel_is_refused_before_anything_is_sent(doors: Any) -> None:
    with pytest.raises(ChannelConfigurationError, match="can't be sent to the triggerer"):
        execute(function_sensor(doors, OPEN, predicate=lambda answer: True, deferrable=True))
    assert doors.client.calls == []
    left = deferred(function_sensor(doors, OPEN, predicate=assignee, deferrable=True))
    assert left.trigger.serialize()[1]["predicate"] == f"{assignee.__module__}.assignee"


def test_what_the_trigger_found_is_returned(doors: Any) -> None:
    sensor = chat_sensor(doors, deferrable=True)
    assert sensor.execute_complete(context(), polling.success_event("closed")) == "closed"
    assert doors.client.calls == []


@pytest.mark.parametrize("event", [None, {"status": "success"}])
def test_an_event_that_says_nothing_fails_the_task(doors: Any, event: Any) -> None:
    with pytest.raises(ChannelError, match="instead of what was found"):
        chat_sensor(doors).execute_complete(context(), event)


def test_an_error_of_the_trigger_is_raised_on_the_worker(doors: Any) -> None:
    event = polling.failure_event(ChannelAuthenticationError("wrong secret", http_status=401))
    with pytest.raises(ChannelAuthenticationError, match="wrong secret"):
        resumed(chat_sensor(doors), event)


@pytest.mark.parametrize("supported", [True, False])
@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_soft_fail_is_for_the_awaited_state_and_no_mistake(
    doors: Any, monkeypatch: pytest.MonkeyPatch, mistake: ChannelError, supported: bool
) -> None:
    monkeypatch.setattr(retry_policy, "SUPPORTED", supported)
    with pytest.raises((type(mistake), AirflowFailException)) as in_the_triggerer:
        resumed(chat_sensor(doors, soft_fail=True), polling.failure_event(mistake))
    with pytest.raises((type(mistake), AirflowFailException)) as poking:
        execute(chat_sensor(doors, mistake, soft_fail=True, tolerated_failures=0))
    assert type(in_the_triggerer.value) is type(poking.value)
    assert str(poking.value).endswith(str(in_the_triggerer.value))


def test_soft_fail_is_no_matter_of_a_trigger_that_is_lost(
    doors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = find("airflow.sdk.exceptions:TaskDeferralError", "airflow.exceptions:TaskDeferralError")

    def lost(*_: Any, **__: Any) -> None:
        raise kind("Trigger failure")

    monkeypatch.setattr(ChannelTalkBaseSensor, "execute_complete", lost)
    with pytest.raises(kind):
        resumed(chat_sensor(doors, soft_fail=True), None)
