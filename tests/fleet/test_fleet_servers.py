"""The servers of the fleet: Redis keeps what it was told, PostgreSQL needs no root, and neither outlives its runner."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from system.processes import Snapshot, eventually

from fleet.conftest import ROOT
from tools.demo.components import listening_addresses
from tools.demo.supervised import SupervisedProcesses
from tools.fleet.servers import Postgres, Redis

RUNNER = """
import signal, sys, time
from pathlib import Path
from tools.demo.supervised import SupervisedProcesses
from tools.fleet.servers import Postgres, Redis

signal.signal(signal.SIGINT, signal.default_int_handler)  # also where we run in the background of a shell
home = Path(sys.argv[1])
with SupervisedProcesses() as processes:
    Redis(processes, home / "redis").start()
    Postgres(processes, home / "postgres").start()
    print("up", flush=True)
    time.sleep(60)
"""


@contextmanager
def runner(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", RUNNER, str(home)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "killed"])
def test_no_server_outlives_its_runner(tmp_path: Path, number: signal.Signals) -> None:
    with runner(tmp_path) as process:
        started = Snapshot.below(process.pid)
        assert started.owners("redis-server")
        assert started.owners("postgres")
        addresses = listening_addresses(started.processes)
        process.send_signal(number)
        process.wait(30)
    assert eventually(lambda: not started.alive(), seconds=30), started.alive()
    assert (len(addresses), {ip for ip, _ in addresses}) == (2, {"127.0.0.1"})
    Postgres(SupervisedProcesses(), tmp_path / "postgres").remove()


def test_redis_that_died_has_what_it_had(tmp_path: Path) -> None:
    with SupervisedProcesses() as processes:
        server = Redis(processes, tmp_path)
        server.start()
        with redis.Redis.from_url(server.url(1)) as client:
            client.set("ledger", "spent")
        server.kill()
        server.start()
        with redis.Redis.from_url(server.url(1)) as client:
            assert client.get("ledger") == b"spent"


def test_redis_wants_its_password(tmp_path: Path) -> None:
    with SupervisedProcesses() as processes:
        server = Redis(processes, tmp_path)
        server.start()
        with (
            redis.Redis(port=server.port) as client,
            pytest.raises(redis.AuthenticationError),
        ):
            client.ping()


def test_postgres_does_not_run_as_root(tmp_path: Path) -> None:
    with SupervisedProcesses() as processes:
        server = Postgres(processes, tmp_path)
        server.start()
        owners = Snapshot.below(processes.pid(Postgres.NAME)).owners("postgres")
        processes.stop()
    server.remove()
    assert owners
    assert "root" not in owners
    assert not list(tmp_path.glob("elsewhere/*"))
