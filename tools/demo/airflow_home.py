"""
The demo's own Airflow home: its settings, its metadata database, its directories.

Invariant: a run starts from an empty, migrated database, empty logs and an empty token store, with keys that no run
had before.
"""

from __future__ import annotations

import fcntl
import json
import secrets
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from tools.demo.environment import USER, Keys, airflow_environment, api_settings
from tools.demo.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Sequence


class DemoSetupError(Exception):
    """The demo could not be started; the message says what to look at."""


def migrated_database() -> Path:
    """
    Return the empty database of this environment's Airflow, to be copied: a copy takes no time, a migration seconds.

    It is made at the first call, and stays in the environment.

    :raises DemoSetupError: it could not be made.
    """
    made = Path(sys.prefix, f"airflow-{version('apache-airflow')}.db")
    with Path(sys.prefix, "airflow-db.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            with tempfile.TemporaryDirectory(dir=sys.prefix) as folder:
                database = Path(folder, "airflow.db")
                settings = {"DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{database}"}
                _migrate(Path(folder), airflow_environment(Path(folder), settings))
                with closing(sqlite3.connect(database)) as connection:
                    # To get one file that can be copied, the write-ahead log is moved into the database.
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                database.replace(made)
    return made


def _migrate(home: Path, environment: dict[str, str]) -> None:
    migrated = subprocess.run(
        [sys.executable, "-m", "airflow", "db", "migrate"],
        env=environment,
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if migrated.returncode:
        raise DemoSetupError(f"the metadata database could not be made:\n{migrated.stdout}{migrated.stderr}")


class AirflowHome:
    """
    The home of one Airflow.

    :param path: made when missing; everything below it belongs to the demo.
    :param dags_folder: where the DAGs are.
    :param api_port: port of the api-server on 127.0.0.1.
    :param users: who may log in; each is called by its role.
    :param base_path: path below which the api-server serves everything, such as ``/airflow``.
    :param database_url: of an empty metadata database; default: an SQLite file in the home.
    """

    def __init__(
        self,
        path: Path,
        *,
        dags_folder: Path,
        api_port: int,
        users: Sequence[str] = (USER,),
        base_path: str = "",
        database_url: str | None = None,
    ) -> None:
        self.path = path
        self.dags_folder = dags_folder
        self.api_url = f"http://127.0.0.1:{api_port}{base_path}"
        self.api_port = api_port
        self.execution_port = free_port()
        self.execution_url = f"http://127.0.0.1:{self.execution_port}{base_path}"
        self.passwords = {user: secrets.token_urlsafe(12) for user in users}
        self.logs = path / "logs"
        self.output = path / "output"
        self.tokens = path / "tokens"
        self.database = path / "airflow.db"
        self._database_url = database_url
        self._passwords_file = path / "passwords.json"
        self.warehouse = path / "warehouse.db"
        self.dead_letters = path / "dead_letters"
        self._keys = Keys()

    @property
    def password(self) -> str:
        """The password of the user with all rights."""
        return self.passwords[USER]

    def environment(self) -> dict[str, str]:
        """Return the environment of every process of this Airflow. It has no secret of the services."""
        settings = {
            "CORE__DAGS_FOLDER": str(self.dags_folder),
            "CORE__EXECUTOR": "LocalExecutor",
            "CORE__PARALLELISM": "8",
            "CORE__MAX_ACTIVE_TASKS_PER_DAG": "8",
            "CORE__DEFAULT_TASK_RETRY_DELAY": "5",
            "CORE__TEST_CONNECTION": "Enabled",
            "CORE__HOSTNAME_CALLABLE": "socket.gethostname",
            "CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{user}:{user}" for user in self.passwords),
            "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self._passwords_file),
            "DATABASE__SQL_ALCHEMY_CONN": self._database_url or f"sqlite:///{self.database}",
            "LOGGING__BASE_LOG_FOLDER": str(self.logs),
            "LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(self.logs / "dag_processor"),
            "CHANNEL_TALK__STORE": f"file://{self.tokens}",
            **self._keys.settings(),
            **api_settings(self.api_port, self.api_url, self.execution_url),
        }
        return airflow_environment(self.path, settings)

    def prepare(self) -> None:
        """Remove the last run and prepare an empty Airflow."""
        for directory in (self.logs, self.output, self.tokens):
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir(mode=0o700)
        self.warehouse.unlink(missing_ok=True)
        shutil.rmtree(self.dead_letters, ignore_errors=True)
        if self._database_url:
            _migrate(self.path, self.environment())
        else:
            self._remove_database()
            shutil.copyfile(migrated_database(), self.database)
        self._passwords_file.write_text(json.dumps(self.passwords), encoding="utf-8")
        self._passwords_file.chmod(0o600)

    def forget_tokens(self) -> None:
        """Empty the token store."""
        for path in self.tokens.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _remove_database(self) -> None:
        for name in ("airflow.db", "airflow.db-wal", "airflow.db-shm"):
            (self.path / name).unlink(missing_ok=True)
