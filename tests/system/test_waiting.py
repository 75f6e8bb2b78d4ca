"""
Many tasks on a real scheduler and triggerer: those that wait hold no slot, and one fetches the token.

How many of each kind is said by WAITING_TASKS (20); `make test-sensors` makes it 100.
"""

from __future__ import annotations

import re
from collections import Counter

import pytest

from system.waiting_result import TASKS, WAITING, WaitingRun, only
from system.waiting_run import LEAST_WINDOW_SECONDS, PATIENCE_SECONDS, Waiting
from tools.demo.progress import Progress

CHANNEL = {"deferred": "ch-11", "rescheduled": "ch-12"}
MESSAGE = re.compile(r'"exc_value": ?"(Connection [^"]*)"')


@pytest.fixture(scope="module")
def waiting_run(tmp_path_factory: pytest.TempPathFactory) -> WaitingRun:
    progress = Progress()
    with Waiting(tmp_path_factory.mktemp("waiting") / "home", progress) as waiting:
        took_seconds = waiting.run_wrong_secret()
        waiting.run_waiting(max(LEAST_WINDOW_SECONDS, 2.2 * took_seconds + PATIENCE_SECONDS))
    for line in waiting.run.report():
        progress.say(line)
    return waiting.run


@pytest.mark.parametrize("dag_id", WAITING)
def test_all_tasks_wait_at_the_same_time_and_none_of_them_runs(waiting_run: WaitingRun, dag_id: str) -> None:
    assert any(only(states, WAITING[dag_id]) for _, states in waiting_run.samples[dag_id])


@pytest.mark.parametrize("dag_id", WAITING)
def test_every_task_that_waited_succeeds_in_its_first_try(waiting_run: WaitingRun, dag_id: str) -> None:
    ends = Counter((instance["state"], instance["try_number"]) for instance in waiting_run.instances[dag_id])
    assert ends == {("success", 1): TASKS}


@pytest.mark.parametrize("dag_id", WAITING)
def test_tasks_that_return_from_a_wait_spend_one_token_request_that_is_granted(
    waiting_run: WaitingRun, dag_id: str
) -> None:
    requests = [
        entry for entry in waiting_run.token_requests if entry["scope"] == f"channel:{CHANNEL[dag_id]}"
    ]
    assert [(entry["kind"], entry["refused_by_quota"]) for entry in requests] == [("issue", False)]


@pytest.mark.parametrize("dag_id", WAITING)
def test_every_message_is_written_once_after_the_wait(waiting_run: WaitingRun, dag_id: str) -> None:
    chat = f"chat-{CHANNEL[dag_id]}-1"
    texts = [message["plainText"] for message in waiting_run.messages if message["chatId"] == chat]
    assert Counter(texts) == Counter(f"{dag_id} {number}" for number in range(TASKS))


@pytest.mark.parametrize("dag_id", WAITING)
def test_every_task_has_said_until_when_it_waits(waiting_run: WaitingRun, dag_id: str) -> None:
    assert sum("Waiting until" in log for log in waiting_run.logs[dag_id]) == TASKS


@pytest.mark.parametrize("dag_id", WAITING)
def test_tasks_come_back_spread_out(waiting_run: WaitingRun, dag_id: str) -> None:
    seconds = {moment.replace(microsecond=0) for moment in waiting_run.returned_at(dag_id)}
    assert len(seconds) > 3


def test_a_wrong_secret_costs_one_token_request(waiting_run: WaitingRun) -> None:
    refused = [entry for entry in waiting_run.token_requests if entry["scope"] == "channel:ch-1"]
    assert [entry["kind"] for entry in refused] == ["issue"]


def test_a_wrong_secret_fails_every_task_at_once_in_spite_of_its_retries(waiting_run: WaitingRun) -> None:
    instances = waiting_run.instances["wrong_secret"]
    assert Counter((i["state"], i["try_number"], i["max_tries"]) for i in instances) == {
        ("failed", 1, 3): TASKS
    }


def test_a_wrong_secret_gives_every_task_the_same_message(waiting_run: WaitingRun) -> None:
    logs = waiting_run.logs["wrong_secret"]
    found = [match.group(1) for log in logs if (match := MESSAGE.search(log))]
    # Until when it is remembered is told to the second; each task works that out with its own clock.
    messages = Counter(re.sub(r"\d\d:\d\d:\d\d UTC", "then", message) for message in found)
    ((message, count),) = messages.items()
    assert count == TASKS
    assert "is remembered for all tasks until then" in message
    assert message.startswith("Connection 'wrong_secret': issueToken was refused")
    assert "Check the App Secret" in message


def test_metrics_count_what_happened(waiting_run: WaitingRun) -> None:
    assert waiting_run.counted("token.issued") == {"scope=channel_ch-11": 1, "scope=channel_ch-12": 1}
    assert waiting_run.counted("token.refused") == {"scope=channel_ch-1,reason=ChannelAuthenticationError": 1}
    assert waiting_run.counted("call") == {
        "method=getChannel,outcome=ChannelAuthenticationError": TASKS,
        "method=writeUserChatMessage,outcome=ChannelTokenQuotaError": 2 * TASKS,
        "method=writeUserChatMessage,outcome=success": 2 * TASKS,
    }
    assert waiting_run.counted("call.duration") == waiting_run.counted("call")
