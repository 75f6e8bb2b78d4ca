from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, BaseOperator
from support.airflow_features import RESCHEDULING_POLICY, RETRY_POLICY, leave_out_unless, needs

from airflow_channel_provider import request_ids, retry_policy
from airflow_channel_provider.exceptions import (
    ChannelAmbiguousResultError,
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
from airflow_channel_provider.operators.benlly import ChannelAuthorizeOperator, ChannelDeauthorizeOperator
from airflow_channel_provider.operators.channel_talk import (
    AppFunctionOperator,
    NativeFunctionOperator,
    RegisterCommandsOperator,
    WriteGroupMessageOperator,
    WriteUserChatMessageOperator,
)
from airflow_channel_provider.retry_policy import Action, ChannelRetryPolicy, decide

leave_out_unless(*RETRY_POLICY)

from airflow.sdk import RetryPolicy, task
from airflow.sdk.definitions.retry_policy import RetryAction

NOW = 1_700_000_000.0


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(NOW + seconds, tz=timezone.utc)


def waited_out(error: ChannelError) -> ChannelError:
    error.waited_out = True
    return error


def decision(error: BaseException, *, try_number: int = 1, random: float = 1.0) -> tuple[str, float | None]:
    made = decide(error, try_number=try_number, now=lambda: NOW, random=lambda: random)
    return made.action.value, made.delay_seconds


HOPELESS = [
    ChannelConfigurationError("wrong"),
    ChannelAuthenticationError("secret", http_status=401),
    ChannelAuthenticationError("secret, in an envelope", http_status=200),
    ChannelPermissionError("not installed"),
    ChannelRequestError("bad params", http_status=400),
    ChannelRequestError("bad params", http_status=422),
    ChannelRequestError("not there", http_status=404),
    ChannelRequestError("bad params", http_status=200, code=-32602),
    ChannelAmbiguousResultError("may have happened"),
    waited_out(ChannelTokenQuotaError("quota", retry_at=at(10))),
    waited_out(ChannelNotSentError("no token", retry_at=at(10))),
]
UNDECIDED = [
    ValueError("of somebody else"),
    ChannelRequestError("nobody knows", http_status=200),
    ChannelRequestError("conflict", http_status=409),
    ChannelRequestError("upstream broke, of a read", http_status=502),
    ChannelRequestError("no status"),
    ChannelResponseError("a page of a proxy", http_status=403),
    ChannelError("of a kind that is not known yet"),
]


@pytest.mark.parametrize("error", HOPELESS, ids=repr)
def test_what_no_retry_can_help_fails_at_once(error: ChannelError) -> None:
    made = decide(error)
    assert (made.action, made.delay_seconds) == (Action.FAIL, None)
    assert made.reason.startswith(f"{type(error).__name__}: ")
    assert error.message not in made.reason


@pytest.mark.parametrize("error", UNDECIDED, ids=repr)
def test_what_nothing_is_known_about_is_left_to_the_task(error: Exception) -> None:
    assert decision(error) == ("default", None)


@pytest.mark.parametrize(
    ("error", "random", "action", "delay"),
    [
        (ChannelTokenQuotaError("x", retry_at=at(1000)), 0.0, "wait", 1000.0),
        (ChannelTokenQuotaError("x", retry_at=at(1000)), 1.0, "wait", 1030.0),
        (ChannelRateLimitError("x", retry_at=at(100)), 1.0, "wait", 110.0),
        (ChannelRateLimitError("x", retry_at=at(-5)), 1.0, "wait", 3.0),
        (ChannelRateLimitError("x", retry_at=at(999), retry_after_seconds=20.0), 0.0, "wait", 20.0),
        (ChannelNotSentError("no token for now", retry_at=at(300)), 0.5, "retry", 315.0),
    ],
)
def test_error_that_names_its_end_has_the_task_run_again_then_and_spread(
    error: ChannelError, random: float, action: str, delay: float
) -> None:
    assert decision(error, random=random) == (action, delay)


def test_limit_without_a_known_end_has_the_task_run_again_when_the_task_says() -> None:
    assert decision(ChannelRateLimitError("x")) == ("wait", None)


@pytest.mark.parametrize(
    ("try_number", "random", "delay"),
    [(1, 1.0, 15.0), (1, 0.0, 7.5), (2, 1.0, 30.0), (4, 1.0, 120.0), (6, 1.0, 300.0), (500, 1.0, 300.0)],
)
@pytest.mark.parametrize(
    "error",
    [ChannelNotSentError("no route"), ChannelAmbiguousResultError("x", safe_to_repeat=True)],
    ids=repr,
)
def test_what_may_be_repeated_is_retried_soon_and_ever_less_soon(
    error: ChannelError, try_number: int, random: float, delay: float
) -> None:
    assert decision(error, try_number=try_number, random=random) == ("retry", delay)


@pytest.mark.parametrize("error", [*HOPELESS, *UNDECIDED], ids=repr)
def test_an_error_is_judged_alike_on_the_other_side_of_a_process(error: Exception) -> None:
    assert decision(pickle.loads(pickle.dumps(error))) == decision(error)


# What an ambiguous result tells of itself

MESSAGE = {"userChatId": "c", "dto": {"botName": "bot", "plainText": "hi"}}
WITH_ID = {"userChatId": "c", "dto": {"botName": "bot", "plainText": "hi", "requestId": "mine"}}


def outcome_of(doors: Any, method: str, params: Any, **kwargs: Any) -> ChannelAmbiguousResultError:
    doors.client.script = [ChannelAmbiguousResultError("timeout")]
    with pytest.raises(ChannelAmbiguousResultError) as caught:
        doors.hook(call_attempts=2).call(method, params, **kwargs)
    return caught.value


@pytest.mark.parametrize(
    ("method", "params", "deduplicate", "safe"),
    [
        ("getChannel", None, True, True),
        ("writeUserChatMessage", WITH_ID, True, True),
        ("writeUserChatMessage", MESSAGE, False, False),
        ("a function that no catalogue knows", None, True, False),
    ],
)
def test_ambiguous_result_tells_whether_the_next_try_could_do_harm(
    doors: Any, method: str, params: Any, deduplicate: bool, safe: bool
) -> None:
    error = outcome_of(doors, method, params, deduplicate=deduplicate)
    assert error.safe_to_repeat is safe
    assert decide(error).action is (Action.RETRY if safe else Action.FAIL)
    assert pickle.loads(pickle.dumps(error)).safe_to_repeat is safe


@pytest.mark.parametrize("in_task", [True, False])
def test_request_id_that_only_this_process_knows_protects_no_later_try(
    doors: Any, monkeypatch: pytest.MonkeyPatch, in_task: bool
) -> None:
    key = request_ids.TaskKey("d", "t", "r", -1)
    monkeypatch.setattr(request_ids, "current_task", lambda: (key, 1) if in_task else None)
    error = outcome_of(doors, "writeUserChatMessage", MESSAGE)
    assert len(doors.client.calls) == 2
    assert error.safe_to_repeat is in_task


def test_function_of_an_app_is_never_safe_to_repeat(doors: Any) -> None:
    doors.client.script = [ChannelAmbiguousResultError("timeout")]
    with pytest.raises(ChannelAmbiguousResultError) as caught:
        doors.hook().call_app_function("app-2", "sum")
    assert not caught.value.safe_to_repeat


# As Airflow asks


def test_policy_answers_in_the_words_of_airflow() -> None:
    policy = ChannelRetryPolicy()
    failed = policy.evaluate(ChannelPermissionError("x"), 1, 3)
    assert (failed.action, failed.reason) == (
        RetryAction.FAIL,
        "ChannelPermissionError: a repetition would meet the same refusal",
    )
    assert policy.evaluate(ValueError("x"), 1, 3).action is RetryAction.DEFAULT
    assert policy.evaluate(ChannelRateLimitError("x"), 1, 3).retry_delay is None
    retried = policy.evaluate(ChannelNotSentError("x", retry_at=in_ten_minutes()), 1, 3)
    assert retried.action is RetryAction.RETRY
    assert retried.retry_delay is not None
    assert timedelta(seconds=590) < retried.retry_delay < timedelta(seconds=640)


def in_ten_minutes() -> datetime:
    return datetime.now(tz=timezone.utc) + timedelta(seconds=600)


LIMITS = [ChannelTokenQuotaError, ChannelRateLimitError]


@needs(*RESCHEDULING_POLICY)
@pytest.mark.parametrize("limit", LIMITS)
def test_wait_for_a_limit_uses_no_try(
    monkeypatch: pytest.MonkeyPatch, limit: type[ChannelRateLimitError]
) -> None:
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__MAX_TOTAL_WAIT_SECONDS", "900")
    made: Any = ChannelRetryPolicy().evaluate(limit("limited", retry_at=in_ten_minutes()), 1, 0)
    assert made.action.value == "reschedule"
    assert timedelta(seconds=590) < made.retry_delay < timedelta(seconds=640)
    assert (made.max_reschedules, made.reschedule_timeout) == (None, timedelta(seconds=900))


@pytest.mark.parametrize("older", [True, False])
@pytest.mark.parametrize("limit", LIMITS)
def test_wait_for_a_limit_uses_a_try_where_nothing_else_is_allowed(
    monkeypatch: pytest.MonkeyPatch, limit: type[ChannelRateLimitError], older: bool
) -> None:
    if older:
        monkeypatch.setattr(retry_policy, "CAN_RESCHEDULE", False)
    else:
        monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__MAX_TOTAL_WAIT_SECONDS", "0")
    made = ChannelRetryPolicy().evaluate(limit("limited", retry_at=in_ten_minutes()), 1, 3)
    assert made.action is RetryAction.RETRY
    assert made.retry_delay is not None
    assert timedelta(seconds=590) < made.retry_delay < timedelta(seconds=640)


def test_policy_survives_serialization_and_pickling() -> None:
    policy = ChannelRetryPolicy()
    assert isinstance(ChannelRetryPolicy.deserialize(policy.serialize()), ChannelRetryPolicy)
    assert isinstance(pickle.loads(pickle.dumps(policy)), ChannelRetryPolicy)


class Other(RetryPolicy):
    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


OTHER = Other()
OPERATORS: dict[str, tuple[type[BaseOperator], dict[str, Any]]] = {
    "native": (NativeFunctionOperator, {"method": "getChannel"}),
    "app function": (AppFunctionOperator, {"app_id": "a", "method": "m"}),
    "commands": (RegisterCommandsOperator, {"commands": []}),
    "user chat": (WriteUserChatMessageOperator, {"user_chat_id": "c", "text": "t"}),
    "group": (WriteGroupMessageOperator, {"group_id": "g", "text": "t"}),
    "benlly": (ChannelAuthorizeOperator, {"channel_id": 1}),
    "benlly_deauthorize": (ChannelDeauthorizeOperator, {"channel_id": 1}),
}


@pytest.fixture(params=OPERATORS)
def make(request: pytest.FixtureRequest) -> Callable[..., Any]:
    operator, arguments = OPERATORS[request.param]

    def plain_or_mapped(*, mapped: bool, **kwargs: Any) -> Any:
        if not mapped:
            return operator(task_id="t", **arguments, **kwargs)
        (name, value), *rest = arguments.items()
        partial = operator.partial(task_id="t", **dict(rest), **kwargs)
        return partial.expand(**{name: [value]}).unmap({name: value})

    return plain_or_mapped


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize(
    ("of_the_task", "of_the_dag", "expected"),
    [
        ({}, {}, ChannelRetryPolicy),
        ({"retry_policy": OTHER}, {}, Other),
        ({}, {"retry_policy": OTHER}, Other),
        ({"retry_policy": None}, {}, type(None)),
        ({"retry_policy": None}, {"retry_policy": OTHER}, type(None)),
    ],
)
def test_operators_have_the_policy_unless_their_user_says_otherwise(
    make: Callable[..., Any], mapped: bool, of_the_task: Any, of_the_dag: Any, expected: type
) -> None:
    with DAG("d", schedule=None, default_args=of_the_dag):
        assert type(make(mapped=mapped, **of_the_task).retry_policy) is expected


def test_task_of_a_user_may_have_it() -> None:
    with DAG("d", schedule=None):

        @task(retry_policy=ChannelRetryPolicy(), retries=2)
        def mine() -> None:
            return None

        operator: Any = mine()
    operator = operator.operator
    assert isinstance(operator.retry_policy, ChannelRetryPolicy)


def test_scheduler_sees_that_there_is_a_policy_and_no_more() -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    with DAG("d", schedule=None) as dag:
        NativeFunctionOperator(task_id="plain", method="m")
        NativeFunctionOperator.partial(task_id="mapped").expand(method=["m"])
    document = DagSerialization.to_dict(dag)
    plain, mapped = (entry["__var"] for entry in document["dag"]["tasks"])
    assert plain["has_retry_policy"] is True
    assert mapped["partial_kwargs"]["has_retry_policy"] is True
    assert "ChannelRetryPolicy" not in str(document)
