"""
A real Airflow in which the quota of token requests is spent, and a secret is wrong.

Invariant: the run is over when a test sees it. Something outside Airflow has spent the quota before the tasks start,
and one refusal has told so. How long the quota stays spent is chosen by how quick this machine is, and chosen again
where that was too short: all tasks are to have begun to wait before the first of them may go on.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests

from airflow_channel_provider.api.client import ChannelTalkClient
from airflow_channel_provider.api.transport import Transport
from airflow_channel_provider.emulator import DEMO_APP_ID
from airflow_channel_provider.exceptions import ChannelTokenQuotaError
from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
from system.statsd import StatsdListener
from system.waiting_result import TASKS, WAITING, WaitingRun
from tools.demo.airflow_home import AirflowHome
from tools.demo.local_airflow import LocalAirflow
from tools.demo.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_channel_provider.emulator.jsontypes import JSONObject
    from tools.demo.progress import Progress

JSON = Any
DAGS = Path(__file__).with_name("dags_waiting")
QUOTA = 10
CHANNELS = [f"ch-{number}" for number in range(1, 13)]
OTHER_APP_ID = "other-app"
PATIENCE_SECONDS = 25
LEAST_WINDOW_SECONDS = 60.0
"""A tenth of it is what tasks come back spread over, however quick this machine is."""
POLL_SECONDS = 3.0
TIMEOUT_SECONDS = 900.0
ROUNDS = 3


class WaitingHome(AirflowHome):
    """A home with a small patience, and statistics."""

    statsd_port = 0

    def environment(self) -> dict[str, str]:
        """Return what every process of this Airflow is started with."""
        settings = {
            # Longer than a lease, so that a slow machine makes nobody wait for a token request under way.
            "CHANNEL_TALK__MAX_WAIT_SECONDS": str(PATIENCE_SECONDS),
            "METRICS__STATSD_ON": "True",
            "METRICS__STATSD_HOST": "127.0.0.1",
            "METRICS__STATSD_PORT": str(self.statsd_port),
            "METRICS__STATSD_INFLUXDB_ENABLED": "True",
            "METRICS__METRICS_ALLOW_LIST": "channel_talk",
        }
        return {
            **super().environment(),
            **{f"AIRFLOW__{name}": value for name, value in settings.items()},
            "WAITING_TASKS": str(TASKS),
        }


class Waiting(LocalAirflow):
    """
    Runs the DAGs one after the other, or side by side.

    :param path: home directory.
    :param progress: where to say what is going on.
    """

    def __init__(self, path: Path, progress: Progress) -> None:
        self._home = WaitingHome(path, dags_folder=DAGS, api_port=free_port())
        super().__init__(self._home, progress)
        self.run = WaitingRun()
        self._run_ids: dict[str, str] = {}

    def __exit__(self, *exc_info: object) -> None:
        super().__exit__(*exc_info)
        for dag_id, run_id in self._run_ids.items():
            files = sorted(self.home.logs.glob(f"dag_id={dag_id}/run_id={run_id}/**/*.log"))
            self.run.logs[dag_id] = [path.read_text(encoding="utf-8", errors="replace") for path in files]

    def _start(self) -> None:
        self._statsd = self._stack.enter_context(StatsdListener())
        self._home.statsd_port = self._statsd.port
        super()._start()
        self.add_connections()
        self.wait_for(*WAITING, "wrong_secret")

    def emulator_settings(self) -> dict[str, object]:
        """Return what the emulator is started with: two apps with many channels, and a quota that says when it ends."""
        app = {"app_id": DEMO_APP_ID, "secret": self.canaries.app_secret, "permissions": None}
        return {
            **super().emulator_settings(),
            "apps": [
                {**app, "channels": CHANNELS},
                {
                    **app,
                    "app_id": OTHER_APP_ID,
                    "secret": f"{self.canaries.app_secret}2",
                    "channels": CHANNELS,
                },
            ],
            "channels": [{"id": channel_id, "name": channel_id} for channel_id in CHANNELS],
            "quota_limit": QUOTA,
            "quota_refusal_shape": "http_429_retry_after",
        }

    def connections(self) -> Iterable[JSONObject]:
        """Return a connection with the right secret and one with a wrong one."""
        (right,) = (
            connection
            for connection in super().connections()
            if connection["connection_id"] == "channel_talk_default"
        )
        yield right
        wrong = f"{self.canaries.app_secret}x"
        yield {**right, "connection_id": "wrong_secret", "login": OTHER_APP_ID, "password": wrong}

    def run_wrong_secret(self) -> float:
        """Run the tasks with a wrong secret and return how long that took, in seconds."""
        return self._run_dags(["wrong_secret"], "run")

    def run_waiting(self, window_seconds: float) -> None:
        """
        Run the tasks that wait; again, and with a longer window, where some had not begun to when the first went on.

        :param window_seconds: how long the quota stays spent.
        """
        for number in range(1, ROUNDS + 1):
            self.progress.step(f"round {number}: the quota is spent for {window_seconds:.0f} s")
            self._spend_the_quota(window_seconds)
            noted, told = len(self.run.token_requests), len(self._statsd.lines)
            self._run_dags(list(WAITING), f"run-{number}")
            if self.run.saw_all_wait() or number == ROUNDS:
                return
            window_seconds *= 2
            del self.run.token_requests[noted:], self._statsd.lines[told:]
            self.emulator.reset()
            self.home.forget_tokens()

    def _spend_the_quota(self, window_seconds: float) -> None:
        """
        Spend it as something outside Airflow would, and let one of ours be refused: that is known to all from then on.
        """
        self.emulator.configure(quota_window_seconds=window_seconds)
        transport = Transport(self.emulator.url, connect_timeout_seconds=5, read_timeout_seconds=30)
        client = ChannelTalkClient(transport)
        for channel_id in CHANNELS[:QUOTA]:
            client.issue_token(self.canaries.app_secret, channel_id)
        transport.close()
        address = urlsplit(self.emulator.url)
        connection = {"conn_type": "channel_talk", "host": address.hostname, "port": address.port}
        connection |= {"schema": "http", "login": DEMO_APP_ID, "password": self.canaries.app_secret}
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("AIRFLOW_CONN_ONE_OF_OURS", json.dumps(connection))
            environment.setenv("AIRFLOW__CHANNEL_TALK__STORE", self.home.tokens.as_uri())
            with ChannelTalkHook("one_of_ours") as hook, pytest.raises(ChannelTokenQuotaError):
                hook.get_access_token(CHANNELS[0])

    def _run_dags(self, dag_ids: list[str], run_id: str) -> float:
        """
        Run DAGs side by side to their end, and sample the states of their tasks meanwhile.

        :return: how long it took, in seconds.
        """
        known = len(self.emulator.token_requests())
        started = time.monotonic()
        for dag_id in dag_ids:
            self._run_ids[dag_id], self.run.samples[dag_id] = run_id, []
            self.rest.trigger(dag_id, run_id)
        until = started + TIMEOUT_SECONDS
        while time.monotonic() < until:
            self.components.check()
            # A machine that is busy with hundreds of tasks may answer late.
            with contextlib.suppress(requests.RequestException):
                if self._over(dag_ids):
                    break
                self._sample(dag_ids, started)
            time.sleep(POLL_SECONDS)
        self._sample(dag_ids, started)
        self.run.token_requests += self.emulator.token_requests()[known:]
        self.run.messages = self.emulator.messages()
        self.run.metrics = self._statsd.lines
        return time.monotonic() - started

    def _over(self, dag_ids: list[str]) -> bool:
        states = self.rest.run_states()
        return all(states.get((dag_id, self._run_ids[dag_id])) in ("success", "failed") for dag_id in dag_ids)

    def _sample(self, dag_ids: list[str], started: float) -> None:
        instances, seconds = self.rest.task_instances(), time.monotonic() - started
        for dag_id in dag_ids:
            key = (dag_id, self._run_ids[dag_id])
            mine = [one for one in instances if (one["dag_id"], one["dag_run_id"]) == key]
            states = Counter(str(instance["state"]) for instance in mine)
            self.run.instances[dag_id] = mine
            self.run.samples[dag_id].append((seconds, states))
            self.progress.step(f"{dag_id} {seconds:.0f} s: {dict(states)}")
