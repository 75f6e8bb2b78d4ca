"""How fast all threads together may go: one pause for all, and at most so many calls in a second.

A refusal for being too fast concerns every thread: whoever meets it makes all of them pause, and the pause is taken
once. A pause ends early only when the work is stopped.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

from airflow_channel_provider.bulk.outcomes import StoppedError

__all__ = ["Pace"]

JITTER_SECONDS = 1.0
FIRST_PAUSE_SECONDS = 0.5


class Pace:
    """
    The one gate that every call goes through.

    :param calls_per_second: most calls in a second; None: as fast as they go.
    :param pause_max_seconds: longest pause where the service tells none.
    :param now: seconds of a steady clock.
    :param wait: waits for so many seconds; True if the work was stopped meanwhile.

    :ivar paused_seconds: how long all pauses were together.
    """

    def __init__(
        self,
        calls_per_second: float | None = None,
        *,
        pause_max_seconds: float = 30.0,
        now: Callable[[], float] = time.monotonic,
        wait: Callable[[float], bool] | None = None,
        random: Callable[[], float] = random.random,
    ) -> None:
        self._interval = 1.0 / calls_per_second if calls_per_second else 0.0
        self._pause_max_seconds = pause_max_seconds
        self._now = now
        self._random = random
        self._stopped = threading.Event()
        self._wait = wait or self._stopped.wait
        self._lock = threading.Lock()
        self._open_at = 0.0
        self._next_at = 0.0
        self._refusals = 0
        self._own = threading.local()
        self.paused_seconds = 0.0

    def acquire(self) -> None:
        """
        Wait until a call may be sent.

        :raises StoppedError: the work was stopped.
        """
        turn_at = self._reserve()
        while (seconds := turn_at - self._now()) > 0:
            self.sleep(seconds)
            if self._open_at > turn_at:  # a pause has begun meanwhile
                turn_at = self._reserve()
        self._pass()

    def rest(self) -> None:
        """
        Wait for the end of a pause, without taking a turn.

        :raises StoppedError: the work was stopped.
        """
        while (seconds := self._open_at - self._now()) > 0:
            self.sleep(seconds)
        self._pass()

    def _pass(self) -> None:
        if self._stopped.is_set():
            raise StoppedError
        self._own.passed_at = self._now()

    def sleep(self, seconds: float) -> None:
        """
        Wait for a while.

        :raises StoppedError: the work was stopped meanwhile.
        """
        if self._wait(seconds) or self._stopped.is_set():
            raise StoppedError

    def refused(self, told_seconds: float | None) -> int:
        """
        Make all threads pause, since the call that this one has sent was refused for being too fast.

        Calls that were under way when the pause began are refused too; they may make it longer, and count as the same
        refusal.

        :param told_seconds: how long the service asks to wait; None where it does not.
        :return: how many refusals came one after the other, with no success between them.
        """
        with self._lock:
            now = self._now()
            if getattr(self._own, "passed_at", now) >= self._open_at:
                self._refusals += 1
                pause = self._untold_seconds() if told_seconds is None else told_seconds
                pause += self._random() * JITTER_SECONDS
                self._open_at = now + pause
                self.paused_seconds += pause
            elif told_seconds is not None:
                self._open_at = max(self._open_at, now + told_seconds)
            return self._refusals

    def _untold_seconds(self) -> float:
        return min(self._pause_max_seconds, FIRST_PAUSE_SECONDS * 2.0 ** min(self._refusals, 16))

    def succeeded(self) -> None:
        """Note that the service answers again."""
        self._refusals = 0

    def stop(self) -> None:
        """Let nothing through any more, and wake who waits."""
        self._stopped.set()

    @property
    def is_stopped(self) -> bool:
        """Whether nothing is let through any more."""
        return self._stopped.is_set()

    def _reserve(self) -> float:
        """Return when this call may be sent, and keep that moment for it."""
        if not self._interval:
            return self._open_at
        with self._lock:
            turn_at = max(self._open_at, self._next_at, self._now())
            self._next_at = turn_at + self._interval
            return turn_at
