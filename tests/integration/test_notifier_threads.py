"""The alerts of a task as one thread: what opens it, what replies in it, and what ends it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import DAG
from support.airflow_features import TASK_RUNNER, leave_out_unless
from support.alerts import GROUP, Fails, Succeeds, alert, shown

from airflow_channel_provider.emulator import EmulatorThread

if TYPE_CHECKING:
    from support.task_run import Run

leave_out_unless(*TASK_RUNNER)

pytestmark = pytest.mark.usefixtures("dag")


def as_retried(run: Run, *states: str, **kwargs: Any) -> None:
    """Run the tries of one task, which end as ``states`` say; each has the same notifier for its callbacks."""
    for number, state in enumerate(states, start=1):
        with DAG("d", schedule=None):
            callbacks: Any = {
                f"on_{kind}_callback": alert(**kwargs) for kind in ("success", "failure", "retry")
            }
            kind: Any = Succeeds if state == "success" else Fails
            tries = {"try_number": number, "max_tries": number if state == "up_for_retry" else number - 1}
            assert run(kind(task_id="t", **callbacks), **tries).state == state


def test_the_alerts_of_a_task_are_one_thread(emulator: EmulatorThread, run: Run) -> None:
    as_retried(run, "up_for_retry", "up_for_retry", "failed", thread=True)
    first, *replies = emulator.messages(GROUP)
    assert "rootMessageId" not in first
    assert [reply["rootMessageId"] for reply in replies] == [first["id"]] * 2
    assert [reply.get("broadcastedMsg", False) for reply in replies] == [False, True]


def test_a_recovery_ends_the_thread(emulator: EmulatorThread, run: Run) -> None:
    as_retried(run, "up_for_retry", "success", "failed", thread=True)
    first, recovery, later = emulator.messages(GROUP)
    assert recovery["rootMessageId"] == first["id"]
    assert shown(recovery)[0] == "<b>Task succeeded</b>"
    assert "rootMessageId" not in later


def test_a_success_without_a_failure_before_is_no_message(emulator: EmulatorThread, run: Run) -> None:
    as_retried(run, "success", thread=True)
    assert emulator.messages() == []
    as_retried(run, "success")
    assert len(emulator.messages()) == 1


def test_each_mapped_task_has_a_thread_of_its_own(emulator: EmulatorThread, run: Run) -> None:
    for map_index in (0, 1):
        with DAG("d", schedule=None):
            run(Fails(task_id="t", on_failure_callback=alert(thread=True)), map_index=map_index)
    assert ["rootMessageId" in message for message in emulator.messages(GROUP)] == [False, False]


def test_a_callback_that_runs_twice_replies_to_nothing(emulator: EmulatorThread, run: Run) -> None:
    for _ in range(2):
        as_retried(run, "failed", thread=True)
    (message,) = emulator.messages(GROUP)
    assert "rootMessageId" not in message


def test_alerts_without_a_thread_are_messages(emulator: EmulatorThread, run: Run) -> None:
    as_retried(run, "up_for_retry", "failed")
    assert ["rootMessageId" in message for message in emulator.messages(GROUP)] == [False, False]


def test_in_a_user_chat_the_alerts_are_messages(emulator: EmulatorThread, run: Run) -> None:
    as_retried(
        run, "up_for_retry", "success", "success", thread=True, group_id=None, user_chat_id="chat-ch-1-1"
    )
    assert ["rootMessageId" in message for message in emulator.messages("chat-ch-1-1")] == [False, False]


def test_a_reply_to_a_message_that_is_gone_is_a_message(
    emulator: EmulatorThread, run: Run, tmp_path: Path
) -> None:
    as_retried(run, "up_for_retry", thread=True)
    (kept,) = [path for path in tmp_path.joinpath("store").iterdir() if "-threads.thread-" in path.name]
    kept.write_text("msg-99999999")
    with DAG("d", schedule=None):
        run(Fails(task_id="t", on_failure_callback=alert(thread=True)), try_number=2)
    _, second = emulator.messages(GROUP)
    assert shown(second)[0] == "<b>Task failed</b>"


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"x" * 2_000])
def test_a_spoiled_thread_is_none(emulator: EmulatorThread, run: Run, tmp_path: Path, content: bytes) -> None:
    as_retried(run, "up_for_retry", thread=True)
    (kept,) = [path for path in tmp_path.joinpath("store").iterdir() if "-threads.thread-" in path.name]
    kept.write_bytes(content)
    with DAG("d", schedule=None):
        run(Fails(task_id="t", on_failure_callback=alert(thread=True)), try_number=2)
    _, second = emulator.messages(GROUP)
    assert "rootMessageId" not in second
