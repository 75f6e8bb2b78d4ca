"""What each store costs: a warm read in a running process, in a new one, 200 cold processes, a leader that is killed.

Each figure stands beside the bare operation of its engine in the same run (reads through its client and nothing else),
so that the ratio says what is ours.
"""

from __future__ import annotations

import logging
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "WARNING"

import redis
import sqlalchemy as sa
from support.backends import Backend, FileBackend, RedisBackend, SqlBackend, die
from support.fleet import fork, together
from support.servers import PostgresServer, RedisServer

from airflow_channel_provider.emulator import EmulatorProcess
from airflow_channel_provider.tokens import policy

PROCESSES = 200
MOST_CLIENTS = 90
"""Bare clients of a database do not take turns, and it takes 100 at most."""

READS = 500
NEW_PROCESSES = 20
LEASE_SECONDS = 3.0
SETTINGS: dict[str, Any] = {"token_latency_seconds": 0.15}

Read = Callable[[], object]


def bare_file(directory: Path) -> Read:
    """Read all the files that there are."""

    def read() -> None:
        for path in sorted(directory.glob("*.json")) + sorted(directory.glob("*.token")):
            path.read_bytes()

    return read


def bare_redis(port: int) -> Read:
    """Read two keys."""
    client: Any = redis.Redis(host="127.0.0.1", port=port)

    def read() -> None:
        client.get("channel_talk:a")
        client.get("channel_talk:b")

    return read


def bare_sql(url: str) -> Read:
    """Read both tables through a connection that is held."""
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool, isolation_level="AUTOCOMMIT")
    held: list[sa.Connection] = []
    queries = [sa.text(f"select * from {name}") for name in ("channel_talk_document", "channel_talk_token")]

    def read() -> None:
        if not held:
            held.append(engine.connect())
        for query in queries:
            held[0].execute(query).fetchall()

    return read


def stores(home: Path, stack: ExitStack) -> Iterator[tuple[str, Backend, Callable[[], Read]]]:
    """Yield name, store and the maker of a bare read of each."""
    files = home / "files"
    yield "file", FileBackend(files), lambda: bare_file(files)
    redis_server = stack.enter_context(RedisServer())
    yield "redis", RedisBackend(redis_server), lambda: bare_redis(redis_server.port)
    postgres = stack.enter_context(PostgresServer(durable=True))
    yield "postgres", SqlBackend(postgres.url), lambda: bare_sql(postgres.url)
    sqlite = f"sqlite:///{home}/tokens.db"
    yield "sqlite", SqlBackend(sqlite), lambda: bare_sql(sqlite)


def running(backend: Backend, url: str, bare: Read) -> tuple[float, float]:
    """Microseconds of a look at document and token in a process that is connected, and of the bare reads."""
    task = backend.manager(url)
    scope = task.get().scope

    def look() -> None:
        task.repository.snapshot()
        task.repository.read_token(scope)

    figures = statistics.median(timed(look, READS)) * 1e6, statistics.median(timed(bare, READS)) * 1e6
    backend.rest()
    return figures


def new(backend: Backend, url: str, bare: Callable[[], Read]) -> tuple[float, float]:
    """Milliseconds of the first token of a forked process, connecting included, and of its bare reads."""

    def ours(_: int) -> float:
        task = backend.manager(url)
        return timed(task.get, 1)[0]

    def theirs(_: int) -> float:
        return timed(bare(), 1)[0]

    def typical(work: Callable[[int], float]) -> float:
        return float(statistics.median(together(1, work).results[0] for _ in range(NEW_PROCESSES))) * 1e3

    return typical(ours), typical(theirs)


def herd(
    backend: Backend, emulator: EmulatorProcess, bare: Callable[[], Read]
) -> tuple[float, float, float, int]:
    """Seconds of 200 processes that start together: cold, warm, and with bare reads; and the token requests."""

    def get(_: int) -> str:
        return backend.manager(emulator.url).get("ch-1").fingerprint

    def read(_: int) -> None:
        bare()()

    before = emulator.stats()["token_requests"]
    cold = together(PROCESSES, get)
    requests = emulator.stats()["token_requests"] - before
    warm = together(PROCESSES, get)
    engine = together(PROCESSES if not isinstance(backend, SqlBackend) else MOST_CLIENTS, read)
    assert cold.errors() == warm.errors() == []
    return cold.seconds, warm.seconds, engine.seconds, requests


def recovery(backend: Backend, url: str) -> float:
    """Seconds from the death of a leader, after its answer came, until the last of 8 others has a token."""

    def lead() -> None:
        task = backend.manager(url)
        task.repository.write_token = die  # type: ignore[method-assign]
        task.get("ch-2")

    def follow(_: int) -> None:
        backend.manager(url).get("ch-2")

    fork(lead).join()
    outcome = together(8, follow)
    assert outcome.errors() == []
    return outcome.seconds


def timed(work: Callable[[], object], count: int) -> list[float]:
    """Seconds of each of so many runs."""
    found = []
    for _ in range(count):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return found


def report(name: str, backend: Backend, bare: Callable[[], Read]) -> None:
    with EmulatorProcess(SETTINGS) as emulator:
        backend.manager(emulator.url).get()
        backend.rest()
        us, bare_us = running(backend, emulator.url, bare())
        print(
            f"{name:9} warm, running process {us:9.0f} us  bare {bare_us:7.0f} us  ratio {us / bare_us:5.1f}"
        )
        ms, bare_ms = new(backend, emulator.url, bare)
        print(
            f"{name:9} warm, new process     {ms:9.1f} ms  bare {bare_ms:7.1f} ms  ratio {ms / bare_ms:5.1f}"
        )
        cold, warm, engine, requests = herd(backend, emulator, bare)
        print(
            f"{name:9} {PROCESSES} cold processes   {cold * 1e3:9.0f} ms  bare {engine * 1e3:7.0f} ms  ratio "
            f"{cold / engine:5.1f}  warm {warm * 1e3:.0f} ms  token requests: {requests}"
        )
        lease = "seen at once" if backend.sees_death else f"lease {LEASE_SECONDS:.0f} s"
        print(f"{name:9} after kill -9         {recovery(backend, emulator.url) * 1e3:9.0f} ms  {lease}")


def main() -> None:
    logging.disable(logging.WARNING)
    policy.LEASE_SECONDS = LEASE_SECONDS
    with TemporaryDirectory() as home, ExitStack() as stack:
        for name, backend, bare in stores(Path(home), stack):
            report(name, backend, bare)


if __name__ == "__main__":
    main()
