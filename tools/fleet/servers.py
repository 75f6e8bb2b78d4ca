"""
Redis and PostgreSQL, started directly, for one run.

Invariant: they listen on 127.0.0.1 only, on ports of their own, want a password that no run had before, keep their
data in directories of their own, and have a supervisor. A server that the machine runs already is left alone.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tools.demo.airflow_home import DemoSetupError
from tools.demo.environment import clean_environment
from tools.demo.ports import free_port
from tools.demo.supervised import Command

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.demo.supervised import SupervisedProcesses

POSTGRES_USER = "postgres"
START_SECONDS = 30.0
POLL_SECONDS = 0.05
REMEDY = "run `make servers`"


class Redis:
    """
    A Redis that keeps its data over a restart (append-only file).

    :param processes: holds it.
    :param directory: belongs to it.
    """

    NAME = "redis"

    def __init__(self, processes: SupervisedProcesses, directory: Path) -> None:
        self._processes = processes
        self._directory = directory
        self.port = free_port()
        self.password = secrets.token_urlsafe(18)

    def url(self, database: int) -> str:
        """Return the address of one of its databases, with the password."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it and wait until it answers; what an earlier start left in the directory is there again."""
        program = shutil.which("redis-server")
        if program is None:
            raise DemoSetupError(f"redis-server was not found; {REMEDY}")
        data = self._directory / "data"
        data.mkdir(parents=True, exist_ok=True)
        settings = self._directory / "redis.conf"
        settings.touch(mode=0o600)
        settings.write_text(
            f"bind 127.0.0.1\nport {self.port}\nrequirepass {self.password}\n"
            f'dir "{data}"\nsave ""\nappendonly yes\nappendfsync everysec\n',
            encoding="utf-8",
        )
        self._processes.start(
            self.NAME,
            Command(
                arguments=(program, str(settings)),
                environment=clean_environment(),
                directory=self._directory,
                output=self._directory / "output.log",
            ),
        )
        _wait(self.NAME, self._processes, self._answers)

    def kill(self) -> None:
        """Kill it, as a crash does."""
        self._processes.kill(self.NAME)

    def _answers(self) -> bool:
        import redis

        try:
            with redis.Redis(port=self.port, password=self.password, socket_timeout=2) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


class Postgres:
    """
    A PostgreSQL with empty databases: Airflow's, and one for tokens.

    It refuses to run as root; then it runs as the user of the Debian package, in a directory below the system's one for
    temporary files, since that user may not see where we are.

    :param processes: holds it.
    :param directory: belongs to it; holds a link to the data where they are elsewhere.
    """

    NAME = "postgres"
    DATABASE, STORE_DATABASE = "airflow", "tokens"

    def __init__(self, processes: SupervisedProcesses, directory: Path) -> None:
        self._processes = processes
        self._directory = directory
        self._link = directory / "elsewhere"
        self.port = free_port()
        self.password = secrets.token_urlsafe(18)

    def url(self) -> str:
        """Return the address of Airflow's database, with the password."""
        return f"postgresql://{POSTGRES_USER}:{self.password}@127.0.0.1:{self.port}/{self.DATABASE}"

    def start(self) -> None:
        """Make it anew, start it, wait until it answers."""
        programs = _newest_postgres()
        directory = self._empty_directory()
        data = directory / "cluster"
        self._make(programs, directory, data)
        # A crash of this machine may cost the database; so nothing waits for the disk.
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
        }
        arguments = [text for name, value in options.items() for text in ("-c", f"{name}={value}")]
        self._processes.start(
            self.NAME,
            Command(
                arguments=(*_unprivileged(), str(programs / "postgres"), "-D", str(data), *arguments),
                environment=clean_environment(),
                directory=data,
                output=self._directory / "output.log",
            ),
        )
        _wait(self.NAME, self._processes, lambda: self._client(programs, "pg_isready", "--quiet"))
        for database in (self.DATABASE, self.STORE_DATABASE):
            if not self._client(programs, "createdb", database):
                raise DemoSetupError(f"PostgreSQL made no database; see {self._directory / 'output.log'}")

    def remove(self) -> None:
        """Remove its data."""
        for path in (self._directory / "data", self._link):
            if path.exists():
                shutil.rmtree(path.resolve())
        self._link.unlink(missing_ok=True)

    def _empty_directory(self) -> Path:
        """Make the directory, with the password in it, for whoever runs the server."""
        self.remove()
        self._directory.mkdir(parents=True, exist_ok=True)
        if os.geteuid():
            directory = self._directory / "data"
            directory.mkdir(mode=0o700)
        else:
            directory = Path(tempfile.mkdtemp(prefix="fleet-postgres-"))
            self._link.symlink_to(directory)
        password = directory / "password"
        password.touch(mode=0o600)
        password.write_text(self.password, encoding="ascii")
        if not os.geteuid():
            for path in (directory, password):
                shutil.chown(path, POSTGRES_USER, POSTGRES_USER)
        return directory

    def _make(self, programs: Path, directory: Path, data: Path) -> None:
        initdb = [
            *_unprivileged(),
            str(programs / "initdb"),
            f"--pgdata={data}",
            f"--username={POSTGRES_USER}",
            f"--pwfile={directory / 'password'}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ]
        with (self._directory / "output.log").open("ab") as stream:
            made = subprocess.run(
                initdb,
                cwd=directory,
                env=clean_environment(),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                check=False,
            )
        if made.returncode:
            raise DemoSetupError(f"PostgreSQL could not be made; see {self._directory / 'output.log'}")

    def _client(self, programs: Path, program: str, *arguments: str) -> bool:
        where = {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": POSTGRES_USER}
        with (self._directory / "output.log").open("ab") as stream:
            done = subprocess.run(
                [str(programs / program), *arguments],
                env={**clean_environment(), **where, "PGPASSWORD": self.password},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                check=False,
            )
        return done.returncode == 0


def _newest_postgres() -> Path:
    """Return where the programs of the newest PostgreSQL are; Debian keeps them off the PATH."""
    found = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    newest = max(found, key=lambda path: float(path.parts[-3]), default=None)
    if newest is None:
        raise DemoSetupError(f"/usr/lib/postgresql/*/bin/postgres was not found; {REMEDY}")
    return newest.parent


def _unprivileged() -> tuple[str, ...]:
    if os.geteuid():
        return ()
    return ("setpriv", f"--reuid={POSTGRES_USER}", f"--regid={POSTGRES_USER}", "--clear-groups")


def _wait(name: str, processes: SupervisedProcesses, ready: Callable[[], bool]) -> None:
    until = time.monotonic() + START_SECONDS
    while not ready():
        processes.check()
        if time.monotonic() > until:
            raise DemoSetupError(f"the {name} server does not answer after {START_SECONDS:.0f} s")
        time.sleep(POLL_SECONDS)
