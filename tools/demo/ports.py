"""Ports for servers of our own."""

from __future__ import annotations

import contextlib
import socket


def free_port(preferred: int = 0) -> int:
    """
    Return a port of 127.0.0.1 that nobody listens on.

    :param preferred: taken when it is free.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", preferred))
        if not probe.getsockname()[1]:
            probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number
