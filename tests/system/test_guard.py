"""Tests can't reach another machine, whatever they use to try."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Callable

# Reserved for documentation (RFC 5737): nobody answers, should the guard let it through.
ELSEWHERE = "192.0.2.1"


def udp() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", (ELSEWHERE, 9))


def listen_on_all() -> None:
    with socket.socket() as listener:
        listener.bind(("", 0))


@pytest.mark.parametrize(
    "reach",
    [
        lambda: socket.create_connection((ELSEWHERE, 9), timeout=1),
        lambda: socket.getaddrinfo("example.com", 443),
        lambda: socket.gethostbyname("example.com"),
        lambda: requests.get(f"http://{ELSEWHERE}/", timeout=1),
        lambda: asyncio.run(asyncio.wait_for(asyncio.open_connection(ELSEWHERE, 9), 1)),
        udp,
        listen_on_all,
    ],
    ids=[
        "socket",
        "getaddrinfo",
        "gethostbyname",
        "requests",
        "asyncio",
        "udp",
        "listening on all addresses",
    ],
)
def test_another_machine_is_out_of_reach(reach: Callable[[], object]) -> None:
    with pytest.raises(AssertionError, match=r"tests stay on 127\.0\.0\.1"):
        reach()


def test_a_name_that_cannot_exist_is_not_found_without_asking_anybody() -> None:
    with pytest.raises(socket.gaierror):
        socket.create_connection(("service.invalid", 443), timeout=1)


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost"])
def test_loopback_is_within_reach(address: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection((address, server.getsockname()[1]), timeout=5).close()
