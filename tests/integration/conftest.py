"""The stores and their servers: a server is started when the first test needs it, and serves all tests of the run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
from support.airflow_api import AirflowApi, migrate, running_api
from support.airflow_features import REST_API, skip_unless
from support.backends import Backend, FileBackend, MemoryBackend, RedisBackend, S3Backend, SqlBackend
from support.emulator_caller import Caller
from support.s3_server import S3Server
from support.servers import MysqlServer, PostgresServer, RedisServer, Server

from airflow_channel_provider.emulator import DEMO_APP_ID, DEMO_SECRET, EmulatorThread

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import DAG
    from support.task_run import Run

CANARY = "canary-4f6d0b1c"


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


@pytest.fixture(scope="module")
def running_emulator() -> Iterator[EmulatorThread]:
    with EmulatorThread() as emulator:
        yield emulator


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[EmulatorThread]:
    """An emulator with the default connection to it, and a connection ``canary`` with a password to look for."""
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", tmp_path.joinpath("store").as_uri())
    with EmulatorThread() as emulator:
        fields = {"conn_type": "channel_talk", "host": emulator.url, "login": DEMO_APP_ID}
        connection = {**fields, "password": DEMO_SECRET, "extra": {"channel_id": "ch-1"}}
        monkeypatch.setenv("AIRFLOW_CONN_CHANNEL_TALK_DEFAULT", json.dumps(connection))
        monkeypatch.setenv("AIRFLOW_CONN_CANARY", json.dumps({"conn_type": "http", "password": CANARY}))
        yield emulator


@pytest.fixture
def dag() -> Iterator[DAG]:
    """A DAG for the operators that are made."""
    from airflow.providers.common.compat.sdk import DAG

    with DAG("d", schedule=None) as dag:
        yield dag


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run a task as a worker would."""
    from support.task_run import task_runs  # Airflow before 3.0 has no such runner

    with task_runs(monkeypatch) as run:
        yield run


@pytest.fixture
def caller(running_emulator: EmulatorThread) -> Iterator[Caller]:
    """A client of an emulator that is as it was started."""
    running_emulator.reset()
    with requests.Session() as session:
        session.trust_env = False
        yield Caller(running_emulator, session)


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy and no bundle of authorities of the caller."""
    for name in (
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "no_proxy",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
    ):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


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


def _on_redis(servers: Servers, tmp_path: Path) -> Backend:
    on_redis = RedisBackend(servers.redis())
    on_redis.client().flushall()
    return on_redis


def _on_s3(servers: Servers, tmp_path: Path) -> Backend:
    on_s3 = S3Backend(servers.s3())
    on_s3.server.fail()
    return on_s3


def _on_sql(name: str) -> Callable[[Servers, Path], Backend]:
    def make(servers: Servers, tmp_path: Path) -> Backend:
        server = servers.sql(name)
        on_sql = SqlBackend(server.url, server)
        on_sql.clear()
        return on_sql

    return make


@dataclass(frozen=True)
class Registered:
    """
    One kind of store.

    :param make: makes it, empty.
    :param shared: among processes.
    :param crowded: crowds of processes try it at once; MySQL, which runs the code of PostgreSQL, is spared.
    :param served: it is behind a server, whose clock counts.
    :param killable: the server may be killed, and keeps what it was told.
    """

    make: Callable[[Servers, Path], Backend]
    shared: bool = True
    crowded: bool = True
    served: bool = True
    killable: bool = False


STORES = {
    "memory": Registered(
        lambda servers, tmp_path: MemoryBackend(), shared=False, crowded=False, served=False
    ),
    "file": Registered(lambda servers, tmp_path: FileBackend(tmp_path / "tokens"), served=False),
    "redis": Registered(_on_redis, killable=True),
    "postgres": Registered(_on_sql("postgres"), killable=True),
    "mysql": Registered(_on_sql("mysql"), crowded=False),
    "sqlite": Registered(
        lambda servers, tmp_path: SqlBackend(f"sqlite:///{tmp_path}/tokens.db"), served=False
    ),
    "s3": Registered(_on_s3, killable=True),
}
"""Every store; a new one is added here, and the tests of what all of them promise run over it."""


def _backend(name: str, servers: Servers, tmp_path: Path) -> Backend:
    return STORES[name].make(servers, tmp_path)


def _which(trait: str) -> list[str]:
    return [name for name, registered in STORES.items() if getattr(registered, trait)]


@pytest.fixture(params=list(STORES))
def backend(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Iterator[Backend]:
    """Each store."""
    with _resting(_backend(request.param, servers, tmp_path)) as opened:
        yield opened


@pytest.fixture(params=_which("shared"))
def shared(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Iterator[Backend]:
    """Each store that processes share."""
    with _resting(_backend(request.param, servers, tmp_path)) as opened:
        yield opened


@pytest.fixture(params=_which("crowded"))
def crowded(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Iterator[Backend]:
    """Each store that crowds of processes share."""
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


@pytest.fixture(params=_which("killable"))
def killable(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Iterator[Backend]:
    """Each store whose server a test may kill, and must be patient with if it does."""
    with _resting(_backend(request.param, servers, tmp_path)) as opened:
        yield opened


@pytest.fixture(params=_which("served"))
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
