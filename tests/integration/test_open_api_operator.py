"""The operator of Open API in Airflow's own task runner, against the emulator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.airflow_features import TASK_RUNNER, leave_out_unless
from support.open_api import connection

from airflow_channel_provider.contract.open_api import OPERATIONS, variables_of
from airflow_channel_provider.emulator import EmulatorThread
from airflow_channel_provider.exceptions import (
    ChannelAmbiguousResultError,
    ChannelConfigurationError,
    ChannelRequestError,
)
from airflow_channel_provider.hooks.open_api import ChannelTalkOpenApiHook
from airflow_channel_provider.operators.open_api import OpenApiOperator

leave_out_unless(*TASK_RUNNER)

from airflow.sdk.execution_time.comms import DeferTask, RescheduleTask
from support.task_run import Run, without_pauses

pytestmark = pytest.mark.usefixtures("dag")

CHAT = "chat-ch-1-1"
MESSAGES = "/user-chats/{userChatId}/messages"


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[EmulatorThread]:
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", tmp_path.joinpath("store").as_uri())
    monkeypatch.setattr(ChannelTalkOpenApiHook, "__init__", without_pauses(ChannelTalkOpenApiHook.__init__))
    with EmulatorThread() as emulator:
        monkeypatch.setenv("AIRFLOW_CONN_CHANNEL_TALK_OPEN_API_DEFAULT", connection(emulator.url))
        yield emulator


def operator(path: str = "/channel", verb: str = "GET", **more: Any) -> OpenApiOperator:
    return OpenApiOperator(task_id="t", path=path, verb=verb, **more)


def message(**more: Any) -> OpenApiOperator:
    body = {"plainText": "order {{ 'A-1' }}"}
    return operator(MESSAGES, "post", path_params={"userChatId": CHAT}, json_body=body, **more)


def last(emulator: EmulatorThread) -> Any:
    return emulator.journal()[-1]


@pytest.mark.parametrize("row", OPERATIONS, ids=lambda row: f"{row.verb} {row.path}")
def test_every_operation_is_reached_by_what_its_row_says(
    emulator: EmulatorThread, run: Run, row: Any
) -> None:
    names = dict.fromkeys(variables_of(row.path), "x 1 김")
    query = dict.fromkeys(row.required, "7")
    body = None if row.verb == "GET" else {"plainText": "hi"}
    run(
        operator(
            row.path, row.verb, path_params=names, query_params=query, json_body=body, do_xcom_push=False
        )
    )
    assert last(emulator)["method"] == f"{row.verb} {row.path}"


def test_an_answer_is_the_xcom(emulator: EmulatorThread, run: Run) -> None:
    outcome = run(operator("/users/@{memberId}", path_params='{"memberId": "{{ \'member-ch-1-1\' }}"}'))
    assert (outcome.state, outcome.xcom["user"]["id"]) == ("success", "user-ch-1-1")


def test_a_message_is_rendered_and_each_try_writes_the_same(emulator: EmulatorThread, run: Run) -> None:
    written = message()
    first, second = run(written), run(written, try_number=2)
    assert first.xcom == second.xcom
    assert [one["plainText"] for one in emulator.messages(CHAT)] == ["order A-1"]


def test_a_lost_answer_leaves_one_message(emulator: EmulatorThread, run: Run) -> None:
    emulator.inject("close_after")
    assert run(message()).state == "success"
    assert len(emulator.messages(CHAT)) == 1


def test_an_unclear_write_fails_the_task(emulator: EmulatorThread, run: Run) -> None:
    emulator.inject("close_after")
    outcome = run(operator("/users", "POST", json_body={"profile": {"name": "Ada"}}))
    assert isinstance(outcome.error, ChannelAmbiguousResultError)


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_long_wait_frees_the_slot_and_carries_nothing(
    emulator: EmulatorThread, run: Run, deferrable: bool
) -> None:
    emulator.inject("rate_limit", reset_after_seconds=900)
    outcome = run(message(deferrable=deferrable))
    kind: Any = DeferTask if deferrable else RescheduleTask
    (asked,) = outcome.supervisor.of(kind)
    assert outcome.state == ("deferred" if deferrable else "up_for_reschedule")
    assert "order" not in repr(asked)
    assert CHAT not in repr(asked)
    assert emulator.messages(CHAT) == []


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"path": MESSAGES}, "path_params['userChatId'] is empty; give the id that the path "),
        (
            {"path": MESSAGES, "path_params": {"userChatId": "None"}},
            "path_params['userChatId'] is empty: it is 'None'",
        ),
        (
            {"path": MESSAGES, "path_params": {"userChatId": ["c"]}},
            "path_params['userChatId'] must be a text or a whole number",
        ),
        ({"path_params": {"other": "1"}}, "no such name in braces"),
        ({"path": "/user-chats?state=closed"}, "give the query as an argument (query_params of the operator"),
        ({"verb": "FETCH"}, "verb must be one of"),
        ({"query_params": "[1]"}, "query_params must be a mapping"),
        ({"json_body": "no json"}, "json_body is text that is not valid JSON"),
        ({"query_params": {"state": {}}}, "must be a text, a number or a list"),
        ({"path": "/users/1/user-token/issue", "verb": "PUT"}, "is a token, and XCom stores it unencrypted"),
        ({"path": "/open/v5/users/@m/session-jwt/issue/", "verb": "PUT"}, "is a token"),
    ],
)
def test_a_wrong_argument_is_named_and_nothing_is_sent(
    emulator: EmulatorThread, run: Run, more: dict[str, Any], words: str
) -> None:
    outcome = run(OpenApiOperator(task_id="t", **{"path": "/channel", **more}))
    assert isinstance(outcome.error, ChannelConfigurationError)
    assert words in str(outcome.error)
    assert emulator.journal() == []


def test_a_refusal_fails_the_task_with_its_words(emulator: EmulatorThread, run: Run) -> None:
    outcome = run(operator("/users/nobody"))
    assert isinstance(outcome.error, ChannelRequestError)
    assert "user not found" in str(outcome.error)


def test_the_tokens_of_webhooks_stay_in_the_task(
    emulator: EmulatorThread, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = {"webhooks": [{"id": "1", "token": "canary-token", "url": "https://example.com"}]}
    monkeypatch.setattr(ChannelTalkOpenApiHook, "request", lambda self, verb, path, **more: answer)
    assert run(operator("/webhooks")).xcom == {"webhooks": [{"id": "1", "url": "https://example.com"}]}
