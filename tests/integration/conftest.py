"""The stores and their servers: a server is started when the first test needs it, and serves all tests of the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from support.airflow_api import AirflowApi, migrate, running_api
from support.airflow_features import REST_API, skip_unless
from support.backends import Backend, FileBackend, MemoryBackend, RedisBackend, S3Backend, SqlBackend
from support.s3_server import S3Server
from support.servers import MysqlServer, PostgresServer, RedisServer, Server

ALL = ["memory", "file", "redis", "postgres", "mysql", "sqlite", "s3"]
SHARED = ALL[1:]
CROWDED = ["file", "redis", "postgres", "sqlite", "s3"]
BEHIND_A_SERVER = ["redis", "postgres", "mysql", "s3"]


def pytest_configure(config: pytest.Config) -> None:
    """Let xdist take the files in the order below; by itself it takes those with the most tests first."""
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Put first the files that fork crowds of processes, then those with the most tests.

    A child copies the pages that it touches, and a worker grows from 100 to 900 MB in the course of a run.
    """
    tests = Counter(item.path for item in items)
    crowds = {item.path for item in items if item.get_closest_marker("crowd")}
    items.sort(key=lambda item: (item.path not in crowds, -tests[item.path]))


class Servers:
    """Starts each server once."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._running: dict[str, Server] = {}

    def redis(self) -> RedisServer:
        server = self._server("redis", RedisServer)
        assert isinstance(server, RedisServer)
        return server

    def sql(self, name: str) -> PostgresServer | MysqlServer:
        server = self._server(name, PostgresServer if name == "postgres" else MysqlServer)
        assert isinstance(server, PostgresServer | MysqlServer)
        return server

    def s3(self) -> S3Server:
        server = self._server("s3", S3Server)
        assert isinstance(server, S3Server)
        return server

    def _server(self, name: str, make: Callable[[], Server]) -> Server:
        if name not in self._running:
            server = make()
            self._stack.enter_context(server)
            self._running[name] = server
        if not self._running[name].running:  # the last test had killed it
            self._running[name].start()
        return self._running[name]


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    with ExitStack() as stack:
        yield Servers(stack)


@contextmanager
def _resting(backend: Backend) -> Iterator[Backend]:
    yield backend
    backend.rest()


def _backend(name: str, servers: Servers, tmp_path: Path) -> Backend:
    if name == "memory":
        return MemoryBackend()
    if name == "file":
        return FileBackend(tmp_path / "tokens")
    if name == "redis":
        on_redis = RedisBackend(servers.redis())
        on_redis.client().flushall()
        return on_redis
    if name == "sqlite":
        return SqlBackend(f"sqlite:///{tmp_path}/tokens.db")
    if name == "s3":
        on_s3 = S3Backend(servers.s3())
        on_s3.server.fail()
        return on_s3
    server = servers.sql(name)
    on_sql = SqlBackend(server.url, server)
    on_sql.clear()
    return on_sql


@pytest.fixture(params=ALL)
def backend(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Iterator[Backend]:
    """Each store."""
    with _resting(_backend(request.param, servers, tmp_path)) as opened:
        yield opened


@pytest.fixture(params=SHARED)
def shared(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Iterator[Backend]:
    """Each store that processes share."""
    with _resting(_backend(request.param, servers, tmp_path)) as opened:
        yield opened


@pytest.fixture(params=CROWDED)
def crowded(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Iterator[Backend]:
    """Each store that hundreds of processes share; MySQL, which runs the code of PostgreSQL, is spared."""
    with _resting(_backend(request.param, servers, tmp_path)) as opened:
        yield opened


@pytest.fixture
def on_postgres(servers: Servers, tmp_path: Path) -> Iterator[Backend]:
    """The store in PostgreSQL."""
    with _resting(_backend("postgres", servers, tmp_path)) as opened:
        yield opened


@pytest.fixture
def on_s3(servers: Servers, tmp_path: Path) -> Iterator[S3Backend]:
    """The store in a bucket."""
    with _resting(_backend("s3", servers, tmp_path)) as opened:
        assert isinstance(opened, S3Backend)
        yield opened
        opened.server.fail()


@pytest.fixture(params=["redis", "postgres", "s3"])
def killable(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Iterator[Backend]:
    """Each store whose server a test may kill, and must be patient with if it does."""
    with _resting(_backend(request.param, servers, tmp_path)) as opened:
        yield opened


@pytest.fixture(params=BEHIND_A_SERVER)
def served(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Iterator[Backend]:
    """Each store behind a server."""
    with _resting(_backend(request.param, servers, tmp_path)) as opened:
        yield opened


@pytest.fixture(scope="session")
def metadata_database() -> None:
    """Airflow's metadata database, in the AIRFLOW_HOME of this run."""
    migrate()


@pytest.fixture(scope="module")
def _application(metadata_database: None) -> Iterator[AirflowApi]:
    skip_unless(*REST_API)
    with running_api() as api:
        yield api


@pytest.fixture
def airflow_api(_application: AirflowApi) -> Iterator[AirflowApi]:
    """Airflow's REST API, whose Test button is enabled; the connections that a test makes go with it."""
    yield _application
    _application.remove_new()
