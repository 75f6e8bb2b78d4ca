"""
Run a command and, when it has to end, end everything that it started.

Invariant: when the process that holds the other end of our stdin is gone, however it went, nothing of the command
is left. Stdin is a pipe whose only writer is the runner: the kernel closes it on kill -9 too. On Linux the supervisor
adopts orphans (child subreaper), so grandchildren that changed their process group or session are found as well.

    python -I supervisor.py GRACE_SECONDS COMMAND...

It exits with the status of the command. Imports nothing of this project: it is run by its path.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable

PR_SET_CHILD_SUBREAPER = 36
POLL_SECONDS = 0.1
LINUX = sys.platform.startswith("linux")


def adopt_orphans() -> None:
    """Make orphaned descendants children of this process, if the system can."""
    if LINUX:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap(command_pid: int) -> None:
    """Collect adopted children that have ended; the command's own status is left to its Popen."""
    with contextlib.suppress(ChildProcessError):
        while LINUX:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None or ended.si_pid == command_pid:
                return
            os.waitpid(ended.si_pid, 0)


def tell_all(what: int) -> bool:
    """Send a signal to all running descendants; return whether there were any."""
    alive = False
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE:
                alive = True
                process.send_signal(what)
    return alive


def wait_until(done: Callable[[], bool], seconds: float) -> bool:
    """Poll until `done` or until the time is over; return whether it is done."""
    until = time.monotonic() + seconds
    while not done():
        if time.monotonic() > until:
            return False
        time.sleep(POLL_SECONDS)
    return True


def end(command: subprocess.Popen[bytes], grace_seconds: float) -> None:
    """Ask the command to end, then its descendants, then kill the rest."""
    with contextlib.suppress(ProcessLookupError):
        command.terminate()
    wait_until(lambda: command.poll() is not None, grace_seconds)
    tell_all(signal.SIGTERM)
    if not wait_until(lambda: not tell_all(0), grace_seconds / 2):
        wait_until(lambda: not tell_all(signal.SIGKILL), grace_seconds)
    command.wait()
    reap(command.pid)


def watch(command: subprocess.Popen[bytes], signals: int) -> None:
    """Return when the command has ended, or when it has to."""
    while True:
        ready, _, _ = select.select([sys.stdin, signals], [], [])
        if sys.stdin in ready or set(os.read(signals, 512)) - {signal.SIGCHLD}:
            return
        reap(command.pid)
        if command.poll() is not None:
            return


def listen() -> int:
    """Return a descriptor that becomes readable at a signal; it holds the signal's number, as a byte."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for name in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(name, lambda *_: None)
    return reader


def main(arguments: list[str]) -> int:
    """Run the command until it ends or has to end."""
    grace_seconds, command_line = float(arguments[0]), arguments[1:]
    adopt_orphans()
    signals = listen()
    command = subprocess.Popen(command_line, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        watch(command, signals)
    finally:
        end(command, grace_seconds)
    status = command.returncode
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
