"""Airflow before 3.3 knows no retry policies: it is told by an exception what is hopeless."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_channel_provider import retry_policy
from airflow_channel_provider.exceptions import (
    ChannelAmbiguousResultError,
    ChannelAuthenticationError,
    ChannelConfigurationError,
    ChannelError,
    ChannelNotSentError,
    ChannelPermissionError,
    ChannelRateLimitError,
)
from airflow_channel_provider.retry_policy import fail_at_once

if TYPE_CHECKING:
    from support.fresh_process import FreshProcess

HOPELESS = [
    ChannelConfigurationError("wrong"),
    ChannelAuthenticationError("secret", http_status=401),
    ChannelPermissionError("not installed"),
    ChannelAmbiguousResultError("may have happened"),
]

OLD_AIRFLOW = """
import sys
from airflow.providers.common.compat.sdk import AirflowFailException, BaseOperator
sys.modules["airflow.sdk.definitions.retry_policy"] = None
from airflow_channel_provider import retry_policy
from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.operators.channel_talk import WriteUserChatMessageOperator

assert not retry_policy.SUPPORTED
operator = WriteUserChatMessageOperator(task_id="t", user_chat_id="", text="hi")
assert getattr(operator, "retry_policy", None) is None
try:
    operator.execute_complete({})
except AirflowFailException as error:
    assert isinstance(error.__cause__, ChannelConfigurationError), error
    assert "user_chat_id is empty" in str(error), error
try:
    retry_policy.ChannelRetryPolicy()
except ChannelConfigurationError as error:
    print(error)
"""


def test_older_airflow_gets_the_exception_that_fails_a_task_and_no_policy(
    fresh_process: FreshProcess,
) -> None:
    assert "needs Airflow 3.3" in fresh_process.run(OLD_AIRFLOW)


@pytest.mark.parametrize("error", HOPELESS, ids=repr)
def test_older_airflow_is_told_to_fail_at_once(monkeypatch: pytest.MonkeyPatch, error: ChannelError) -> None:
    monkeypatch.setattr(retry_policy, "SUPPORTED", False)
    with pytest.raises(AirflowFailException) as caught:
        fail_at_once(error)
    assert str(caught.value) == str(error)
    assert caught.value.__cause__ is error


def test_older_airflow_retries_the_rest_as_the_task_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry_policy, "SUPPORTED", False)
    fail_at_once(ChannelNotSentError("no route"))
    fail_at_once(ChannelRateLimitError("slow down"))
    fail_at_once(ChannelAmbiguousResultError("a read", safe_to_repeat=True))


@pytest.mark.usefixtures("errors_as_they_are")
@pytest.mark.parametrize("error", HOPELESS, ids=repr)
def test_newer_airflow_asks_the_policy_instead(error: ChannelError) -> None:
    fail_at_once(error)
