"""
The whole deployment: servers, a central host, workers, the emulator.

Invariant: workers are stopped first, servers last.
"""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from support.servers import PostgresServer, RedisServer

from airflow_channel_provider.emulator import EmulatorProcess
from fleet.hosts import Host
from fleet.settings import AIRFLOW_DATABASE, REDIS_DATABASE_OF_TOKENS, TOKENS_DATABASE, fleet_settings
from tools.demo.airflow_home import DemoSetupError
from tools.demo.components import COMMANDS
from tools.demo.environment import USER, Keys
from tools.demo.home_lock import alone_in
from tools.demo.ports import free_port
from tools.demo.rest import AirflowRest
from tools.demo.started import Started
from tools.demo.supervised import SupervisedProcesses

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tools.demo.progress import Progress

REDIS_CONN_ID, SQL_CONN_ID = "fleet_redis", "fleet_sql"
REDIS_STORE, SQL_STORE = f"redis://{REDIS_CONN_ID}", f"sql://{SQL_CONN_ID}"
WORKERS = 2
READY = b" ready."
CHANNELS = ("ch-1", "ch-2", "ch-3")


@dataclass(frozen=True)
class Options:
    """
    The options of the deployment.

    :param home: directory that belongs to it.
    :param dags_folder: what is deployed to every host.
    :param apps: an app of Channel Talk each, with a quota and a connection of its own; both have its name.
    :param start_timeout_seconds: until each thing that is started is there.
    """

    home: Path
    dags_folder: Path
    apps: Sequence[str]
    start_timeout_seconds: float = 120.0


