"""
Real servers for as long as a test needs them: Redis, PostgreSQL, MariaDB (or MySQL), from the system's packages.

Invariant: each listens on 127.0.0.1 only, on a port of its own, keeps its data in a directory of its own, and ends with
the process that started it, also by ``kill -9`` (Linux: the kernel sees to it). A server that the machine runs already
is left alone. Where a program is missing the tests fail and name its package, unless SKIP_SERVERS names the server.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import pytest
from typing_extensions import Self

from tools.demo.ports import free_port

SKIP_VARIABLE = "SKIP_SERVERS"
START_SECONDS = 60.0
POLL_SECONDS = 0.05
DEBIAN_POSTGRES = "/usr/lib/postgresql"

S = TypeVar("S", bound="Server")


def program(name: str, *, server: str, package: str, directories: tuple[str, ...] = ()) -> str:
    """Return the path of a program; Debian keeps some off the PATH of those who are not root."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", *directories])
    found = shutil.which(name, path=path)
    if found is not None:
        return found
    if server in os.environ.get(SKIP_VARIABLE, "").replace(",", " ").split():
        pytest.skip(f"{name} is not installed, and {SKIP_VARIABLE} allows that")
    pytest.fail(
        f"{name} was not found: apt-get install {package} (or allow it to be missing: {SKIP_VARIABLE}={server})",
        pytrace=False,
    )


