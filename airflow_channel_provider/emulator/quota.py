"""Fixed windows: at most ``limit`` hits between two edges; the edges never slide.

The token quota of Channel Talk is such a window (10 token requests in 30 minutes, per app). Where its edges lie is not
published, hence two anchors: ``first`` opens a window at the first hit, ``clock`` cuts time at multiples of its length.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_channel_provider.emulator.jsontypes import JSONObject

ANCHORS = ("first", "clock")
# A page shows marks as slots; nobody looks at more of them than this.
_MARKS_KEPT = 200


class FixedWindow:
    """
    Counts hits in the current window.

    :param limit: hits that are let through in one window.
    :param window_seconds: length of a window.
    :param anchor: ``first`` or ``clock``.
    :param counts_refused: whether a refused hit is counted too.
    """

    def __init__(
        self, limit: int, window_seconds: float, *, anchor: str = "first", counts_refused: bool = False
    ) -> None:
        self.limit = limit
        self.window_seconds = window_seconds
        self.anchor = anchor
        self.counts_refused = counts_refused
        self._start: float | None = None
        self._used = 0
        self._marks: list[JSONObject] = []

    def _roll(self, now: float) -> None:
        if self.anchor == "clock":
            start = now - now % self.window_seconds
            if self._start is None or start > self._start:
                self._open(start)
        elif self._start is not None and now >= self._start + self.window_seconds:
            self._open(None)

    def _open(self, start: float | None) -> None:
        self._start, self._used, self._marks = start, 0, []

    def hit(self, now: float, mark: JSONObject | None = None) -> bool:
        """
        Count one request, if there is room.

        :param now: epoch seconds.
        :param mark: kept for whoever looks at the window.
        :return: whether it is let through.
        """
        self._roll(now)
        allowed = self._used < self.limit
        if allowed or self.counts_refused:
            if self._start is None:
                self._start = now
            self._used += 1
            if mark is not None and len(self._marks) < _MARKS_KEPT:
                self._marks.append(mark)
        return allowed

    def used(self, now: float) -> int:
        """Hits counted in the window of ``now``."""
        self._roll(now)
        return self._used

    def remaining(self, now: float) -> int:
        """Hits that would still be let through in the window of ``now``."""
        return max(0, self.limit - self.used(now))

    def started_at(self, now: float) -> float | None:
        """Epoch seconds of the window's start; None while no window is open."""
        self._roll(now)
        return self._start

    def ends_at(self, now: float) -> float:
        """Epoch seconds at which the window ends; one whole window from now where none is open."""
        self._roll(now)
        return (now if self._start is None else self._start) + self.window_seconds

    def marks(self, now: float) -> list[JSONObject]:
        """What was handed to :meth:`hit` in the window of ``now``, oldest first."""
        self._roll(now)
        return list(self._marks)


def most_in_any_window(times: Iterable[float], window_seconds: float) -> int:
    """
    Largest number of events in any half-open stretch of time, wherever it starts.

    :param times: epoch seconds, ascending.
    :param window_seconds: length of the stretch; two events exactly this far apart are never in one.
    """
    inside: deque[float] = deque()
    most = 0
    for time in times:
        while inside and time - inside[0] >= window_seconds:
            inside.popleft()
        inside.append(time)
        most = max(most, len(inside))
    return most
