"""However the runner ends, nothing that it started outlives it, and its home can be used again."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from system.conftest import DAGS, ROOT
from system.processes import Snapshot, eventually, working_in

if TYPE_CHECKING:
    from pathlib import Path


STARTING, RUNNING = "starting api-server", "started example_"
START_SECONDS, STOP_SECONDS = 600.0, 120.0
# The emulator, and a supervisor with a component four times.
LEAST_PROCESSES = 9


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Home of these runs, one after the other, with the one DAG that they run."""
    home = tmp_path_factory.mktemp("interrupted")
    (home / "dags").mkdir()
    shutil.copy(DAGS / "example_channel_talk_message.py", home / "dags")
    return home


@contextmanager
def runner(home: Path, *, until: str) -> Iterator[subprocess.Popen[str]]:
    """Run ``make demo`` without make, up to a line of its output."""
    command = [sys.executable, "-m", "tools.demo", "--home", str(home), "--dags", str(home / "dags")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        watchdog = threading.Timer(START_SECONDS, process.kill)
        watchdog.start()
        try:
            assert process.stdout is not None
            assert any(until in line for line in process.stdout), "the runner ended before it got there"
            yield process
        finally:
            watchdog.cancel()
            process.kill()


@pytest.mark.parametrize(
    ("number", "until", "status"),
    [
        (signal.SIGINT, RUNNING, 128 + signal.SIGINT),
        (signal.SIGTERM, STARTING, 128 + signal.SIGTERM),
        (signal.SIGKILL, RUNNING, -signal.SIGKILL),
    ],
    ids=["ctrl-c with tasks running", "terminated while starting", "killed with tasks running"],
)
def test_a_signal_ends_everything(home: Path, number: signal.Signals, until: str, status: int) -> None:
    with runner(home, until=until) as process:
        assert eventually(lambda: len(Snapshot.below(process.pid)) >= LEAST_PROCESSES, seconds=STOP_SECONDS)
        started = Snapshot.below(process.pid)
        process.send_signal(number)
        assert process.wait(STOP_SECONDS) == status
    assert eventually(lambda: not started.alive() and not working_in(home), seconds=STOP_SECONDS), (
        started.alive() + working_in(home)
    )


def test_a_second_runner_does_not_disturb_the_first(home: Path) -> None:
    with runner(home, until=STARTING) as process:
        command = [sys.executable, "-m", "tools.demo", "--home", str(home)]
        second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert (second.returncode, "another run is using" in second.stdout) == (2, True)
        assert process.poll() is None
        process.terminate()
        assert process.wait(STOP_SECONDS) == 128 + signal.SIGTERM
