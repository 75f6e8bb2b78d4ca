"""Questions that tasks ask people: the task that asks, who answers, and what a message shows of both."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import DAG

from airflow_channel_provider.notifications.channel_talk import ChannelTalkNotifier

if TYPE_CHECKING:
    from support.task_run import Outcome, Run

GROUP = "group-ch-1-1"
BASE = "https://airflow.example.com/airflow"
FORM = f"{BASE}/dags/d/runs/r/tasks/t/required_actions"
ANSWERED_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
KIM = {"id": "7", "name": "kim"}


def parsed(make: Callable[..., Any]) -> Callable[..., Any]:
    """Return what makes a task anew each time, as each process does that reads the DAG file."""

    def made(**kwargs: Any) -> Any:
        with DAG("d", schedule=None):
            return make(**kwargs)

    return made


def notifier(**kwargs: Any) -> ChannelTalkNotifier:
    return ChannelTalkNotifier(**{"group_id": GROUP, **kwargs})


def answer(run: Run, task: Any, *chosen: str, **event: Any) -> Outcome:
    """Run the task again, as Airflow does when somebody has answered."""
    given = {
        "chosen_options": list(chosen),
        "params_input": {},
        "responded_at": ANSWERED_AT,
        "responded_by_user": KIM,
        "timedout": False,
    }
    return run(task, next_method="execute_complete", next_kwargs={"event": {**given, **event}})


def lines(message: Any) -> list[str]:
    found: list[str] = []
    for block in message["blocks"]:
        found += [inner["value"] for inner in block["blocks"]] if "blocks" in block else [block["value"]]
    return found


def ways(message: Any) -> dict[str, str]:
    return {button["title"]: button["action"]["attributes"]["url"] for button in message.get("buttons", ())}


def chosen(option: str) -> str:
    return f"{FORM}?_options=%5B%22{option}%22%5D"
