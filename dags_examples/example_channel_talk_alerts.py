"""
Tells a group when a task fails, and when it has recovered.

The task fails in its first try on purpose, as if its source had not been ready yet. The alert about that arrives in the
group *Support*, the task is tried again, and the group learns that it is done. A callback runs in the process of its
task and never fails it: an alert that cannot be sent is a warning in the task's log. The ``on_failure_callback`` of the
task would tell that all tries are used up, that of the DAG that the run has failed.

Needs a connection ``channel_talk_default`` as described in ``example_channel_talk_message``.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import dag, task

from airflow_channel_provider.notifications.channel_talk import ChannelTalkNotifier

# [START alert]
# Says by itself which task of which run failed, in which try and why.
alert = ChannelTalkNotifier(group_name="Support")
# [END alert]

# [START recovered]
recovered = ChannelTalkNotifier(
    group_name="Support",
    markdown="**{{ ti.task_id }}** of `{{ run_id }}` is done in try {{ ti.try_number }}.",
    silent=True,
)
# [END recovered]


@dag(
    schedule=None,
    catchup=False,
    on_failure_callback=alert,
    tags=["example", "channel_talk"],
    doc_md=__doc__,
)
def example_channel_talk_alerts() -> None:
    # [START callbacks]
    @task(
        retries=1,
        retry_delay=timedelta(seconds=5),
        on_retry_callback=alert,
        on_failure_callback=alert,
        on_success_callback=recovered,
    )
    def load_orders(ti: Any = None) -> int:
        if ti.try_number == 1:
            raise ConnectionError("The orders of today are not there yet")
        return 42

    # [END callbacks]

    load_orders()


example_channel_talk_alerts()
