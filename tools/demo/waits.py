"""Wait until everything is there, and say meanwhile what is missing."""

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
    Wait until nothing is missing any more.

    :param what: is waited for.
    :param missing: names what is; None when nothing is.
    :param check: raises when something has ended that must not.
    :param progress: where to say it.
    :param seconds: how long at most.
    :param pause_seconds: between two looks.
    :raises DemoSetupError: something is missing after that time.
    """
    until = time.monotonic() + seconds
    while (names := missing()) is not None:
        check()
        progress.update(f"{what}: {names}")
        if time.monotonic() > until:
            raise DemoSetupError(f"{what}: {names} not there after {seconds:.0f} s")
        time.sleep(pause_seconds)
