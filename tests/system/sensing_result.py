"""What a run of hundreds of waits left to look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from system.leaks import Leak

JSON = Any
MEGABYTE = 2**20


@dataclass(frozen=True)
class Sample:
    """
    The triggerer at a moment.

    :param seconds: since the first of its samples.
    :param memory_bytes: what its processes have for themselves.
    :param connections: that it has to the service.
    """

    seconds: float
    memory_bytes: int
    connections: int


@dataclass
class Watched:
    """
    What one triggerer did.

    :param chats: that it has looked at.
    :param looks: how often it looked, altogether.
    """

    name: str
    samples: list[Sample] = field(default_factory=list)
    chats: set[str] = field(default_factory=set)
    looks: int = 0

    def growth_bytes(self) -> float:
        """Return by how much the memory grew from the first third of the samples to the last."""
        third = max(1, len(self.samples) // 3)
        first, last = self.samples[:third], self.samples[-third:]
        return median(s.memory_bytes for s in last) - median(s.memory_bytes for s in first)

    def report(self) -> Iterator[str]:
        """Yield what a person wants to know."""
        curve = self.samples[:: max(1, len(self.samples) // 10)]
        yield (
            f"{self.name}: {self.looks} looks at {len(self.chats)} chats, at most "
            f"{max(sample.connections for sample in self.samples)} connections, memory grew by "
            f"{self.growth_bytes() / MEGABYTE:.2f} MB in {self.samples[-1].seconds:.0f} s: "
            + ", ".join(f"{s.seconds:.0f} s {s.memory_bytes / MEGABYTE:.1f} MB" for s in curve)
        )


@dataclass
class SensingRun:
    """
    A run that is over.

    :param count: how many sensors waited.
    :param watched: the triggerer that was killed, and the one that was started after it.
    :param states: the states of all task instances when the killed triggerer was gone, as Airflow saw them.
    :param instances: the task instances in the end.
    :param took_seconds: how long each part of the run took.
    """

    count: int
    watched: list[Watched] = field(default_factory=list)
    states: dict[str, int] = field(default_factory=dict)
    instances: list[JSON] = field(default_factory=list)
    token_requests: list[JSON] = field(default_factory=list)
    leaks: list[Leak] = field(default_factory=list)
    took_seconds: dict[str, float] = field(default_factory=dict)

    def report(self) -> Iterator[str]:
        """Yield what a person wants to know."""
        yield f"{self.count} sensors; {len(self.token_requests)} token requests"
        for watched in self.watched:
            yield from watched.report()
        yield ", ".join(f"{part}: {seconds:.0f} s" for part, seconds in self.took_seconds.items())
