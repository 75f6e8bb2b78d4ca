"""Which items are settled: everything below a mark, and a few beyond it. Its size does not grow with the work.

The keys of all items that were taken are chained into a digest: whether a source gives the same items in the next try
is known before one of them is passed over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

__all__ = ["Ledger", "joined_ranges"]

DIGEST_BYTES = 16


@dataclass
class Ledger:
    """
    How far the work is.

    :param taken: so many items were taken from the source, in its order.
    :param digest: of the keys of those, in their order.
    :param mark: all items below this position are settled.
    :param beyond: the settled positions from there on.
    """

    taken: int = 0
    digest: bytes = b""
    mark: int = 0
    beyond: set[int] = field(default_factory=set)

    def take(self, key: str) -> None:
        """Take the next item."""
        # A key may hold half of a surrogate pair, as a text in JSON may.
        content = self.digest + key.encode("utf-8", "surrogatepass")
        self.digest = hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest()
        self.taken += 1

    def settle(self, position: int) -> None:
        """Note that an item is settled."""
        if position >= self.mark:
            self.beyond.add(position)
        while self.mark in self.beyond:
            self.beyond.remove(self.mark)
            self.mark += 1

    def is_settled(self, position: int) -> bool:
        """Tell whether an item is settled."""
        return position < self.mark or position in self.beyond

    @property
    def open(self) -> int:
        """How many items were taken and are not settled."""
        return self.taken - self.mark - len(self.beyond)

    @property
    def span(self) -> int:
        """How far the last item taken is from the first that is not settled."""
        return self.taken - self.mark


def joined_ranges(positions: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the positions as ranges: first, and one past the last."""
    start = end = None
    for position in sorted(positions):
        if start is not None and position == end:
            end += 1
            continue
        if start is not None and end is not None:
            yield start, end
        start, end = position, position + 1
    if start is not None and end is not None:
        yield start, end
