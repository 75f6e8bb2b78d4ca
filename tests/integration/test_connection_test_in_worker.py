"""
A connection test that Airflow >= 3.3 runs in a worker: Airflow's own supervisor of it, with only its way to the API
server replaced.
"""

from __future__ import annotations

import json
import uuid
from types import SimpleNamespace
from typing import Any

import pytest
from support.airflow_features import CONNECTION_TESTS_IN_WORKERS, leave_out_unless

from airflow_channel_provider.emulator import DEMO_SECRET, EmulatorThread

leave_out_unless(*CONNECTION_TESTS_IN_WORKERS)

from airflow.sdk.execution_time import connection_test_supervisor


class ApiServer:
    """Hands out the connection and takes the verdict."""

    def __init__(self, **connection: Any) -> None:
        fields = dict.fromkeys(("host", "login", "password", "schema_", "port", "extra"))
        self._connection = SimpleNamespace(**{**fields, "conn_id": "in_a_worker", **connection})
        self.verdict: tuple[str, str] = ("", "")
        self.connection_tests = self

    def get_connection(self, test_id: uuid.UUID) -> Any:
        return self._connection

    def update_state(self, test_id: uuid.UUID, state: Any, message: str) -> None:
        self.verdict = (state.value, message)


def run(monkeypatch: pytest.MonkeyPatch, emulator: EmulatorThread) -> tuple[str, str]:
    server = ApiServer(
        conn_type="channel_talk",
        host=emulator.url,
        login="demo-app",
        password=DEMO_SECRET,
        extra=json.dumps({"channel_id": "ch-1"}),
    )
    monkeypatch.setattr(connection_test_supervisor, "Client", lambda **kwargs: server)
    connection_test_supervisor.supervise_connection_test(
        connection_test_id=uuid.uuid4(), connection_id="in_a_worker", timeout=60, token="", server=""
    )
    return server.verdict


@pytest.mark.filterwarnings("default")
def test_it_works_with_a_store_that_a_worker_sees(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", tmp_path.joinpath("store").as_uri())
    with EmulatorThread() as emulator:
        state, said = run(monkeypatch, emulator)
    assert (state, said[:35]) == ("success", "Channel Talk accepted the App Secre")
