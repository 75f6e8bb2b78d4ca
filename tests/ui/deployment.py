"""
The demo's Airflow and emulator, with users of every role, and an app with enough channels to spend a quota on.

Invariant: what a test finds spent was spent by token requests that the emulator has answered. `start_over` takes the
service and the token store back to the beginning, so that no test counts what another one has spent.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from airflow_channel_provider.emulator import DEMO_APP_ID
from airflow_channel_provider.exceptions import ChannelError
from airflow_channel_provider.hooks._stores import open_store
from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
from tools.demo.connections import INBOUND_CONNECTION
from tools.demo.session import Demo, Options

if TYPE_CHECKING:
    from tools.demo.progress import Progress

JSON = Any
ROOT = Path(__file__).resolve().parents[2]
DAGS = ROOT / "dags_examples"
HOME = ROOT / ".ui" / "home"
READ_BACK = Path(__file__).with_name("read_back.py")
ROLES = ("admin", "op", "user", "viewer")
CHANNELS = [f"ch-{number}" for number in range(1, 13)]
WRONG_APP_ID = "second-app"


class UiAirflow(Demo):
    """
    A real Airflow for a browser to look at.

    :param progress: where to say what is going on.
    """

    def __init__(self, progress: Progress) -> None:
        super().__init__(
            Options(home=HOME, dags_folder=DAGS, users=ROLES, start_timeout_seconds=600), progress
        )
        self._numbers = itertools.count(1)

    def _start(self) -> None:
        super()._start()
        self.rest.log_in("admin", self.home.passwords["admin"])
        self.wait_for_dags()

    def emulator_settings(self) -> dict[str, JSON]:
        """Return the demo's settings with more channels, and with a second app."""
        settings = super().emulator_settings()
        app = {**settings["apps"][0], "channels": CHANNELS}
        other = {
            "app_id": WRONG_APP_ID,
            "secret": f"{self.canaries.app_secret}2",
            "permissions": None,
            "channels": CHANNELS,
        }
        return {
            **settings,
            "apps": [app, other],
            "channels": [{"id": channel_id} for channel_id in CHANNELS],
            "quota_refusal_shape": "http_429_retry_after",
        }

    def start_over(self) -> None:
        """Let nothing be spent, and no token be known."""
        self.emulator.reset()
        self.home.forget_tokens()
        open_store(self.home.tokens.as_uri()).local_cache.clear()  # what this process itself remembers

    def let_channel_talk_in(self) -> None:
        """Give the connection that was typed what Channel Talk proves its requests with."""
        connection = self.rest.connection(INBOUND_CONNECTION)
        proof = {
            "signing_secret": self.canaries.signing_key,
            "webhook_token": self.canaries.webhook_token,
        }
        self.rest.change_extra(connection, {**json.loads(connection["extra"] or "{}"), **proof})

    def ask_for_token(
        self, channel_id: str | None, *, app_id: str = DEMO_APP_ID, secret: str = ""
    ) -> ChannelError | None:
        """
        Ask for a token as a task would, outside Airflow.

        :param channel_id: None for the app's own token.
        :param secret: the demo app's by default.
        :return: why there is none.
        """
        connection = {"conn_type": "channel_talk", "login": app_id, **self.address()}
        connection["password"] = secret or self.canaries.app_secret
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("AIRFLOW_CONN_NIGHTLY_REPORT", json.dumps(connection))
            environment.setenv("AIRFLOW__CHANNEL_TALK__STORE", self.home.tokens.as_uri())
            with ChannelTalkHook("nightly_report", max_wait_seconds=1) as hook:
                try:
                    hook.get_access_token(channel_id)
                except ChannelError as error:
                    return error
        return None

    def run_dag(self, dag_id: str) -> None:
        """Run a DAG to its end, without the browser, and see it green."""
        run_id = f"run-{next(self._numbers)}"

        def unended() -> str | None:
            state = self.rest.run_state(dag_id, run_id)
            return None if state in ("success", "failed") else state

        self.rest.trigger(dag_id, run_id)
        self.wait(dag_id, unended)
        assert self.rest.run_state(dag_id, run_id) == "success"

    def address(self) -> dict[str, JSON]:
        """Return where the emulator is, as fields of a connection."""
        url = urlsplit(self.emulator.url)
        return {"host": url.hostname, "port": url.port, "schema": url.scheme}

    def read_back(self, *conn_ids: str) -> dict[str, JSON]:
        """Return the settings that a hook reads from each of these connections, secrets included, by id."""
        command = [sys.executable, str(READ_BACK), *conn_ids]
        # Where Airflow looks into its database itself, as its own commands do.
        environment = {**self.home.environment(), "_AIRFLOW_PROCESS_CONTEXT": "server"}
        read = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert read.returncode == 0, read.stderr
        found: dict[str, JSON] = json.loads(read.stdout.splitlines()[-1])
        return found
