"""The emulator's clock: a source of epoch seconds plus an offset that only grows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Clock"]

MOST_AHEAD_SECONDS = 1e10


class Clock:
    """
    Tells the time for token lives, windows, stamps and the journal.

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
