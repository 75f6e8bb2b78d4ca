"""The emulator's clock, a source of epoch seconds plus an offset that only grows, and what is due at a time of it."""

from __future__ import annotations

import heapq
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_AHEAD_SECONDS = 1e10


class Clock:
    """
    The time for token lives, windows, stamps and the journal.

    :param source: gives epoch seconds; a test passes its own.
    """

    def __init__(self, source: Callable[[], float] = time.time) -> None:
        self._source = source
        self.offset_seconds = 0.0

    def now(self) -> float:
        """Epoch seconds, shifted by all that was advanced."""
        return self._source() + self.offset_seconds

    def advance(self, seconds: float) -> None:
        """
        Move the clock ahead.

        :param seconds: how far; never back, since a fixed window could then open twice.
        :raises ValueError: negative or no number, or so far that no calendar has such a day.
        """
        if not 0 <= seconds < MOST_AHEAD_SECONDS - self.offset_seconds:
            raise ValueError(
                "seconds must be a number from 0 up: the clock never runs back, nor further ahead than 300 years"
            )
        self.offset_seconds += seconds


class Scheduler:
    """
    Changes that are due at a time of the clock, soonest first.

    Nothing runs by itself: each request, to whichever service, first runs what is due.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, Callable[[float], None]]] = []
        self._count = 0

    def schedule(self, due_at: float, run: Callable[[float], None]) -> None:
        """
        Run something once the clock is there.

        :param due_at: epoch seconds.
        :param run: is called with that time.
        """
        self._count += 1
        heapq.heappush(self._waiting, (due_at, self._count, run))

    def run_due(self, now: float) -> None:
        """Run all that is due; ``now`` in epoch seconds."""
        while self._waiting and self._waiting[0][0] <= now:
            due_at, _, run = heapq.heappop(self._waiting)
            run(due_at)
