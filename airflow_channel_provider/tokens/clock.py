"""
Clocks that no one can turn back: seconds since boot, which nothing steps and which go on while the host sleeps.
"""

from __future__ import annotations

import time
from functools import lru_cache

__all__ = ["boot_id", "steady"]

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def steady() -> float:
    """Seconds since boot; comparable between the processes of one host, and only there."""
    return time.clock_gettime(_CLOCK)


@lru_cache(maxsize=1)
def boot_id() -> str | None:
    """
    Name this boot of this host.

    :return: None where the system has no such name; then nothing may be concluded from :func:`steady` of others.
    """
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip() or None
    except OSError:
        return None
