"""
Processes by name, each under a supervisor.

Invariant: every process that is started here has a supervisor (supervisor.py), so that none outlives the runner,
however that ends. The output of a process goes to a file.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from tools.demo.airflow_home import DemoSetupError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from typing_extensions import Self

GRACE_SECONDS = 2.0
POLL_SECONDS = 0.05
SUPERVISOR = Path(__file__).with_name("supervisor.py")


@dataclass(frozen=True)
class Command:
    """
    What to start.

    :param arguments: the program and its arguments.
    :param environment: all of it.
    :param directory: to start in.
    :param output: file for what it prints; what was there is kept.
    """

    arguments: Sequence[str]
    environment: Mapping[str, str]
    directory: Path
    output: Path


class SupervisedProcesses:
    """Starts and stops processes; all that still run at the end of the ``with`` block are stopped."""

    def __init__(self) -> None:
        self._supervisors: dict[str, subprocess.Popen[bytes]] = {}
        self._outputs: dict[str, Path] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, name: str, command: Command) -> None:
        """
        Start a process.

        :param name: nothing of this name may run.
        :param command: what to start.
        """
        with command.output.open("ab") as stream:
            self._supervisors[name] = subprocess.Popen(
                [sys.executable, "-I", str(SUPERVISOR), str(GRACE_SECONDS), *command.arguments],
                env=dict(command.environment),
                cwd=command.directory,
                stdin=subprocess.PIPE,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        self._outputs[name] = command.output

    def pid(self, name: str) -> int:
        """Return the process id of a supervisor; what it has started is below it."""
        return self._supervisors[name].pid

    def names(self) -> list[str]:
        """Return the names of the processes that were started and neither killed nor stopped."""
        return list(self._supervisors)

    def ports(self, name: str) -> set[int]:
        """Return the local ports of all TCP connections of a process and of all that it started."""
        found = set()
        for process in _below(self._supervisors[name].pid):
            with contextlib.suppress(psutil.Error):
                found |= {connection.laddr.port for connection in process.net_connections("tcp")}
        return found

    def check(self) -> None:
        """Raise DemoSetupError when one of them has ended."""
        for name, supervisor in self._supervisors.items():
            if supervisor.poll() is not None:
                output = self._outputs[name]
                tail = "\n".join(last_lines(output))
                raise DemoSetupError(
                    f"the {name} ended with status {supervisor.returncode}; {output}:\n{tail}"
                )

    def kill(self, name: str) -> None:
        """Kill a process and all that it started at once, as if its machine had failed."""
        supervisor = self._supervisors.pop(name)
        doomed: list[psutil.Process] = []
        # All are stopped before the first one dies, so that none sees the end of another and cleans up or starts a new
        # one.
        while found := [process for process in _below(supervisor.pid) if process not in doomed]:
            _signal(found, signal.SIGSTOP)
            doomed += found
        _signal(doomed, signal.SIGKILL)
        _end([supervisor])

    def stop(self, *names: str) -> None:
        """
        Stop processes, all at once, and wait until nothing is left.

        :param names: whose; all by default.
        """
        chosen = names or tuple(self._supervisors)
        _end([self._supervisors.pop(name) for name in chosen])


def last_lines(path: Path, count: int = 25) -> list[str]:
    """Return the end of a text file, or nothing where there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()[-count:]
    except FileNotFoundError:
        return []


def _end(supervisors: Sequence[subprocess.Popen[bytes]]) -> None:
    for supervisor in supervisors:
        if supervisor.stdin is not None:
            supervisor.stdin.close()
    until = time.monotonic() + 3 * GRACE_SECONDS
    while time.monotonic() < until and any(supervisor.poll() is None for supervisor in supervisors):
        time.sleep(POLL_SECONDS)
    for supervisor in supervisors:
        if supervisor.poll() is None:
            _kill_tree(supervisor.pid)
            supervisor.wait()


def _below(pid: int) -> list[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).children(recursive=True)
    return []


def _kill_tree(pid: int) -> None:
    with contextlib.suppress(psutil.Error):
        _signal([*_below(pid), psutil.Process(pid)], signal.SIGKILL)


def _signal(processes: Iterable[psutil.Process], number: int) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)
