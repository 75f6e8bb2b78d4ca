"""What happens by itself: people at the desk do something at a time, whether anybody calls or not."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Later"]


class Later:
    """What is still to happen, soonest first. Nothing runs in between: whoever looks catches up first."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, Callable[[float], None]]] = []
        self._count = 0

    def at(self, moment: float, do: Callable[[float], None]) -> None:
        """
        Let something happen at a moment.

        :param moment: epoch seconds.
        :param do: does it; is given that moment.
        """
        self._count += 1
        heapq.heappush(self._waiting, (moment, self._count, do))

    def catch_up(self, now: float) -> None:
        """Do all whose moment has come."""
        while self._waiting and self._waiting[0][0] <= now:
            moment, _, do = heapq.heappop(self._waiting)
            do(moment)
