"""
A lock among the threads of one process, which a forked child does not inherit.

A thread that holds a lock at the moment of a fork does not exist in the child, which would wait for it for ever.
"""

from __future__ import annotations

import os
import threading


class ProcessLock:
    """
    A reentrant lock for each process. It is called for that of the present one::

        with self._opening():
            ...
    """

    def __init__(self) -> None:
        self._by_pid: dict[int, threading.RLock] = {}

    def __call__(self) -> threading.RLock:
        """Return the lock of this process."""
        return self._by_pid.setdefault(os.getpid(), threading.RLock())  # one step: all threads get the same
