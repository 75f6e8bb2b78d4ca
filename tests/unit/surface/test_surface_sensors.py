"""Sensors on a worker: what they look at, what they find, and how they wait."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    DAG,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    BaseSensorOperator,
    PokeReturnValue,
    TaskDeferred,
)
from support.airflow_features import (
    DEFERRAL_TIMEOUT,
    RESCHEDULED_SENSORS,
    RETRY_POLICY,
    find,
    needs,
    reschedule_exception,
    through_storage,
)

from airflow_channel_provider import retry_policy
from airflow_channel_provider.exceptions import (
    ChannelAuthenticationError,
    ChannelConfigurationError,
    ChannelError,
    ChannelNotSentError,
    ChannelPermissionError,
    ChannelRateLimitError,
    ChannelRequestError,
    ChannelResponseError,
    ChannelTokenQuotaError,
)
from airflow_channel_provider.sensors._base import ChannelTalkBaseSensor
from airflow_channel_provider.sensors.channel_talk import NativeFunctionSensor, UserChatStateSensor
from airflow_channel_provider.triggers import polling
from airflow_channel_provider.triggers.channel_talk import NativeFunctionTrigger

pytestmark = pytest.mark.usefixtures("errors_as_they_are")

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


@pytest.fixture(autouse=True)
def no_sleep(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr(f"{BaseSensorOperator.__module__}.time.sleep", slept.append)
    return slept


def assignee(answer: Any) -> Any:
    return answer["userChat"].get("assigneeId")


# Poke


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
        ({"predicate": f"{__name__}.assignee"}, "m-1"),
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


# Failures of looks on a worker


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


# Reschedule


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


# Deferred


def deferred(sensor: Any) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as caught:
        execute(sensor)
    return caught.value


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
    assert left.trigger.serialize()[1]["predicate"] == f"{__name__}.assignee"


def test_what_the_trigger_found_is_returned(doors: Any) -> None:
    sensor = chat_sensor(doors, deferrable=True)
    assert sensor.execute_complete(context(), polling.success_event("closed")) == "closed"
    assert doors.client.calls == []


@pytest.mark.parametrize("event", [None, {"status": "success"}])
def test_an_event_that_says_nothing_fails_the_task(doors: Any, event: Any) -> None:
    with pytest.raises(ChannelError, match="instead of what was found"):
        chat_sensor(doors).execute_complete(context(), event)


def resumed(sensor: Any, event: Any) -> Any:
    return sensor.resume_execution("execute_complete", {"event": event}, context())


def test_an_error_of_the_trigger_is_raised_on_the_worker(doors: Any) -> None:
    event = polling.failure_event(ChannelAuthenticationError("wrong secret", http_status=401))
    with pytest.raises(ChannelAuthenticationError, match="wrong secret"):
        resumed(chat_sensor(doors), event)


MISTAKES = [
    ChannelAuthenticationError("wrong secret", http_status=401),
    ChannelPermissionError("not ticked", http_status=403),
    ChannelConfigurationError("no such predicate"),
    ChannelRequestError("no such chat", http_status=404),
    ChannelResponseError("a gateway's page", http_status=403),
    ChannelNotSentError("no route"),
]


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


# What Airflow makes of a failed look


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


# All of them


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