class Server:
    """
    One server process, which can be killed and started again on its data.

    :param user: whom it runs as where we are root and it refuses to be.
    """

    user: str | None = None
    graceful = signal.SIGTERM

    def __init__(self) -> None:
        self.port = free_port()
        self.directory = Path(tempfile.mkdtemp(prefix="store-server-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._has_run = False
        self._give_away(self.directory)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def command(self) -> list[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    @property
    def running(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        """Start it and wait until it answers; again where it ends while a child of its last run may be left."""
        self._process = self._launch()
        until = time.monotonic() + START_SECONDS
        while not self.answers():
            has_ended = self._process.poll() is not None
            if time.monotonic() > until or (has_ended and not self._has_run):
                log = (self.directory / "output.log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{type(self).__name__} does not start: {log}")
            time.sleep(POLL_SECONDS)
            if has_ended:
                self._process = self._launch()
        self._has_run = True

    def _launch(self) -> subprocess.Popen[bytes]:
        with (self.directory / "output.log").open("ab") as output:
            return subprocess.Popen(
                [*self._prefix(with_parent=True), *self.command()],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def kill(self) -> None:
        """Kill it, as a crash does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Stop it, as the system's shutdown does."""
        self._end(self.graceful)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _prefix(self, *, with_parent: bool) -> list[str]:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            return []
        ending = ["--pdeathsig", "KILL"] if with_parent else []
        if self.user is None or os.geteuid() != 0:
            return [setpriv, *ending] if ending else []
        return [setpriv, *ending, f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups"]

    def run(self, *command: str) -> None:
        """Run a program as the server's user."""
        done = subprocess.run(
            [*self._prefix(with_parent=False), *command], cwd=self.directory, capture_output=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed: {(done.stderr + done.stdout).decode()[-2000:]}")

    def _give_away(self, path: Path) -> None:
        if self.user is not None and os.geteuid() == 0:
            with contextlib.suppress(
                LookupError
            ):  # no such user: its package is missing, which is told later
                shutil.chown(path, self.user, self.user)


class RedisServer(Server):
    """
    :param settings: more of its settings, as on its command line.
    :param append_only: keep the data over a crash.
    :param password: that it wants; none by default.
    """

    def __init__(self, *settings: str, append_only: bool = True, password: str = "") -> None:
        super().__init__()
        self.password = password
        self._program = program("redis-server", server="redis", package="redis-server")
        keep = "yes" if append_only else "no"
        self._settings = ["--save", "", "--appendonly", keep, "--appendfsync", "always", *settings]
        self._settings += ["--requirepass", password] if password else []

    def url(self, database: int) -> str:
        """Return the address of one of its databases, with the password."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/{database}"

    def command(self) -> list[str]:
        where = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory)]
        return [self._program, *where, *self._settings]

    def answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 2) as talk:
            talk.sendall(b"PING\r\n")
            # -NOAUTH is an answer too; -LOADING says that it is not ready
            return not talk.recv(100).startswith(b"-LOADING")
        return False


class PostgresServer(Server):
    """
    :param max_connections: how many clients it takes.
    :param durable: write through to the disk, for benchmarks; otherwise only a crash of the machine can cost anything.
    """

    user = "postgres"
    graceful = signal.SIGINT  # does not wait for its clients

    def __init__(self, *, max_connections: int = 100, durable: bool = False) -> None:
        super().__init__()
        versions = sorted(Path(DEBIAN_POSTGRES).glob("*/bin"), key=lambda path: path.parts[-2], reverse=True)
        directories = tuple(map(str, versions))
        self._program = program("postgres", server="postgres", package="postgresql", directories=directories)
        initdb = program("initdb", server="postgres", package="postgresql", directories=directories)
        data = f"--pgdata={self.directory / 'data'}"
        self.run(initdb, data, "--username=postgres", "--auth=trust", "--no-sync", "--locale=C.UTF-8")
        self._settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": str(max_connections),
            "fsync": "on" if durable else "off",
        }

    @property
    def url(self) -> str:
        import sqlalchemy

        # The SQLAlchemy of Airflow < 3.1 does not know psycopg.
        driver = "psycopg2" if sqlalchemy.__version__.startswith("1.") else "psycopg"
        return f"postgresql+{driver}://postgres@127.0.0.1:{self.port}/postgres"

    def create(self, database: str) -> None:
        """Create a database, beside the one that there is."""
        import psycopg

        with psycopg.connect(f"host=127.0.0.1 port={self.port} user={self.user}", autocommit=True) as session:
            session.execute(f"CREATE DATABASE {database}".encode())

    def command(self) -> list[str]:
        settings = [text for name, value in self._settings.items() for text in ("-c", f"{name}={value}")]
        return [self._program, "-D", str(self.directory / "data"), *settings]

    def answers(self) -> bool:
        return _queryable(self.url)


class MysqlServer(Server):
    """MariaDB, which Debian has in place of MySQL."""

    user = "mysql"

    def __init__(self) -> None:
        super().__init__()
        self._program = program("mariadbd", server="mysql", package="mariadb-server")
        install = program("mariadb-install-db", server="mysql", package="mariadb-server")
        self.run(install, "--no-defaults", f"--datadir={self.directory / 'data'}", "--skip-test-db")
        start = self.directory / "start.sql"
        start.write_text(
            "create database if not exists tokens;\n"
            "create user if not exists tests@'127.0.0.1';\ngrant all on tokens.* to tests@'127.0.0.1';\n"
        )
        start.chmod(0o644)

    @property
    def url(self) -> str:
        return f"mysql+pymysql://tests@127.0.0.1:{self.port}/tokens"

    def command(self) -> list[str]:
        return [
            self._program,
            "--no-defaults",
            f"--datadir={self.directory / 'data'}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            f"--socket={self.directory / 'socket'}",
            f"--pid-file={self.directory / 'pid'}",
            f"--init-file={self.directory / 'start.sql'}",
            "--skip-name-resolve",
            "--innodb-flush-log-at-trx-commit=0",
        ]

    def answers(self) -> bool:
        return _queryable(self.url)


def _queryable(url: str) -> bool:
    import sqlalchemy as sa

    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    try:
        with engine.connect() as connection:
            return bool(connection.scalar(sa.text("select 1")))
    except sa.exc.SQLAlchemyError:
        return False


class Servers:
    """
    Starts each server once.

    :param stack: stops them at its end.
    """

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._running: dict[type[Server], Server] = {}

    def of(self, kind: type[S]) -> S:
        """Return the server of a class, running."""
        if kind not in self._running:
            self._running[kind] = self._stack.enter_context(kind())
        server = self._running[kind]
        if not server.running:  # the last test had killed it
            server.start()
        assert isinstance(server, kind)
        return server

    def sql(self, name: str) -> PostgresServer | MysqlServer:
        return self.of(PostgresServer) if name == "postgres" else self.of(MysqlServer)
