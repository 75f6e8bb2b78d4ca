"""What is started as a whole, by several steps, is waited for, and is stopped again."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from tools.demo.airflow_home import DemoSetupError

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from tools.demo.progress import Progress

POLL_SECONDS = 0.3


class Started:
    """
    Base of a deployment.

    Invariant: what ``_start`` enters into ``_stack`` is stopped when the ``with`` block ends or the start fails, in the
    reverse order.

    :param progress: where to say what is going on.
    """

    start_timeout_seconds = 300.0
    """Maximum time until each thing that is started is there."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.step("stopping everything that was started")
        self._stack.close()

    def _start(self) -> None:
        raise NotImplementedError

    def _check(self) -> None:
        """
        Check the processes.

        :raises DemoSetupError: one has ended that must not end.
        """
        raise NotImplementedError

    def wait(
        self,
        what: str,
        missing: Callable[[], str | None],
        *,
        seconds: float | None = None,
        pause_seconds: float = POLL_SECONDS,
    ) -> None:
        """
        Wait until nothing is missing.

        :param what: the name of the wait.
        :param missing: names what is missing; None if nothing is.
        :param seconds: maximum time; default: ``start_timeout_seconds``.
        :param pause_seconds: between two checks.
        :raises DemoSetupError: something is missing after that time, or a process has ended.
        """
        seconds = seconds or self.start_timeout_seconds
        until = time.monotonic() + seconds
        while (names := missing()) is not None:
            self._check()
            self.progress.update(f"{what}: {names}")
            if time.monotonic() > until:
                raise DemoSetupError(f"{what}: {names} not there after {seconds:.0f} s")
            time.sleep(pause_seconds)
