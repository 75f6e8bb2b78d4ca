"""Processes by name: one can be stopped, or die as if its machine were gone, and the others go on."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from system.processes import Snapshot, eventually, working_in
from tools.demo.airflow_home import DemoSetupError
from tools.demo.supervised import Command, SupervisedProcesses

if TYPE_CHECKING:
    from pathlib import Path

# A child in a process group of its own, as Airflow's tasks are, and both would tell if they were asked to end.
FAMILY = """
import os, pathlib, signal, sys, time
def tell(*_):
    pathlib.Path("asked").touch()
    sys.exit()
signal.signal(signal.SIGTERM, tell)
if os.fork() == 0:
    os.setpgid(0, 0)
time.sleep(60)
"""
SERVER = """
import socket, time
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
time.sleep(60)
"""


@pytest.fixture
def processes() -> Iterator[SupervisedProcesses]:
    with SupervisedProcesses() as started:
        yield started


def command(code: str, directory: Path) -> Command:
    directory.mkdir(exist_ok=True)
    return Command([sys.executable, "-c", code], os.environ, directory, directory / "output")


def family_of(processes: SupervisedProcesses, name: str) -> Snapshot:
    return Snapshot.below(processes.pid(name))


def test_a_kill_leaves_nothing_alive_and_asks_nobody(processes: SupervisedProcesses, tmp_path: Path) -> None:
    processes.start("doomed", command(FAMILY, tmp_path / "doomed"))
    processes.start("other", command(FAMILY, tmp_path / "other"))
    assert eventually(lambda: len(family_of(processes, "doomed")) == 2, seconds=10)
    assert eventually(lambda: len(family_of(processes, "other")) == 2, seconds=10)
    doomed, other = family_of(processes, "doomed"), family_of(processes, "other")
    processes.kill("doomed")
    assert doomed.alive() == []
    assert not (tmp_path / "doomed" / "asked").exists()
    assert (processes.names(), len(other.alive())) == (["other"], 2)


def test_a_stop_ends_those_that_are_named(processes: SupervisedProcesses, tmp_path: Path) -> None:
    for name in ("first", "second"):
        processes.start(name, command(FAMILY, tmp_path / name))
    # Two supervisors, each with a family of two.
    assert eventually(lambda: len(working_in(tmp_path)) == 6, seconds=10)
    processes.stop("first")
    assert working_in(tmp_path / "first") == []
    assert (processes.names(), len(working_in(tmp_path / "second"))) == (["second"], 3)
    processes.stop()
    assert working_in(tmp_path) == []


def test_an_end_that_nobody_asked_for_is_told_with_the_last_words(
    processes: SupervisedProcesses, tmp_path: Path
) -> None:
    processes.start("short", command("print('no such table'); raise SystemExit(3)", tmp_path))

    def checked() -> bool:
        processes.check()
        return False

    with pytest.raises(DemoSetupError, match=r"the short ended with status 3; .*\n.*no such table"):
        eventually(checked, seconds=10)


def test_a_port_is_told_to_be_whose_it_is(processes: SupervisedProcesses, tmp_path: Path) -> None:
    processes.start("server", command(SERVER, tmp_path))
    output = tmp_path / "output"
    assert eventually(lambda: output.read_text().strip().isdigit(), seconds=10)
    port = int(output.read_text())
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        assert port in processes.ports("server")