class Deployment(Started):
    """
    A fleet without workers; :meth:`staff` starts them.

    :param options: see there.
    :param progress: where to say what is going on.
    """

    def __init__(self, options: Options, progress: Progress) -> None:
        super().__init__(progress)
        self.options = options
        self.start_timeout_seconds = options.start_timeout_seconds
        self.components = SupervisedProcesses()
        self.workers = SupervisedProcesses()
        self.redis = RedisServer("--appendfsync", "everysec", password=secrets.token_urlsafe(18))
        self.postgres = PostgresServer(max_connections=200)
        self.hosts: dict[str, Host] = {}
        self._stores: dict[str, str] = {}
        self._api_port = free_port()
        self.rest = AirflowRest(f"http://127.0.0.1:{self._api_port}")
        self._passwords = options.home / "passwords.json"
        self._settings = fleet_settings(self.redis, self.postgres, Keys(), self._api_port, self._passwords)

    def _start(self) -> None:
        home = self.options.home
        self._stack.enter_context(alone_in(home))
        shutil.rmtree(home / "hosts", ignore_errors=True)
        self._stack.enter_context(self.redis)
        self._stack.enter_context(self.postgres)
        for database in (AIRFLOW_DATABASE, TOKENS_DATABASE):
            self.postgres.create(database)
        self.progress.step("Redis and PostgreSQL are up")
        secrets_of_apps = {app: secrets.token_hex(16) for app in self.options.apps}
        apps = [{"app_id": a, "secret": s, "channels": list(CHANNELS)} for a, s in secrets_of_apps.items()]
        self.emulator = self._stack.enter_context(EmulatorProcess(settings={"apps": apps}))
        password = secrets.token_urlsafe(12)
        self._passwords.touch(mode=0o600)
        self._passwords.write_text(json.dumps({USER: password}), encoding="utf-8")
        self._start_airflow()
        self.rest.log_in(USER, password)
        self._add_connections(secrets_of_apps)
        self.wait("waiting for the DAGs to be parsed", self._unparsed)
        # Entered last, so that they are stopped first.
        self._stack.enter_context(self.workers)

    def _start_airflow(self) -> None:
        central = self._new_host("central", self._settings)
        migrate = central.command("migrate", "db", "migrate")
        with migrate.output.open("ab") as stream:
            migrated = subprocess.run(
                migrate.arguments, env=migrate.environment, cwd=migrate.directory, stdin=subprocess.DEVNULL,
                stdout=stream, stderr=stream, check=False,
            )  # fmt: skip
        if migrated.returncode:
            raise DemoSetupError(f"the metadata database could not be made; see {migrate.output}")
        self.progress.step("the metadata database is migrated")
        self._stack.enter_context(self.components)
        for name, arguments in COMMANDS.items():
            self.components.start(name, central.command(name, *arguments))
        self.wait("waiting for", self.rest.missing_components)
        self.progress.step(f"Airflow is up with {', '.join(COMMANDS)}")

    def staff(self, store: str, count: int = WORKERS) -> None:
        """
        Make this number of workers take work, all with one token store.

        :param store: its address; workers with another one are stopped.
        """
        wrong = [name for name in self.workers.names() if self._stores[name] != store]
        if wrong:
            self.progress.step(f"stopping {', '.join(wrong)}")
            self.workers.stop(*wrong)
        for _ in range(count - len(self.workers.names())):
            self._add_worker(f"worker-{len(self._stores) + 1}", store)
        self.wait("waiting for", self._workers_not_ready)
        self.progress.step(f"{', '.join(self.workers.names())} take work, with the store {store}")

    def _add_worker(self, name: str, store: str) -> None:
        host = self._new_host(name, {**self._settings, "CHANNEL_TALK__STORE": store})
        arguments = ("--skip-serve-logs", "--without-gossip", "--without-mingle", "--celery-hostname", name)
        self.workers.start(name, host.command("worker", "celery", "worker", *arguments))
        self._stores[name] = store

    def _workers_not_ready(self) -> str | None:
        outputs = {name: self.hosts[name].output / "worker.log" for name in self.workers.names()}
        late = [name for name, path in outputs.items() if READY not in path.read_bytes()]
        return ", ".join(late) or None

    def kill_worker(self, name: str) -> None:
        """Kill a worker's whole host."""
        self.progress.step(f"killing {name}")
        self.workers.kill(name)

    def restart_redis(self, *, down_seconds: float) -> None:
        """
        Kill Redis and start it again.

        :param down_seconds: between the two.
        """
        self.progress.step(f"killing Redis for {down_seconds:.0f} s")
        self.redis.kill()
        time.sleep(down_seconds)
        self.redis.start()

    def worker_with_port(self, port: int) -> str | None:
        """Return which worker a connection from a port of 127.0.0.1 belongs to."""
        return next((name for name in self.workers.names() if port in self.workers.ports(name)), None)

    def _check(self) -> None:
        for processes in (self.components, self.workers):
            processes.check()

    def _new_host(self, name: str, settings: dict[str, str]) -> Host:
        self.hosts[name] = host = Host(self.options.home / "hosts" / name, name, settings)
        host.prepare(self.options.dags_folder)
        return host

    def _unparsed(self) -> str | None:
        errors = self.rest.import_errors()
        if errors:
            raise DemoSetupError(
                "\n".join(f"{file} could not be imported:\n{trace}" for file, trace in errors)
            )
        wanted = {path.stem for path in self.options.dags_folder.glob("*.py")}
        return ", ".join(sorted(wanted - set(self.rest.dags()))) or None

    def _add_connections(self, secrets_of_apps: dict[str, str]) -> None:
        emulator = urlsplit(self.emulator.url)
        for app, secret in secrets_of_apps.items():
            self.rest.add_connection(
                {
                    "connection_id": app,
                    "conn_type": "channel_talk",
                    "login": app,
                    "password": secret,
                    "schema": emulator.scheme,
                    "host": emulator.hostname,
                    "port": emulator.port,
                }
            )
        self.rest.add_connection(
            {
                "connection_id": REDIS_CONN_ID,
                "conn_type": "redis",
                "host": "127.0.0.1",
                "port": self.redis.port,
                "password": self.redis.password,
                "extra": json.dumps({"db": REDIS_DATABASE_OF_TOKENS}),
            }
        )
        self.rest.add_connection(
            {
                "connection_id": SQL_CONN_ID,
                "conn_type": "postgres",
                "host": "127.0.0.1",
                "port": self.postgres.port,
                "login": self.postgres.user,
                "schema": TOKENS_DATABASE,
            }
        )
