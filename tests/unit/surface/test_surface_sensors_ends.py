"""What Airflow makes of a look that failed, by the options of a sensor."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    PokeReturnValue,
    TaskDeferred,
)
from support.airflow_features import (
    DEFERRAL_TIMEOUT,
    RESCHEDULED_SENSORS,
    find,
    needs,
    reschedule_exception,
)
from support.sensor_runs import (
    MISTAKES,
    OPEN,
    ahead,
    chat_sensor,
    deferred,
    execute,
    resumed,
)

from airflow_channel_provider import retry_policy
from airflow_channel_provider.exceptions import (
    ChannelAuthenticationError,
    ChannelError,
    ChannelRateLimitError,
)
from airflow_channel_provider.sensors._base import ChannelTalkBaseSensor
from airflow_channel_provider.triggers import polling
from airflow_channel_provider.triggers.channel_talk import NativeFunctionTrigger

pytestmark = pytest.mark.usefixtures("errors_as_they_are", "no_sleep")


def outcome(sensor: Any) -> tuple[Any, ...]:
    """How a try ends; a sensor that has looked again, or leaves that to the triggerer, goes on."""
    try:
        found = execute(sensor)
    except TaskDeferred:
        return ("goes on",)
    except reschedule_exception():
        return ("goes on",)
    except BaseException as error:
        return type(error), type(error.__cause__), str(error)
    assert found == "closed"
    return ("goes on",)


OPTIONS = [
    {},
    {"soft_fail": True},
    {"silent_fail": True},
    {"never_fail": True},
    {"soft_fail": True, "silent_fail": True},
    {"silent_fail": True, "never_fail": True},
]
FAILED_LOOKS = [
    *MISTAKES,
    ChannelRateLimitError("a limit", retry_at=ahead(900)),
    AirflowSensorTimeout("too late"),
    AirflowTaskTimeout("execution_timeout"),
    AirflowFailException("never again"),
    AirflowSkipException("not today"),
    ValueError("unforeseen"),
]


@pytest.mark.parametrize("supported", [True, False])
@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "+".join(options) or "none")
@pytest.mark.parametrize("error", FAILED_LOOKS, ids=str)
def test_a_first_look_that_fails_before_a_wait_in_the_triggerer_ends_as_one_in_the_mode_poke(
    doors: Any,
    monkeypatch: pytest.MonkeyPatch,
    no_sleep: list[float],
    error: BaseException,
    options: dict[str, bool],
    supported: bool,
) -> None:
    monkeypatch.setattr(retry_policy, "SUPPORTED", supported)

    def ended(**how: Any) -> tuple[Any, ...]:
        # One for all: a borne failure adds to the words of the error.
        sensor = chat_sensor(doors, **options, **how)
        monkeypatch.setattr(sensor, "poke", poking(sensor.poke))
        return outcome(sensor)

    def poking(poke: Any) -> Any:
        looks: list[int] = []

        def look(context: Any) -> Any:
            looks.append(1)
            if len(looks) > 1:
                return PokeReturnValue(is_done=True, xcom_value="closed")
            if isinstance(error, ChannelError):
                doors.client.script = [error]
                return poke(context)
            raise error

        return look

    assert ended(deferrable=True) == ended()


@pytest.mark.parametrize(
    ("options", "ends"),
    [
        ({}, ChannelAuthenticationError),
        ({"soft_fail": True}, ChannelAuthenticationError),
        ({"never_fail": True}, AirflowSkipException),
        ({"silent_fail": True}, TaskDeferred),
        ({"silent_fail": True, "never_fail": True}, TaskDeferred),
    ],
)
def test_a_first_look_with_a_wrong_secret(
    doors: Any, options: dict[str, bool], ends: type[BaseException]
) -> None:
    doors.manager.error = ChannelAuthenticationError("wrong secret", http_status=401)
    with pytest.raises((ends, AirflowFailException)) as caught:
        execute(chat_sensor(doors, OPEN, deferrable=True, **options))
    if isinstance(caught.value, TaskDeferred):
        assert caught.value.trigger.serialize()[1]["silent_fail"] is True
    assert ends in (type(caught.value), type(caught.value.__cause__))


@needs(*RESCHEDULED_SENSORS)
@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "+".join(options) or "none")
def test_a_limit_is_waited_out_by_a_rescheduled_sensor_whatever_becomes_of_failures(
    doors: Any, options: dict[str, bool]
) -> None:
    limit = ChannelRateLimitError("x", retry_at=ahead(900))
    with pytest.raises(reschedule_exception()) as caught:
        execute(chat_sensor(doors, limit, mode="reschedule", poke_interval=5, **options))
    assert ahead(890) < caught.value.reschedule_date < ahead(940)


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_a_mistake_in_the_triggerer_is_skipped_under_never_fail(doors: Any, mistake: ChannelError) -> None:
    with pytest.raises(AirflowSkipException):
        resumed(chat_sensor(doors, never_fail=True), polling.failure_event(mistake))


def test_pauses_in_the_triggerer_grow_as_they_are_to(doors: Any) -> None:
    trigger = deferred(
        chat_sensor(doors, OPEN, deferrable=True, exponential_backoff=True, max_wait=300)
    ).trigger
    kwargs = trigger.serialize()[1]
    assert kwargs["backoff_since"] == pytest.approx(time.time(), abs=600)
    assert kwargs["max_interval"] == 300.0
    assert NativeFunctionTrigger(**json.loads(json.dumps(kwargs))).serialize()[1] == kwargs


@needs(*DEFERRAL_TIMEOUT)
def test_a_wait_that_was_too_long_is_a_timeout_of_a_sensor(
    doors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*_: Any, **__: Any) -> None:
        raise find(DEFERRAL_TIMEOUT[0])

    monkeypatch.setattr(ChannelTalkBaseSensor, "execute_complete", late)
    with pytest.raises(AirflowSensorTimeout):
        resumed(chat_sensor(doors), None)
    with pytest.raises(AirflowSkipException):
        resumed(chat_sensor(doors, soft_fail=True), None)
