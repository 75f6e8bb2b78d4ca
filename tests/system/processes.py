"""Remember processes, and tell later which of them, or of those that work in a directory, are still there."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True)
class Snapshot:
    """Processes, told from later ones of the same number by when they started."""

    processes: tuple[psutil.Process, ...]

    @classmethod
    def below(cls, pid: int) -> Snapshot:
        """Everything that a process has started, directly or not."""
        return cls(tuple(psutil.Process(pid).children(recursive=True)))

    @classmethod
    def below_this_process(cls) -> Snapshot:
        """Everything that we have started, directly or not."""
        return cls.below(psutil.Process().pid)

    def __len__(self) -> int:
        return len(self.processes)

    def owners(self, name: str) -> set[str]:
        """Return whose the processes of a name are; one that has just done its work is left out."""
        found = set()
        for process in self.processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.name() == name:
                    found.add(process.username())
        return found

    def alive(self) -> list[str]:
        """Return those that still run."""
        return [_describe(process) for process in self.processes if _runs(process)]


def working_in(directory: Path) -> list[str]:
    """Return every process of this machine whose working directory is a given one or below it."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            cwd = process.cwd()
            if (cwd == str(directory) or cwd.startswith(f"{directory}/")) and _runs(process):
                found.append(_describe(process))
    return found


def eventually(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Poll a condition; tell whether it came true in time."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def _runs(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def _describe(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return f"{process.pid} {' '.join(process.cmdline())}"
    return str(process.pid)
