"""
Gives a function room on the stack for everything that it calls.

CPython (3.11 to 3.13 at least) keeps frames in chunks of 16 KiB. A frame that does not fit takes another chunk from the
operating system, and gives it back as soon as it ends. So a function that stands at the end of a chunk pays for that
with each small function that it calls, 10 us instead of 0.1. Nobody can see where a chunk ends, and a task stands deep
in Airflow: one call of a hook paid up to 2,000 times, which was half of what it cost.
"""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., object]")

_SLOTS = 4_200
"""Too many for a chunk of 32 KiB, so that CPython takes one of 64 KiB, of which nearly half is left."""


def with_room(function: F) -> F:
    """
    Let a function have a frame so large that it begins a larger chunk, in which there is room for about 150 frames.

    Each call of the function takes one chunk, 10 us, and an error that has passed it holds 34 kB as long as it lives.
    What the function does and returns is not changed.
    """
    plain = cast("FunctionType", function)
    plain.__code__ = plain.__code__.replace(co_stacksize=_SLOTS)
    return function
