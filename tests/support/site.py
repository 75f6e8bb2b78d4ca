"""Airflow's api-server in this process: its users, its database, its connections, below a path of its host."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.airflow_api import migrate
from support.airflow_features import PLUGIN_ROUTES, leave_out_unless

leave_out_unless(*PLUGIN_ROUTES)

ROLES = ["viewer", "user", "op", "admin"]
BASE = "/afl"
SETTINGS = {
    "AIRFLOW__API__BASE_URL": f"http://testserver{BASE}",
    "AIRFLOW__API_AUTH__JWT_SECRET": "a secret of these tests that is as long as the algorithm wants it to be",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{role}:{role}" for role in ROLES),
    "_AIRFLOW_PROCESS_CONTEXT": "server",
}


class Site:
    """Airflow's api-server, and a session of each of its users."""

    def __init__(self, new_client: Any, passwords: dict[str, str]) -> None:
        self.anonymous = new_client()
        self._new_client = new_client
        self._tokens = {role: self._log_in(role, password) for role, password in passwords.items()}

    def _log_in(self, role: str, password: str) -> str:
        answer = self.anonymous.post(f"{BASE}/auth/token", json={"username": role, "password": password})
        token: str = answer.json()["access_token"]
        return token

    def as_(self, role: str) -> Any:
        """A client that sends a token."""
        client = self._new_client()
        client.headers["Authorization"] = f"Bearer {self._tokens[role]}"
        return client

    def browser(self, role: str) -> Any:
        """A client that has the cookie of a session, as a browser has."""
        client = self._new_client()
        client.cookies.set("_token", self._tokens[role])
        return client


@contextmanager
def site() -> Iterator[Site]:
    """Serve it, with an empty database at first."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, value in SETTINGS.items():
            patch.setenv(name, value)
        migrate()
        from airflow.api_fastapi.app import create_app, get_auth_manager
        from starlette.testclient import TestClient

        application = create_app(apps="core")
        manager: Any = get_auth_manager()
        passwords = json.loads(Path(manager.get_generated_password_file()).read_text())
        yield Site(lambda: TestClient(application, root_path=BASE), passwords)
