"""
The environment of the processes of an Airflow.

Invariant: nothing of the caller's Airflow is read: every AIRFLOW* variable is removed, and so are proxies, since
everything is on 127.0.0.1. Keys are made for one run.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

UNWANTED = re.compile(r"AIRFLOW.*|PYTHON.*|VIRTUAL_ENV|.*_proxy", re.IGNORECASE)
USER = "admin"
# Nothing from or to the outside, and short waits.
COMMON_SETTINGS = {
    "CORE__LOAD_EXAMPLES": "False",
    "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
    "LOGGING__COLORED_CONSOLE_LOG": "False",
    "USAGE_DATA_COLLECTION__ENABLED": "False",
    "SCHEDULER__ENABLE_HEALTH_CHECK": "False",
    "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
    "SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
    "SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "2",
    "TRIGGERER__JOB_HEARTBEAT_SEC": "1",
    "DAG_PROCESSOR__REFRESH_INTERVAL": "10",
    # A file that has changed is parsed at once, whatever this is. Watchers of assets wait for it: see watching_run.py.
    "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600",
}


def clean_environment() -> dict[str, str]:
    """Return the caller's environment without the variables that change Airflow or Python."""
    return {name: value for name, value in os.environ.items() if not UNWANTED.fullmatch(name)}


def airflow_environment(home: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """
    Return the environment of a process of an Airflow.

    :param home: its AIRFLOW_HOME.
    :param settings: options by ``SECTION__KEY``, over the common ones.
    """
    return {
        **clean_environment(),
        **{f"AIRFLOW__{name}": value for name, value in {**COMMON_SETTINGS, **settings}.items()},
        "AIRFLOW_HOME": str(home),
        "NO_PROXY": "127.0.0.1,localhost",
        "PYTHONUNBUFFERED": "1",
    }


def api_settings(port: int, url: str | None = None, execution_url: str | None = None) -> dict[str, str]:
    """
    Return the address settings of the api-server, on 127.0.0.1 only.

    :param url: of the api-server, its path included; default: without one.
    :param execution_url: of the api-server that tasks talk to; default: the same.
    """
    url = url or f"http://127.0.0.1:{port}"
    return {
        "API__HOST": "127.0.0.1",
        "API__PORT": str(port),
        "API__BASE_URL": url,
        "CORE__EXECUTION_API_SERVER_URL": f"{execution_url or url}/execution/",
    }


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii")


@dataclass(frozen=True)
class Keys:
    """The keys that the processes of one Airflow share; no other run has them."""

    fernet: str = field(default_factory=_fernet_key, repr=False)
    jwt: str = field(default_factory=_fernet_key, repr=False)
    session: str = field(default_factory=_fernet_key, repr=False)

    def settings(self) -> dict[str, str]:
        """Return them as options."""
        return {
            "CORE__FERNET_KEY": self.fernet,
            "API_AUTH__JWT_SECRET": self.jwt,
            "API__SECRET_KEY": self.session,
        }
