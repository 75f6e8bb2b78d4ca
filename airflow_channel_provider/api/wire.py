"""
Sent or not sent is proven, not guessed: nothing has left unless a byte of the request was handed to a
connected socket.

``requests`` and ``urllib3`` report a failed connect and a lost answer by classes that overlap, swallow some
errors while writing, and apply the connect timeout to writing too. So the connections here report for
themselves: whatever fails inside ``connect()`` (name, route, proxy tunnel, TLS) leaves as
:class:`NotConnected`, which neither library catches, and the current :class:`Attempt` remembers whether
sending began. The attempt's deadline holds for each single read, so that a server that drips its answer
byte by byte can't stretch it.
"""

from __future__ import annotations

import functools
import http.client
import io
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter

if TYPE_CHECKING:
    from urllib3.connectionpool import HTTPConnectionPool
    from urllib3.poolmanager import PoolManager

__all__ = ["Attempt", "NotConnected", "new_session"]

_POOL_SIZE = 32


class NotConnected(Exception):  # noqa: N818 - a state, not an error of its own; its cause tells
    """Connecting failed: no byte of the request has left. ``__cause__`` is the reason."""


class Attempt:
    """
    One request of one thread; entered around the call into ``requests``.

    :param read_timeout_seconds: longest silence while writing and reading.
    :param deadline: monotonic time at which the whole request must be over; None: no limit.
    """

    __slots__ = ("deadline", "read_timeout_seconds", "sent")

    def __init__(self, read_timeout_seconds: float, deadline: float | None) -> None:
        self.read_timeout_seconds = read_timeout_seconds
        self.deadline = deadline
        self.sent = False

    def timeout_seconds(self) -> float:
        """
        How long the next wait may last.

        :raises TimeoutError: the deadline has passed.
        """
        if self.deadline is None:
            return self.read_timeout_seconds
        remaining = self.deadline - time.monotonic()
        if remaining <= 0:
            msg = "the deadline of the request has passed"
            raise TimeoutError(msg)
        return min(self.read_timeout_seconds, remaining)

    def expired(self) -> bool:
        """Whether the deadline has passed."""
        return self.deadline is not None and time.monotonic() >= self.deadline

    def __enter__(self) -> Attempt:
        _current.attempt = self
        return self

    def __exit__(self, *_: object) -> None:
        _current.attempt = None


class _Current(threading.local):
    attempt: Attempt | None = None


_current = _Current()


class _DeadlineReader(io.RawIOBase):
    """Reads from a socket, with the attempt's remaining time as the timeout of each read."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, attempt: Attempt) -> None:
        self._raw = raw
        self._sock = sock
        self._attempt = attempt

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._raw.fileno()

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._attempt.timeout_seconds())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
            super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        attempt = _current.attempt
        if attempt is not None and attempt.deadline is not None:
            raw = self.fp.detach()
            self.fp = io.BufferedReader(_DeadlineReader(raw, sock, attempt))


class _Phased:
    """Mixed into each connection class of urllib3 (plain, TLS, SOCKS)."""

    response_class = _Response
    sock: Any
    timeout: Any

    def connect(self) -> None:
        attempt = _current.attempt
        sent_before = attempt is not None and attempt.sent
        try:
            super().connect()  # type: ignore[misc]
            if attempt is not None:
                # Writing is not connecting: from here on the read timeout counts.
                self.timeout = attempt.timeout_seconds()
                self.sock.settimeout(self.timeout)
        except Exception as error:
            raise NotConnected from error
        finally:
            if attempt is not None:
                attempt.sent = sent_before  # a proxy's CONNECT is not the request

    def request(self, *args: Any, **kwargs: Any) -> None:
        attempt = _current.attempt
        if attempt is not None and self.sock is not None:
            self.timeout = attempt.timeout_seconds()
        super().request(*args, **kwargs)  # type: ignore[misc]

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        if _current.attempt is not None:
            _current.attempt.sent = True
        super().send(data)  # type: ignore[misc]


@functools.cache
def _phased_pool(pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
    connection = type(f"Phased{pool.ConnectionCls.__name__}", (_Phased, pool.ConnectionCls), {})
    return type(f"Phased{pool.__name__}", (pool,), {"ConnectionCls": connection})


def _phase(manager: PoolManager) -> None:
    if not isinstance(manager.pool_classes_by_scheme, _PhasedPools):
        manager.pool_classes_by_scheme = _PhasedPools(
            {scheme: _phased_pool(pool) for scheme, pool in manager.pool_classes_by_scheme.items()}
        )


class _PhasedPools(dict[str, Any]):
    """Marks a manager whose pools are already ours."""


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        _phase(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        _phase(manager)
        return manager

    def close(self) -> None:
        """Close the idle connections now; urllib3 would leave that to the garbage collector."""
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            for key in manager.pools.keys():  # noqa: SIM118 - no mapping that could be iterated
                pool = manager.pools.get(key)
                if pool is not None:
                    pool.close()
        super().close()


class _Session(requests.Session):
    def get_redirect_target(self, resp: Any) -> None:
        """Nowhere: following, or even preparing to follow, could carry a token to another host."""


def new_session() -> requests.Session:
    """Build a session that connects only through phased connections, keeps no cookies and reads no environment."""
    session = _Session()
    # netrc would replace the Authorization header, and reading the environment costs time on each request.
    session.trust_env = False
    session.adapters.clear()
    adapter = _Adapter(pool_connections=4, pool_maxsize=_POOL_SIZE, max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session
