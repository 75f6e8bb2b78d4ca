"""Ports for servers of our own."""

from __future__ import annotations

import socket

from tools.demo.airflow_home import DemoSetupError


def free_port(preferred: int = 0) -> int:
    """
    Return a port of 127.0.0.1 that nobody listens on.

    :param preferred: taken when it is free.
    """
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            number: int = probe.getsockname()[1]
            return number
    raise DemoSetupError("no free port on 127.0.0.1")
