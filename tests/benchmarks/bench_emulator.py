"""How many native calls a second the emulator answers, over connections that are kept open, from other processes.

Usage: ``python tests/benchmarks/bench_emulator.py [--clients 4] [--seconds 5] [--method writeUserChatMessage]``.
The clients write raw bytes to a socket: the figure is the emulator's, not that of an HTTP library.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import socket
import sys
import time
from typing import TYPE_CHECKING, Any
from urllib.request import ProxyHandler, Request, build_opener

from airflow_channel_provider.emulator import DEMO_SECRET, EmulatorProcess

if TYPE_CHECKING:
    from collections.abc import Sequence

PATH = "/general/v1/native/functions"
METHODS: dict[str, dict[str, Any]] = {
    "getUser": {"channelId": "ch-1", "userId": "user-ch-1-1"},
    "writeUserChatMessage": {
        "channelId": "ch-1",
        "userChatId": "chat-ch-1-1",
        "dto": {"plainText": "How are you today?", "botName": "bench"},
    },
}


def issue_token(url: str) -> str:
    """One channel token."""
    body = {"method": "issueToken", "params": {"secret": DEMO_SECRET, "channelId": "ch-1"}}
    request = Request(url + PATH, data=json.dumps(body).encode(), method="PUT")
    with build_opener(ProxyHandler({})).open(request) as answer:
        return str(json.loads(answer.read())["result"]["accessToken"])


def read_answer(connection: socket.socket, rest: bytes) -> bytes:
    """Read one answer; returns what came after it."""
    while b"\r\n\r\n" not in rest:
        rest += connection.recv(65536)
    head, _, body = rest.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode())
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    while len(body) < length:
        body += connection.recv(65536)
    if not body.startswith(b'{"result":'):
        raise RuntimeError(body[:300].decode())
    return body[length:]


def client(port: int, token: str, method: str, seconds: float, counts: multiprocessing.Queue[int]) -> None:
    """Call one after the other over one connection, for so long."""
    body = json.dumps({"method": method, "params": METHODS[method]}).encode()
    head = (
        f"PUT {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"x-access-token: {token}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    request, rest, count = head.encode() + body, b"", 0
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            connection.sendall(request)
            rest = read_answer(connection, rest)
            count += 1
    counts.put(count)


def measure(url: str, method: str, clients: int, seconds: float) -> float:
    """Calls per second of all clients together."""
    counts: multiprocessing.Queue[int] = multiprocessing.Queue()
    port, token = int(url.rpartition(":")[2]), issue_token(url)
    processes = [
        multiprocessing.Process(target=client, args=(port, token, method, seconds, counts))
        for _ in range(clients)
    ]
    started_at = time.monotonic()
    for process in processes:
        process.start()
    total = sum(counts.get(timeout=seconds + 30) for _ in processes)
    elapsed_seconds = time.monotonic() - started_at
    for process in processes:
        process.join()
    return total / elapsed_seconds


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and fail below the floor that was asked for."""
    parser = argparse.ArgumentParser(description="Native calls per second of the emulator")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--method", choices=sorted(METHODS), action="append")
    parser.add_argument(
        "--at-least", type=float, default=0.0, help="exit code 1 below so many calls a second"
    )
    arguments = parser.parse_args(argv)
    slowest = float("inf")
    for method in arguments.method or sorted(METHODS):
        with EmulatorProcess() as emulator:
            rate = measure(emulator.url, method, arguments.clients, arguments.seconds)
        slowest = min(slowest, rate)
        print(f"{method}: {rate:,.0f} calls/s from {arguments.clients} processes, {arguments.seconds:g} s")
    return 0 if slowest >= arguments.at_least else 1


if __name__ == "__main__":
    sys.exit(main())
