"""The servers of the tests: Redis keeps what it was told, PostgreSQL needs no root, and neither outlives its runner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis
from support.servers import PostgresServer, RedisServer
from system.processes import Snapshot, eventually

from fleet.conftest import ROOT
from tools.demo.components import listening_addresses

RUNNER = """
import signal, time
from support.servers import PostgresServer, RedisServer

signal.signal(signal.SIGINT, signal.default_int_handler)  # also where we run in the background of a shell
with RedisServer(), PostgresServer():
    print("up", flush=True)
    time.sleep(60)
"""


@contextmanager
def runner() -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    command = [sys.executable, "-c", RUNNER]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "killed"])
def test_no_server_outlives_its_runner(number: signal.Signals) -> None:
    with runner() as process:
        started = Snapshot.below(process.pid)
        assert started.owners("redis-server")
        assert started.owners("postgres")
        assert "root" not in started.owners("postgres")
        addresses = listening_addresses(started.processes)
        process.send_signal(number)
        process.wait(30)
    assert eventually(lambda: not started.alive(), seconds=30), started.alive()
    assert (len(addresses), {ip for ip, _ in addresses}) == (2, {"127.0.0.1"})


def test_redis_that_died_has_what_it_had_and_wants_its_password() -> None:
    with RedisServer(password="a-password") as server:
        with redis.Redis.from_url(server.url(1)) as client:
            client.set("ledger", "spent")
        server.kill()
        server.start()
        with redis.Redis.from_url(server.url(1)) as client:
            assert client.get("ledger") == b"spent"
        with redis.Redis(port=server.port) as client, pytest.raises(redis.AuthenticationError):
            client.ping()


def test_postgres_makes_a_database() -> None:
    with PostgresServer() as server:
        server.create("tokens")
        with pytest.raises(Exception, match="already exists"):
            server.create("tokens")
