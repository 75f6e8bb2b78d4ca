"""A function that has room calls others without taking chunks of the stack from the operating system."""

from __future__ import annotations

import resource

import pytest

from airflow_channel_provider.stack_room import with_room

CALLS = 1000
DEPTHS = range(300)


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


def test_no_call_takes_a_chunk() -> None:
    # Without room, each of them does at two of these depths (CPython 3.11 to 3.13).
    assert max(with_room_at(depth) for depth in DEPTHS) < CALLS / 10


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
