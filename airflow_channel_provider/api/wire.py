"""
A request counts as sent only if a byte of it was handed to a connected socket. This is known, not guessed.

``requests`` and ``urllib3`` report a failed connect and a lost answer with error classes that overlap, hide some errors
while writing, and apply the connect timeout to writing too. So these connections report for themselves: an error inside
``connect()`` (name, route, proxy tunnel, TLS) becomes :class:`NotConnected`, which neither library catches, and the
current :class:`Attempt` remembers whether sending began.

An attempt always ends. Its deadline applies to each single wait, so an answer that arrives byte by byte can't extend
it, nor can its head or its interim answers. The number of bytes that are read is limited too.

A connection that was idle for long is not used again. Firewalls and NAT gateways drop such connections silently; a
request on one would be lost, and nobody would know whether it had arrived.
"""

from __future__ import annotations

import base64
import functools
import http.client
import io
import socket
import threading
import time
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_auth_from_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from urllib3.connectionpool import HTTPConnectionPool
    from urllib3.poolmanager import PoolManager

MOST_IDLE_SECONDS = 30.0
"""Less than the usual idle timeouts of firewalls and gateways; the shortest one known of a cloud is a minute."""

_POOL_SIZE = 32
_FIRST_FINAL_STATUS = 200
_MALFORMED = "the head of the answer is malformed"


class NotConnected(Exception):  # noqa: N818 - a state, not an error of its own; its cause says why
    """Connecting failed: no byte of the request has left. ``__cause__`` is the reason."""


class AnswerTooLong(Exception):  # noqa: N818 - as above; neither library catches it
    """The answer has more bytes than the attempt accepts."""


class Attempt:
    """
    One request of one thread; entered around the call into ``requests``.

    :param read_timeout_seconds: longest silence while writing and reading.
    :param deadline: monotonic time at which the whole request must be over.
    :param most_bytes: maximum number of bytes that are read, including head and framing.
    """

    __slots__ = ("bytes_left", "deadline", "read_timeout_seconds", "response", "sent", "wait_seconds")

    def __init__(self, read_timeout_seconds: float, deadline: float, most_bytes: int) -> None:
        self.read_timeout_seconds = read_timeout_seconds
        self.wait_seconds = read_timeout_seconds
        self.deadline = deadline
        self.bytes_left = most_bytes
        self.response: http.client.HTTPResponse | None = None
        self.sent = False

    def timeout_seconds(self) -> float:
        """
        Return the maximum length of the next wait.

        :raises TimeoutError: the deadline has passed.
        """
        remaining = self.deadline - time.monotonic()
        if remaining <= 0:
            msg = "the deadline of the request has passed"
            raise TimeoutError(msg)
        return min(self.wait_seconds, remaining)

    def expired(self) -> bool:
        """Return whether the deadline has passed."""
        return time.monotonic() >= self.deadline

    def __enter__(self) -> Attempt:
        _current.attempt = self
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        del _current.attempt
        if kind is not None and self.response is not None:
            # If the headers can't be parsed, urllib3 leaves the answer and its socket to the garbage collector.
            self.response.close()


class _Current(threading.local):
    attempt: Attempt


_current = _Current()


class _BoundedReader(io.RawIOBase):
    """Reads from a socket within the limits of an attempt; ``http.client`` makes its file object from it."""

    def __init__(self, sock: socket.socket, attempt: Attempt) -> None:
        self._sock = sock
        self._attempt = attempt
        self._open = sock.makefile("rb", buffering=0)  # it counts as a user of the socket until it is closed

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        sock, attempt = self._sock, self._attempt
        sock.settimeout(attempt.timeout_seconds())
        count = sock.recv_into(buffer)
        attempt.bytes_left -= count
        if attempt.bytes_left < 0:
            raise AnswerTooLong
        return count

    def close(self) -> None:
        if not self.closed:
            self._open.close()
            super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        attempt = _current.attempt
        attempt.response = self
        super().__init__(_BoundedReader(sock, attempt), *args, **kwargs)  # type: ignore[arg-type]

    def begin(self, **options: Any) -> None:
        """Read the head of the answer, and skip each interim answer before it, 100 or another."""
        super().begin(**options)
        while self.status < _FIRST_FINAL_STATUS:
            # If it were taken for the answer, the next request on this connection would get the real one.
            self.headers = self.msg = None  # type: ignore[assignment]
            super().begin(**options)
        if self.headers.defects:
            # The headers after a malformed line are lost, and one of them may say where the answer ends.
            raise http.client.HTTPException(_MALFORMED)


