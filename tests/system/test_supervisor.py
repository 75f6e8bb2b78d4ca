"""The supervisor ends what a command starts, also what tried to run away."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from system.processes import Snapshot, eventually, working_in
from tools.demo import supervisor

SLEEP = "import time; time.sleep(60)"
# Starts a process in a session of its own and ends: what is left has no parent that knows it.
RUNAWAY = f"""
import subprocess, sys, time
subprocess.Popen([sys.executable, '-c', {SLEEP!r}], start_new_session=True)
"""
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); {SLEEP}"
SUPERVISOR = [sys.executable, "-I", str(Path(supervisor.__file__)), "0.3"]


def supervised(code: str, cwd: Path | None = None) -> subprocess.Popen[bytes]:
    command = [*SUPERVISOR, sys.executable, "-c", code]
    return subprocess.Popen(command, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


@pytest.mark.parametrize(("code", "status"), [("raise SystemExit(0)", 0), ("raise SystemExit(7)", 7)])
def test_the_status_of_the_command_is_the_status_of_the_supervisor(code: str, status: int) -> None:
    with supervised(code) as process:
        assert process.wait(10) == status


@pytest.mark.parametrize("let_go", ["close", "terminate"])
@pytest.mark.parametrize(
    "code", [SLEEP, STUBBORN, f"{RUNAWAY}\ntime.sleep(60)"], ids=["plain", "deaf", "runaway"]
)
def test_letting_go_ends_the_command_and_its_descendants(code: str, let_go: str) -> None:
    with supervised(code) as process:
        wanted = 2 if "subprocess" in code else 1
        if "deaf" in code:
            assert process.stdout is not None
            process.stdout.readline()
        assert eventually(lambda: len(Snapshot.below(process.pid)) == wanted, seconds=10)
        below = Snapshot.below(process.pid)
        if let_go == "terminate":
            process.terminate()
        assert process.stdin is not None
        process.stdin.close()
        process.wait(10)
    assert below.alive() == []


def test_what_a_command_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    with supervised(RUNAWAY, cwd=tmp_path) as process:
        assert process.wait(10) == 0
    assert working_in(tmp_path) == []
