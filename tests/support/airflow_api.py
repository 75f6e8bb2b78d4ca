"""
Airflow's REST API in the process of the test: the real application on a real metadata database, without a socket.

The database lives in the AIRFLOW_HOME of the test run; commands of Airflow that are started there see the same one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from support.airflow_features import forget_fernet_key
from tools.demo.airflow_home import migrated_database

COMMAND_SECONDS = 120


def airflow_command(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command of Airflow in the home of this test run."""
    return subprocess.run(
        [sys.executable, "-m", "airflow", *arguments],
        env={**os.environ, "NO_PROXY": "127.0.0.1", **more},
        capture_output=True,
        text=True,
        check=False,
        timeout=COMMAND_SECONDS,
    )


def migrate() -> None:
    """Make the metadata database."""
    database = Path(os.environ["AIRFLOW_HOME"], "airflow.db")
    if not database.exists() or not database.stat().st_size:
        shutil.copyfile(migrated_database(), database)
        return
    # An earlier test has opened it, and may have made tables of its own in it.
    done = airflow_command("db", "migrate")
    assert done.returncode == 0, done.stdout + done.stderr


class AirflowApi:
    """
    A logged-in administrator.

    :param client: of the application.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        answer = client.get("/auth/token")
        assert answer.status_code == 201, answer.text
        self._headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        self._kept = self._connections()

    def ask(self, http_method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        answer = self._client.request(http_method, path, json=body, headers=self._headers)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def save(self, **connection: Any) -> None:
        """Create a connection, as the form does."""
        self.ask("POST", "/api/v2/connections", connection)

    def remove_new(self) -> None:
        """Remove the connections that are there and were not at first, however they came."""
        for conn_id in self._connections() - self._kept:
            self.ask("DELETE", f"/api/v2/connections/{conn_id}")

    def _connections(self) -> set[str]:
        found = self.ask("GET", "/api/v2/connections?limit=100")["connections"]
        return {connection["connection_id"] for connection in found}

    def test(self, **connection: Any) -> tuple[bool, str]:
        """Press Test."""
        found = self.ask("POST", "/api/v2/connections/test", {"connection_id": "tested", **connection})
        return found["status"], found["message"]


@contextmanager
def running_api() -> Iterator[AirflowApi]:
    """Bring up the application."""
    from fastapi.testclient import TestClient

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Airflow's own
        patch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS", "True")
        patch.setenv("AIRFLOW__CORE__TEST_CONNECTION", "Enabled")
        from airflow.api_fastapi.app import create_app

        # One key for this process and the commands that it starts.
        patch.setenv("AIRFLOW__CORE__FERNET_KEY", Fernet.generate_key().decode("ascii"))
        forget_fernet_key(patch)
        # What importing the module of the real server sets.
        patch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
        with TestClient(create_app(apps="core")) as client:
            yield AirflowApi(client)
