"""A function that has room calls others without taking chunks of the stack from the operating system."""

from __future__ import annotations

import resource
import sys

import pytest

from airflow_channel_provider.stack_room import with_room

CALLS = 1000
DEPTHS = range(300)
HAS_CHUNKS = (3, 11) <= sys.version_info < (3, 14)


def leaf() -> None:
    pass


def faults_of_calls() -> int:
    """Return how many pages the kernel has given this process while it called a function many times."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(CALLS):
        leaf()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def at(depth: int) -> int:
    return faults_of_calls() if depth == 0 else at(depth - 1)


def with_room_at(depth: int) -> int:
    return roomy() if depth == 0 else with_room_at(depth - 1)


@with_room
def roomy() -> int:
    return faults_of_calls()


@pytest.mark.skipif(not HAS_CHUNKS, reason="How other versions of CPython keep frames is not known.")
def test_elsewhere_each_call_at_the_end_of_a_chunk_takes_another() -> None:
    assert max(at(depth) for depth in DEPTHS) >= CALLS


def test_with_room_none_does() -> None:
    assert max(with_room_at(depth) for depth in DEPTHS) < CALLS / 10


@pytest.mark.skipif(not HAS_CHUNKS, reason="How other versions of CPython keep frames is not known.")
@pytest.mark.parametrize("below", [1, 10, 75, 140])
def test_so_many_functions_have_room_below(below: int) -> None:
    @with_room
    def start(depth: int) -> int:
        return at(depth)

    assert start(below) < CALLS / 10


def test_nothing_else_is_changed() -> None:
    @with_room
    def add(a: int, /, *more: int, factor: int = 1, **named: int) -> int:
        """Add numbers."""
        return factor * (a + sum(more) + sum(named.values()))

    assert add(1, 2, factor=2, b=3) == 12
    assert (add.__name__, add.__doc__) == ("add", "Add numbers.")
    with pytest.raises(TypeError, match="positional"):
        add()  # type: ignore[call-arg]
