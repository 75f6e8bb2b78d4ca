"""How it goes, for people: a line now and then, a summary in the end, and the limit beyond which to stop."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from airflow_channel_provider.bulk.books import Books
from airflow_channel_provider.bulk.outcomes import Outcome
from airflow_channel_provider.exceptions import ChannelTooManyFailuresError

__all__ = ["FailureLimit", "Progress", "duration", "summary"]

JSON = Any
LEAST_ITEMS_FOR_A_SHARE = 100


class Progress:
    """
    Writes a line every few seconds.

    :param name: what is done.
    :param books: what is noted.
    :param expected: how many items there are; None where nothing tells.
    :param tell: takes a line.
    :param every_seconds: how often.
    :param now: seconds of a steady clock.
    """

    def __init__(
        self,
        name: str,
        books: Books,
        expected: Callable[[], int | None],
        tell: Callable[[str], object],
        *,
        every_seconds: float = 10.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._books = books
        self._expected = expected
        self._tell = tell
        self._every_seconds = every_seconds
        self._now = now
        self._started_at = self._told_at = now()

    def look(self) -> None:
        """Write a line if it is time to."""
        if self._now() - self._told_at >= self._every_seconds:
            self._told_at = self._now()
            self._tell(self.line())

    def line(self) -> str:
        """Return how it goes."""
        books = self._books
        seconds = max(self._now() - self._started_at, 1e-9)
        rate = (books.done - books.done_before) / seconds
        expected = self._expected()
        parts = [f"{self._name}: {books.done:,} done{_share(books.done, expected)}"]
        parts.append(f"{books.lost(books.counts):,} failed")
        parts.append(f"{rate:,.0f}/s")
        if expected is not None and rate > 0:
            parts.append(f"{duration(max(0, expected - books.done) / rate)} left")
        return ", ".join(parts)


def _share(done: int, expected: int | None) -> str:
    return f" of {expected:,} ({min(1.0, done / expected):.1%})" if expected else ""


def duration(seconds: float) -> str:
    """Return a length of time as people say it: ``45 s``, ``3 min``, ``2.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5_400 else f"{seconds / 3600:.1f} h"


def summary(name: str, books: Books, *, paused_seconds: float, dead_letter: str | None) -> dict[str, JSON]:
    """
    Return what came of it, over all tries.

    :param paused_seconds: how long this try paused for rate limits.
    :param dead_letter: where the lost items are, if there are any.
    """
    counts = {outcome.value: books.counts[outcome] for outcome in Outcome}
    seconds = books.seconds
    return {
        "name": name,
        "items": books.done,
        **counts,
        "done_before": books.done_before,
        "seconds": round(seconds, 1),
        "paused_seconds": round(paused_seconds, 1),
        "items_per_second": round(books.done / seconds, 1) if seconds > 0 else None,
        "first_errors": list(books.checkpoint.errors),
        "dead_letter": dead_letter if books.lost(books.counts) else None,
    }


class FailureLimit:
    """
    Says when it is not worth going on.

    :param most: so many items may be lost in one try: a count, or a share between 0 and 1; None: any number. A share
        is looked at after 100 items, and in the end.
    """

    def __init__(self, most: float | None) -> None:
        self._most = most
        self._is_share = isinstance(most, float)

    def check(self, books: Books, *, in_the_end: bool = False) -> None:
        """
        Compare the items that this try has settled with the limit.

        :raises ChannelTooManyFailuresError: too many are lost.
        """
        if self._most is None:
            return
        counts: Counter[Outcome] = books.counts_of_this_try()
        lost, done = books.lost(counts), counts.total()
        most = self._most * done if self._is_share else self._most
        if lost <= most or (self._is_share and done < LEAST_ITEMS_FOR_A_SHARE and not in_the_end):
            return
        first = books.checkpoint.errors[0] if books.checkpoint.errors else {}
        raise ChannelTooManyFailuresError(
            f"{lost:,} of {done:,} items failed, more than max_failures={self._most} allows; what was left was not "
            f"sent. The first error: {first.get('error')}: {first.get('message')}"
        )
