"""Items that wait for a worker, in lanes: of each lane at most one is under way, and they go in their order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable
from queue import SimpleQueue

from airflow_channel_provider.bulk.items import Item

__all__ = ["Lanes"]


class Lanes:
    """
    Hands items out to workers.

    :param lane_of: names the lane of an item; None: each item has a lane of its own.
    """

    def __init__(self, lane_of: Callable[[Item], Hashable] | None = None) -> None:
        self._lane_of = lane_of
        self._ready: SimpleQueue[Item | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._busy: dict[Hashable, deque[Item]] = {}

    @property
    def ready(self) -> int:
        """How many items a worker could take now."""
        return self._ready.qsize()

    def add(self, item: Item) -> None:
        """Put an item at the end of its lane."""
        if self._lane_of is not None:
            lane = self._lane_of(item)
            with self._lock:
                if lane in self._busy:
                    self._busy[lane].append(item)
                    return
                self._busy[lane] = deque()
        self._ready.put(item)

    def take(self) -> Item | None:
        """Wait for an item whose lane is free; None: there is none any more."""
        return self._ready.get()

    def done(self, item: Item) -> None:
        """Free the lane of an item."""
        if self._lane_of is None:
            return
        lane = self._lane_of(item)
        with self._lock:
            waiting = self._busy[lane]
            if waiting:
                self._ready.put(waiting.popleft())
            else:
                del self._busy[lane]

    def close(self, workers: int) -> None:
        """Tell so many workers that there is nothing more."""
        for _ in range(workers):
            self._ready.put(None)
