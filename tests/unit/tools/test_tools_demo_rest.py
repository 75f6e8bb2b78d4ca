"""An API server that fails now and then, as Airflow's does on SQLite, and what the demo makes of that."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support.peers import serving

from tools.demo import rest


@contextmanager
def answering(*statuses: int) -> Iterator[rest.AirflowRest]:
    """Serve these one after the other."""
    left = list(statuses)

    def answer(peer: socket.socket) -> None:
        peer.recv(65_536)
        status = left.pop(0)
        peer.sendall(f"HTTP/1.1 {status} X\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}".encode())

    with serving(answer) as server:
        yield rest.AirflowRest(server.url)
    assert left == []


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "PAUSE_SECONDS", 0.0)


@pytest.mark.parametrize(
    "statuses",
    [
        pytest.param((200, 201), id="at once"),
        pytest.param((500, 200, 503, 201), id="after a failure"),
        pytest.param((200, 500, 409), id="carried out although it said that it failed"),
    ],
)
def test_a_dag_is_triggered(statuses: tuple[int, ...]) -> None:
    with answering(*statuses) as api:
        api.trigger("dag", "run")


@pytest.mark.parametrize(
    "statuses",
    [
        pytest.param((500,) * rest.TRIES, id="fails each time"),
        pytest.param((200, 409), id="a run of that name was there before"),
        pytest.param((404,), id="refused"),
    ],
)
def test_what_stays_wrong_is_told(statuses: tuple[int, ...]) -> None:
    with answering(*statuses) as api, pytest.raises(rest.RestError, match=f"HTTP {statuses[-1]}"):
        api.trigger("dag", "run")
