"""One request through a transport, whose token must be in no error."""

from __future__ import annotations

import socket
import struct

import pytest

from airflow_channel_provider.api.transport import Response, Transport
from airflow_channel_provider.exceptions import (
    ChannelError,
)

TOKEN = "token-that-must-not-leak"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n" + b'{"result": 7}'


def reset(peer: socket.socket) -> None:
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def send(transport: Transport, *, body: bytes | None = b"{}", total: float | None = None) -> Response:
    return transport.send(
        "PUT",
        "/general/v1/native/functions",
        body=body,
        headers={"x-access-token": TOKEN},
        operation="getChannel",
        total_timeout_seconds=total,
    )


def failure(transport: Transport, *, total: float | None = None) -> ChannelError:
    with transport, pytest.raises(ChannelError) as caught:
        send(transport, total=total)
    assert TOKEN not in str(caught.value)
    assert caught.value.method == "getChannel"
    return caught.value
