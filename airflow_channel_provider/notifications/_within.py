"""Work that somebody waits for, but not for longer than agreed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as WaitTimeoutError
from typing import TypeVar

__all__ = ["run_within"]

T = TypeVar("T")


def run_within(seconds: float, work: Callable[[], T]) -> T:
    """
    Return what work returns, if that does not take too long.

    Work that takes longer goes on in a thread that keeps no process alive, and nobody learns what it came to.

    :param seconds: how long to wait.
    :raises TimeoutError: it has not ended by then.
    """
    outcome: Future[T] = Future()
    threading.Thread(target=_settle, args=(outcome, work), name="alert", daemon=True).start()
    try:
        return outcome.result(timeout=seconds)
    except WaitTimeoutError as error:  # no TimeoutError of Python's own before 3.11
        if outcome.done():
            raise
        raise TimeoutError(f"it took longer than {seconds:.0f} s") from error


def _settle(outcome: Future[T], work: Callable[[], T]) -> None:
    try:
        outcome.set_result(work())
    except BaseException as error:  # raised again where it is waited for
        outcome.set_exception(error)
