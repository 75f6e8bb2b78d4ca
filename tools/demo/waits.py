"""Waits until everything is there, and shows what is missing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tools.demo.airflow_home import DemoSetupError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.demo.progress import Progress

POLL_SECONDS = 0.3


def wait_until_there(
    what: str,
    missing: Callable[[], str | None],
    *,
    check: Callable[[], None],
    progress: Progress,
    seconds: float,
    pause_seconds: float = POLL_SECONDS,
) -> None:
    """
    Wait until nothing is missing.

    :param what: the name of the wait.
    :param missing: names what is missing; None if nothing is.
    :param check: raises if a process has ended that must not end.
    :param progress: shows it.
    :param seconds: maximum time.
    :param pause_seconds: between two checks.
    :raises DemoSetupError: something is missing after that time.
    """
    until = time.monotonic() + seconds
    while (names := missing()) is not None:
        check()
        progress.update(f"{what}: {names}")
        if time.monotonic() > until:
            raise DemoSetupError(f"{what}: {names} not there after {seconds:.0f} s")
        time.sleep(pause_seconds)
