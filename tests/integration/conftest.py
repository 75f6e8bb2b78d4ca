"""The stores and their servers: a server is started when the first test needs it, and serves all tests of the run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
from support.airflow_api import AirflowApi, migrate, running_api
from support.airflow_features import REST_API, skip_unless
from support.backends import BACKENDS, Backend, S3Backend, SqlBackend
from support.emulator_caller import Caller
from support.servers import Servers

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


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    with ExitStack() as stack:
        yield Servers(stack)


@contextmanager
def _resting(backend: Backend) -> Iterator[Backend]:
    yield backend
    backend.rest()


def _which(condition: Callable[[type[Backend]], bool]) -> list[str]:
    return [name for name, kind in BACKENDS.items() if condition(kind)]


def _opened(name: str, servers: Servers, tmp_path: Path) -> AbstractContextManager[Backend]:
    return _resting(BACKENDS[name].make(servers, tmp_path))


@pytest.fixture(params=list(BACKENDS))
def backend(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Iterator[Backend]:
    """Each store."""
    with _opened(request.param, servers, tmp_path) as opened:
        yield opened


@pytest.fixture(params=_which(lambda kind: kind.is_shared()))
def shared(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Iterator[Backend]:
    """Each store that processes share."""
    with _opened(request.param, servers, tmp_path) as opened:
        yield opened


@pytest.fixture(params=_which(lambda kind: kind.is_shared() and not kind.spared))
def crowded(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Iterator[Backend]:
    """Each store that crowds of processes share."""
    with _opened(request.param, servers, tmp_path) as opened:
        yield opened


@pytest.fixture(params=_which(lambda kind: kind.killable))
def killable(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Iterator[Backend]:
    """Each store whose server a test may kill, and must be patient with if it does."""
    with _opened(request.param, servers, tmp_path) as opened:
        yield opened


@pytest.fixture(params=_which(lambda kind: kind.served))
def served(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Iterator[Backend]:
    """Each store behind a server."""
    with _opened(request.param, servers, tmp_path) as opened:
        yield opened


@pytest.fixture(params=_which(lambda kind: issubclass(kind, SqlBackend)))
def on_sql(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Iterator[Backend]:
    """The store in each database."""
    with _opened(request.param, servers, tmp_path) as opened:
        yield opened


@pytest.fixture
def on_postgres(servers: Servers, tmp_path: Path) -> Iterator[Backend]:
    """The store in PostgreSQL."""
    with _opened("postgres", servers, tmp_path) as opened:
        yield opened


@pytest.fixture
def on_redis(servers: Servers, tmp_path: Path) -> Iterator[Backend]:
    """The store in Redis."""
    with _opened("redis", servers, tmp_path) as opened:
        yield opened


@pytest.fixture
def on_s3(servers: Servers, tmp_path: Path) -> Iterator[S3Backend]:
    """The store in a bucket."""
    with _resting(S3Backend.make(servers, tmp_path)) as opened:
        assert isinstance(opened, S3Backend)
        yield opened
        opened.server.fail()


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


@pytest.fixture
def airflow_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Questions lead to forms of this Airflow."""
    from support.questions import BASE

    monkeypatch.setenv("AIRFLOW__API__BASE_URL", BASE)
