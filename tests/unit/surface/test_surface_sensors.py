"""Sensors on a worker: what they look at, what they find, and what they bear."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    DAG,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    PokeReturnValue,
)
from support.airflow_features import (
    RETRY_POLICY,
    needs,
    through_storage,
)
from support.sensor_runs import (
    CLOSED,
    OPEN,
    RESCHEDULED,
    TAKEN,
    assignee,
    chat_sensor,
    context,
    deferred,
    execute,
    function_sensor,
)

from airflow_channel_provider import retry_policy
from airflow_channel_provider.exceptions import (
    ChannelAuthenticationError,
    ChannelConfigurationError,
    ChannelRateLimitError,
    ChannelResponseError,
)
from airflow_channel_provider.sensors.channel_talk import NativeFunctionSensor, UserChatStateSensor
from airflow_channel_provider.triggers import polling

pytestmark = pytest.mark.usefixtures("errors_as_they_are", "no_sleep")


def test_a_token_as_an_answer_is_kept_out_of_xcom(doors: Any) -> None:
    params = {"entityType": "user", "entityId": "u-1"}
    sensor = function_sensor(
        doors, {"entityToken": "t"}, method="issueEntityToken", function_params=params, repeatable=True
    )
    with pytest.raises(ChannelConfigurationError, match="XCom stores it unencrypted"):
        execute(sensor)
    assert doors.client.calls == []


def test_state_of_a_chat_is_looked_at_until_it_is_the_one(doors: Any, no_sleep: list[float]) -> None:
    sensor = chat_sensor(doors, OPEN, OPEN, CLOSED, poke_interval=30)
    assert execute(sensor) == "closed"
    assert no_sleep == [30, 30]
    assert doors.client.calls[0][:2] == ("getUserChat", {"userChatId": "c", "channelId": "ch-1"})


@pytest.mark.parametrize(
    ("state", "answer", "found"),
    [
        ("USER_CHAT_STATE_CLOSED", CLOSED, "closed"),
        ("Opened", OPEN, "opened"),
        ("assigned", TAKEN, "assigned"),
        (["closed", "assigned"], TAKEN, "assigned"),
        (("opened", "closed"), CLOSED, "closed"),
        ('["opened", "closed"]', CLOSED, "closed"),
        (' ["closed"]', CLOSED, "closed"),
    ],
)
def test_states_are_named_as_people_and_services_name_them(
    doors: Any, state: Any, answer: Any, found: str
) -> None:
    assert execute(chat_sensor(doors, answer, state=state)) == found


@pytest.mark.parametrize("state", ["shut", "", None, [], "[]", ["closed", "shut"], [1], ["closed", None]])
def test_a_state_that_is_none_is_refused_before_anything_is_sent(doors: Any, state: Any) -> None:
    with pytest.raises(ChannelConfigurationError, match="state must be one or more of opened, closed"):
        execute(chat_sensor(doors, CLOSED, state=state))
    assert doors.client.calls == []


def test_a_chat_that_is_none_is_refused_before_anything_is_sent(doors: Any) -> None:
    with pytest.raises(ChannelConfigurationError, match="user_chat_id is empty"):
        execute(chat_sensor(doors, CLOSED, user_chat_id=""))
    assert doors.client.calls == []


@pytest.mark.parametrize(
    ("awaited", "found"),
    [
        ({"expect": {"userChat.assigneeId": ["m-1", "m-2"]}}, {"userChat.assigneeId": "m-1"}),
        ({"expect": '{"userChat.assigneeId": "m-1"}'}, {"userChat.assigneeId": "m-1"}),
        ({"predicate": assignee}, "m-1"),
        ({"predicate": lambda answer: assignee(answer) is not None}, True),
        ({"predicate": f"{assignee.__module__}.assignee"}, "m-1"),
    ],
)
def test_what_a_function_answers_is_waited_for(doors: Any, awaited: Any, found: Any) -> None:
    assert execute(function_sensor(doors, OPEN, TAKEN, **awaited)) == found


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({}, "either expect or predicate"),
        ({"expect": "{"}, "expect is text that is not valid JSON"),
        ({"expect": '{"a": 1, "a": 2}'}, "expect has the field 'a' twice in one object"),
        ({"predicate": "nowhere.to_be.found"}, "can't be imported"),
        ({"expect": {"a": 1}, "method": "writeUserChatMessage"}, "not known to change nothing"),
        ({"expect": {"a": 1}, "function_params": "[1]"}, "function_params must be a mapping"),
    ],
)
@pytest.mark.parametrize("deferrable", [True, False])
def test_what_can_not_be_waited_for_is_refused_before_anything_is_sent(
    doors: Any, kwargs: Any, words: str, deferrable: bool
) -> None:
    with pytest.raises(ChannelConfigurationError, match=words):
        execute(function_sensor(doors, OPEN, deferrable=deferrable, **kwargs))
    assert doors.client.calls == []


def test_params_are_the_functions_and_may_be_mapped(doors: Any) -> None:
    with DAG("d", schedule=None, params={"x": 1}):
        plain = function_sensor(doors, expect={"a": 1})
        mapped = NativeFunctionSensor.partial(task_id="m", method="getUserChat", expect={"a": 1}).expand(
            function_params=[{"userChatId": "a"}, {"userChatId": "b"}]
        )
    assert plain.function_params == {"userChatId": "c"}
    assert plain.params.dump() == {"x": 1}
    assert mapped.expand_input.value == {"function_params": [{"userChatId": "a"}, {"userChatId": "b"}]}


def test_templates_are_rendered(doors: Any) -> None:
    sensor = NativeFunctionSensor(
        task_id="t",
        method="get{{ what }}",
        function_params={"userChatId": "{{ chat }}"},
        expect={"userChat.assigneeId": "{{ chat }}"},
        channel_id="{{ what }}",
    )
    sensor.render_template_fields({"what": "UserChat", "chat": "c-1"})  # type: ignore[typeddict-unknown-key]
    poll = sensor.new_poll().serialize()
    assert (poll["method"], poll["params"], poll["channel_id"]) == (
        "getUserChat",
        {"userChatId": "c-1"},
        "UserChat",
    )
    assert poll["expect"] == {"userChat.assigneeId": "c-1"}


def test_dag_of_sensors_of_every_kind_can_be_stored() -> None:
    with DAG("d", schedule=None) as dag:
        UserChatStateSensor.partial(task_id="a", state=["closed"], deferrable=True).expand(user_chat_id=["c"])
        NativeFunctionSensor(task_id="b", method="getUserChat", predicate=assignee, mode="reschedule")
        NativeFunctionSensor(task_id="c", method="getUserChat", expect={"userChat.state": ["closed", None]})
    tasks: dict[str, Any] = {task.task_id: task for task in through_storage(dag).tasks}
    assert set(tasks) == {"a", "b", "c"}
    assert (tasks["b"].reschedule, tasks["c"].reschedule) == (True, False)


def test_failures_in_a_row_are_borne_and_then_raised(doors: Any, no_sleep: list[float]) -> None:
    html = ChannelResponseError("html", http_status=403)
    assert execute(chat_sensor(doors, html, html, OPEN, html, html, CLOSED, tolerated_failures=2)) == "closed"
    assert len(no_sleep) == 5
    with pytest.raises(ChannelResponseError, match="3 polls in a row failed"):
        execute(chat_sensor(doors, html, tolerated_failures=2))


def test_nothing_is_sent_before_a_rate_limit_is_over(doors: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [time.time()]
    monkeypatch.setattr("airflow_channel_provider.sensors._base.time.time", lambda: now[0])
    limit = ChannelRateLimitError("x", retry_at=datetime.fromtimestamp(now[0] + 90, tz=timezone.utc))
    sensor = chat_sensor(doors, limit, CLOSED, tolerated_failures=0)
    assert sensor.poke(context()) is False
    now[0] += 60
    assert sensor.poke(context()) is False
    assert len(doors.client.calls) == 1
    now[0] += 31
    assert sensor.poke(context()).xcom_value == "closed"


def test_a_wrong_secret_ends_the_wait_at_once(doors: Any, no_sleep: list[float]) -> None:
    doors.manager.error = ChannelAuthenticationError("wrong secret", http_status=401)
    with pytest.raises(ChannelAuthenticationError):
        execute(chat_sensor(doors, OPEN))
    assert no_sleep == []


def test_sensor_that_sees_nothing_times_out(doors: Any) -> None:
    with pytest.raises(AirflowSensorTimeout):
        execute(chat_sensor(doors, OPEN, timeout=0))
    with pytest.raises(AirflowSkipException):
        execute(chat_sensor(doors, OPEN, timeout=0, soft_fail=True))


@pytest.mark.parametrize("kwargs", [{}, {"deferrable": True}, RESCHEDULED])
def test_older_airflow_fails_at_once_what_nothing_can_help(
    doors: Any, monkeypatch: pytest.MonkeyPatch, kwargs: Any
) -> None:
    monkeypatch.setattr(retry_policy, "SUPPORTED", False)
    doors.manager.error = ChannelAuthenticationError("wrong secret", http_status=401)
    with pytest.raises(AirflowFailException, match="wrong secret"):
        execute(chat_sensor(doors, OPEN, **kwargs))
    with pytest.raises(AirflowFailException, match="wrong secret"):
        chat_sensor(doors).execute_complete(context(), polling.failure_event(doors.manager.error))


@needs(*RETRY_POLICY)
def test_sensors_have_the_retry_policy_of_the_operators(doors: Any) -> None:
    assert isinstance(chat_sensor(doors).retry_policy, retry_policy.ChannelRetryPolicy)
    assert chat_sensor(doors, retry_policy=None).retry_policy is None


@pytest.mark.parametrize(("option", "is_deferrable"), [("True", True), ("False", False)])
def test_waiting_in_the_triggerer_is_what_airflow_says_by_default(
    doors: Any, monkeypatch: pytest.MonkeyPatch, option: str, is_deferrable: bool
) -> None:
    monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", option)
    assert chat_sensor(doors).deferrable is is_deferrable
    assert chat_sensor(doors, deferrable=not is_deferrable).deferrable is not is_deferrable


def test_hook_is_closed_at_the_end(doors: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []
    sensors = [chat_sensor(doors, OPEN, deferrable=True), chat_sensor(doors, CLOSED)]
    monkeypatch.setattr(type(sensors[0].hook), "close", lambda self: closed.append("closed"))
    doors.client.script = [OPEN, CLOSED]
    deferred(sensors[0])
    execute(sensors[1])
    assert closed == ["closed"] * 2


def test_a_poke_tells_airflow_what_to_return(doors: Any) -> None:
    poked = chat_sensor(doors, CLOSED).poke(context())
    assert isinstance(poked, PokeReturnValue)
    assert (bool(poked), poked.xcom_value) == (True, "closed")


@pytest.mark.parametrize("given", [{"state": "closed"}, '{"state": "closed"}'])
def test_arguments_of_a_predicate_may_be_json_text(doors: Any, given: Any) -> None:
    def is_in(answer: Any, state: str) -> Any:
        return answer["userChat"]["state"].lower().endswith(state)

    sensor = NativeFunctionSensor(
        task_id="t",
        method="getUserChat",
        function_params={"userChatId": "c"},
        predicate=is_in,
        predicate_kwargs=given,
    )
    doors.client.script = [CLOSED]
    sensor.__dict__["hook"] = doors.hook()
    assert execute(sensor) is True


def test_arguments_of_a_predicate_are_a_mapping(doors: Any) -> None:
    sensor = NativeFunctionSensor(task_id="t", method="getUserChat", predicate=bool, predicate_kwargs="[1]")
    sensor.__dict__["hook"] = doors.hook()
    with pytest.raises(ChannelConfigurationError, match="predicate_kwargs must be a mapping, not list"):
        execute(sensor)