class _Phased:
    """Mixed into each connection class of urllib3 (plain, TLS, SOCKS)."""

    response_class = _Response
    sock: Any
    timeout: Any
    used_at = 0.0

    @property
    def is_connected(self) -> bool:
        """Whether it may be used again; if not, the pool closes it and opens a new one."""
        return super().is_connected and time.monotonic() - self.used_at < MOST_IDLE_SECONDS  # type: ignore[misc]

    def getresponse(self) -> Any:
        answer = super().getresponse()  # type: ignore[misc]
        self.used_at = time.monotonic()
        return answer

    def connect(self) -> None:
        attempt = _current.attempt
        sent_before = attempt.sent
        attempt.wait_seconds = self.timeout
        try:
            super().connect()  # type: ignore[misc]
            attempt.timeout_seconds()  # a deadline that has passed ends it here, before anything is sent
        except Exception as error:
            raise NotConnected from error
        finally:
            # From here on the read timeout applies: writing is not connecting.
            attempt.wait_seconds = attempt.read_timeout_seconds
            attempt.sent = sent_before  # a proxy's CONNECT is not the request

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        attempt = _current.attempt
        self.sock.settimeout(attempt.timeout_seconds())
        attempt.sent = True
        super().send(data)  # type: ignore[misc]


class _PhasedPool:
    """Mixed into each pool class of urllib3."""

    def urlopen(
        self, method: str, url: str, body: Any, headers: Mapping[str, str], *more: Any, **options: Any
    ) -> Any:
        # urllib3 copies the headers. Those of requests do that by an isinstance() that asks all classes of mappings in
        # the process, which is a tenth of what a call costs a task whose parent has imported everything.
        return super().urlopen(method, url, body, dict(headers), *more, **options)  # type: ignore[misc]


@functools.cache
def _phased_pool(pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
    connection = type(f"Phased{pool.ConnectionCls.__name__}", (_Phased, pool.ConnectionCls), {})
    return type(f"Phased{pool.__name__}", (_PhasedPool, pool), {"ConnectionCls": connection})


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

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Verify the peer of TLS: for a service without TLS, that may be the proxy before it."""
        super().cert_verify(conn, "https:" if conn.scheme == "https" else url, verify, cert)  # type: ignore[no-untyped-call]

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        """Send a proxy the user and password of its address; they may contain letters of any language."""
        user, password = get_auth_from_url(proxy)
        login = base64.b64encode(f"{user}:{password}".encode("utf-8", "replace")).decode()
        return {"Proxy-Authorization": f"Basic {login}"} if user else {}

    def close(self) -> None:
        """Close the idle connections now; urllib3 would leave them to the garbage collector."""
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            for key in manager.pools.keys():  # noqa: SIM118 - no mapping that could be iterated
                pool = manager.pools.get(key)
                if pool is not None:
                    pool.close()
        super().close()


class _Session(requests.Session):
    def get_redirect_target(self, resp: Any) -> None:
        """Return None: following a redirect, or even preparing to, could carry a token to another host."""


def new_session() -> requests.Session:
    """Build a session that connects only through phased connections, keeps no cookies and reads no environment."""
    session = _Session()
    # netrc would replace the Authorization header, and reading the environment costs time on each request.
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    session.adapters.clear()
    adapter = _Adapter(pool_connections=4, pool_maxsize=_POOL_SIZE, max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session
