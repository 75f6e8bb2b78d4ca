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
from tools.demo.leashes import Command, Leashes

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
def leashes() -> Iterator[Leashes]:
    with Leashes() as started:
        yield started


def command(code: str, directory: Path) -> Command:
    directory.mkdir(exist_ok=True)
    return Command([sys.executable, "-c", code], os.environ, directory, directory / "output")


def family_of(leashes: Leashes, name: str) -> Snapshot:
    return Snapshot.below(leashes.pid(name))


def test_a_kill_leaves_nothing_alive_and_asks_nobody(leashes: Leashes, tmp_path: Path) -> None:
    leashes.start("doomed", command(FAMILY, tmp_path / "doomed"))
    leashes.start("other", command(FAMILY, tmp_path / "other"))
    assert eventually(lambda: len(family_of(leashes, "doomed")) == 2, seconds=10)
    assert eventually(lambda: len(family_of(leashes, "other")) == 2, seconds=10)
    doomed, other = family_of(leashes, "doomed"), family_of(leashes, "other")
    leashes.kill("doomed")
    assert doomed.alive() == []
    assert not (tmp_path / "doomed" / "asked").exists()
    assert (leashes.names(), len(other.alive())) == (["other"], 2)


def test_a_stop_ends_those_that_are_named(leashes: Leashes, tmp_path: Path) -> None:
    for name in ("first", "second"):
        leashes.start(name, command(FAMILY, tmp_path / name))
    # Two leashes, each with a family of two.
    assert eventually(lambda: len(working_in(tmp_path)) == 6, seconds=10)
    leashes.stop("first")
    assert working_in(tmp_path / "first") == []
    assert (leashes.names(), len(working_in(tmp_path / "second"))) == (["second"], 3)
    leashes.stop()
    assert working_in(tmp_path) == []


def test_an_end_that_nobody_asked_for_is_told_with_the_last_words(leashes: Leashes, tmp_path: Path) -> None:
    leashes.start("short", command("print('no such table'); raise SystemExit(3)", tmp_path))

    def checked() -> bool:
        leashes.check()
        return False

    with pytest.raises(DemoSetupError, match=r"the short ended with status 3; .*\n.*no such table"):
        eventually(checked, seconds=10)


def test_a_port_is_told_to_be_whose_it_is(leashes: Leashes, tmp_path: Path) -> None:
    leashes.start("server", command(SERVER, tmp_path))
    output = tmp_path / "output"
    assert eventually(lambda: output.read_text().strip().isdigit(), seconds=10)
    port = int(output.read_text())
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        assert port in leashes.ports("server")
