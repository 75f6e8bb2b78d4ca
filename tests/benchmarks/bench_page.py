"""What the page's data costs with 50 apps, 500 scopes and 10,000 token requests: read, described, written as JSON, and
asked for over HTTP with Airflow's own server around it, compressed."""

from __future__ import annotations

import json
import logging
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "WARNING"
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS"] = "True"
os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"

from support.backends import Backend, FileBackend, RedisBackend, SqlBackend
from support.records import app_record, now_of, write
from support.servers import PostgresServer, RedisServer

from airflow_channel_provider.hooks import _overviews
from airflow_channel_provider.tokens.stores.base import TokenStore

APPS, SCOPES, EVENTS = 50, 10, 200
RUNS = 20


def fill(backend: Backend) -> None:
    """Write the records of all apps."""
    store = backend.store()
    now = now_of(store)
    for number in range(APPS):
        ages = [float(150 * scope) for scope in range(SCOPES)]
        record = app_record(now, f"app-{number}", ages=ages, spent=number % 11, requests=EVENTS)
        write(store, f"key{number:04}", record)


def milliseconds(work: Callable[[], object]) -> tuple[float, float, float]:
    """Median and best by the clock, and median of the processor's time, which others on the machine do not stretch."""
    work()
    taken, busy = [], []
    for _ in range(RUNS):
        started, started_busy = time.perf_counter(), time.process_time()
        work()
        taken.append((time.perf_counter() - started) * 1e3)
        busy.append((time.process_time() - started_busy) * 1e3)
    return statistics.median(taken), min(taken), statistics.median(busy)


def tell(what: str, figures: tuple[float, float, float]) -> None:
    median, best, busy = figures
    print(f"  {what:<36}{median:7.1f} ms median{best:7.1f} ms best{busy:7.1f} ms of the processor")


def as_text(store: TokenStore) -> str:
    return json.dumps([app.as_json() for app in _overviews.overviews(store)])


def stores(home: Path, stack: ExitStack) -> Iterator[tuple[str, Backend]]:
    """Yield name and store."""
    yield "file", FileBackend(home / "files")
    yield "redis", RedisBackend(stack.enter_context(RedisServer()))
    yield "postgres", SqlBackend(stack.enter_context(PostgresServer()).url)
    yield "sqlite", SqlBackend(f"sqlite:///{home}/tokens.db")


@contextmanager
def endpoint(directory: Path) -> Iterator[Callable[[], bytes]]:
    """Yield a request for the data of a store in files."""
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True)
    os.environ["AIRFLOW__CHANNEL_TALK__STORE"] = directory.as_uri()
    from airflow.api_fastapi.app import create_app
    from starlette.testclient import TestClient

    logging.getLogger("http.access").setLevel(logging.WARNING)
    client = TestClient(create_app(apps="core"))
    token = client.get("/auth/token").json()["access_token"]

    def ask() -> bytes:
        answer = client.get("/channel-talk/api/quota", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200, answer.text
        return bytes(answer.content)

    yield ask


def main() -> None:
    print(f"{APPS} apps, {APPS * SCOPES} scopes, {APPS * EVENTS} token requests; {RUNS} runs")
    with TemporaryDirectory() as folder, ExitStack() as stack:
        home = Path(folder)
        for name, backend in stores(home, stack):
            fill(backend)
            store = backend.store()
            tell(f"{name}: read and describe", milliseconds(partial(_overviews.overviews, store)))
            tell(f"{name}: the same, as JSON text", milliseconds(partial(as_text, store)))
            backend.rest()
        with endpoint(home / "files") as ask:
            tell("file: GET /channel-talk/api/quota", milliseconds(ask))
            body = ask()
            data = json.loads(body)
            assert len(data["apps"]) == APPS
            assert sum(len(app["timeline"]) for app in data["apps"]) == APPS * EVENTS
            print(f"  {len(body) / 1e6:.2f} MB of JSON before compression")


if __name__ == "__main__":
    main()
