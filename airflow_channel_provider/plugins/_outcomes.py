"""
Lets the notifiers of a task that has asked people tell what became of the question, in the process of that task.

Airflow calls notifiers when a question is asked, and nobody when it is answered; it publishes the answer for listeners.
Every task of every DAG runs through here, so nothing is imported for a task that asks nobody.
"""

from __future__ import annotations

import sys
from typing import Any

from airflow.listeners import hookimpl

_NOTIFIERS = "airflow_channel_provider.notifications.channel_talk"


@hookimpl
def on_task_instance_success(previous_state: Any, task_instance: Any) -> None:
    """Report the answer."""
    _notify(task_instance, None)


@hookimpl
def on_task_instance_failed(previous_state: Any, task_instance: Any, error: Any) -> None:
    """Report the answer, or that nobody answered."""
    _notify(task_instance, error)


def _notify(ti: Any, error: Any) -> None:
    if _NOTIFIERS not in sys.modules:  # then no DAG file of this process has one of ours
        return
    from airflow_channel_provider.notifications._question import asks
    from airflow_channel_provider.notifications.channel_talk import ChannelTalkNotifier

    task = getattr(ti, "task", None)
    if not asks(task):
        return
    for notifier in task.notifiers:
        if isinstance(notifier, ChannelTalkNotifier):
            notifier.notify_outcome(ti, error if isinstance(error, BaseException) else None)
