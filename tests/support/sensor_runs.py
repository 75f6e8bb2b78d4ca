"""Sensors behind whose hook a script answers, and what becomes of them; see the fixture ``doors``."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    TaskDeferred,
)

from airflow_channel_provider.exceptions import (
    ChannelAuthenticationError,
    ChannelConfigurationError,
    ChannelNotSentError,
    ChannelPermissionError,
    ChannelRequestError,
    ChannelResponseError,
)
from airflow_channel_provider.sensors.channel_talk import NativeFunctionSensor, UserChatStateSensor
from support.airflow_features import (
    RESCHEDULED_SENSORS,
    needs,
)

OPEN, CLOSED = (
    {"userChat": {"id": "c", "state": f"USER_CHAT_STATE_{state}"}} for state in ("OPENED", "CLOSED")
)
TAKEN = {"userChat": {"id": "c", "state": "opened", "assigneeId": "m-1"}}


RESCHEDULED = pytest.param({"mode": "reschedule"}, marks=needs(*RESCHEDULED_SENSORS))


def context(first_reschedule: datetime | None = None) -> Any:
    ti = SimpleNamespace(
        dag_id="d",
        task_id="t",
        run_id="r",
        map_index=-1,
        get_first_reschedule_date=lambda context: first_reschedule,
    )
    return {"ti": ti}


def ahead(seconds: float) -> datetime:
    return datetime.now(tz=timezone.utc) + timedelta(seconds=seconds)


def fit(sensor: Any, doors: Any, *answers: Any) -> Any:
    doors.client.script = list(answers)
    sensor.__dict__["hook"] = doors.hook(max_wait_seconds=0.0)
    return sensor


def chat_sensor(doors: Any, *answers: Any, **kwargs: Any) -> Any:
    sensor = UserChatStateSensor(**{"task_id": "t", "user_chat_id": "c", "state": "closed", **kwargs})
    return fit(sensor, doors, *answers)


def function_sensor(doors: Any, *answers: Any, **kwargs: Any) -> Any:
    given = {"task_id": "t", "method": "getUserChat", "function_params": {"userChatId": "c"}, **kwargs}
    return fit(NativeFunctionSensor(**given), doors, *answers)


def execute(sensor: Any, first_reschedule: datetime | None = None) -> Any:
    return sensor.execute(context(first_reschedule))


def assignee(answer: Any) -> Any:
    return answer["userChat"].get("assigneeId")


def deferred(sensor: Any) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as caught:
        execute(sensor)
    return caught.value


def resumed(sensor: Any, event: Any) -> Any:
    return sensor.resume_execution("execute_complete", {"event": event}, context())


MISTAKES = [
    ChannelAuthenticationError("wrong secret", http_status=401),
    ChannelPermissionError("not ticked", http_status=403),
    ChannelConfigurationError("no such predicate"),
    ChannelRequestError("no such chat", http_status=404),
    ChannelResponseError("a gateway's page", http_status=403),
    ChannelNotSentError("no route"),
]
