"""A user's own task waits for the token quota under a real scheduler, without using a try."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from support.airflow_features import RESCHEDULING_POLICY, leave_out_unless

leave_out_unless(*RESCHEDULING_POLICY)

from airflow_channel_provider.api.client import ChannelTalkClient
from airflow_channel_provider.api.transport import Transport
from tools.demo.airflow_home import AirflowHome
from tools.demo.local_airflow import LocalAirflow
from tools.demo.ports import free_port
from tools.demo.progress import Progress

WINDOW_SECONDS = 60
DAG_ID = "own_task"
DAG_FILE = """
from airflow.sdk import dag, task
from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
from airflow_channel_provider.retry_policy import ChannelRetryPolicy

@dag(schedule=None)
def own_task():
    @task(retries=0, retry_policy=ChannelRetryPolicy())
    def read():
        return ChannelTalkHook().call("getChannel", channel_id="ch-2")["channel"]["id"]

    read()

own_task()
"""


class Home(AirflowHome):
    def environment(self) -> dict[str, str]:
        return {**super().environment(), "AIRFLOW__CHANNEL_TALK__MAX_WAIT_SECONDS": "1"}


class Scheduler(LocalAirflow):
    def emulator_settings(self) -> dict[str, object]:
        settings = {"quota_limit": 1, "quota_refusal_shape": "http_429_retry_after"}
        return {**super().emulator_settings(), **settings}

    def connections(self) -> Iterable[Any]:
        return (one for one in super().connections() if one["connection_id"] == "channel_talk_default")

    def spend_the_quota(self) -> None:
        """As something outside Airflow does that uses the same app."""
        self.emulator.configure(quota_window_seconds=WINDOW_SECONDS)
        transport = Transport(self.emulator.url, connect_timeout_seconds=5, read_timeout_seconds=30)
        ChannelTalkClient(transport).issue_token(self.canaries.app_secret, "ch-1")
        transport.close()

    def run(self) -> dict[str, Any]:
        self.add_connections()
        self.wait_for(DAG_ID)
        self.spend_the_quota()
        self.rest.trigger(DAG_ID, "run")
        ended = ("success", "failed")
        self.wait_until("its end", lambda: self.rest.run_states().get((DAG_ID, "run")) in ended)
        (instance,) = self.rest.task_instances()
        return dict(instance)


def test_task_of_a_user_waits_for_the_quota_without_using_a_try(tmp_path: Path) -> None:
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / f"{DAG_ID}.py").write_text(DAG_FILE)
    home = Home(tmp_path / "home", dags_folder=dags, api_port=free_port())
    with Scheduler(home, Progress()) as scheduler:
        before = len(scheduler.emulator.token_requests())
        instance = scheduler.run()
        requests = scheduler.emulator.token_requests()[before:]
    (log,) = [path.read_text() for path in home.logs.glob(f"dag_id={DAG_ID}/**/*.log")]
    assert (instance["state"], instance["try_number"], instance["max_tries"]) == ("success", 1, 0), log
    assert "UP_FOR_RESCHEDULE" in log
    assert [entry["refused_by_quota"] for entry in requests] == [False, True, False]
