"""The clock of this host: seconds since boot. Nobody can set it back, and it goes on while the host sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache, partial

steady: Callable[[], float] = partial(
    time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
)
"""Seconds since boot; comparable between the processes of one host only."""


@lru_cache(maxsize=1)
def boot_id() -> str | None:
    """
    Name this boot of this host.

    :return: None if the system has no such name; then :data:`steady` of another process can't be compared.
    """
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip() or None
    except OSError:
        return None
