"""
A request counts as sent only if a byte of it was handed to a connected socket. This is known, not guessed.

``urllib3`` reports a failed connect and a lost answer with error classes that overlap, hides some errors while writing,
and applies the connect timeout to writing too. So these connections report for themselves: an error inside
``connect()`` (name, route, proxy tunnel, TLS) becomes :class:`NotConnected`, which it does not catch, and the current
:class:`Attempt` remembers whether sending began.

An attempt always ends. Its deadline applies to each single wait, so an answer that arrives byte by byte can't extend
it, nor can its head or its interim answers. The number of bytes that are read is limited too.

A connection that was idle for long is not used again. Firewalls and NAT gateways drop such connections silently; a
request on one would be lost, and nobody would know whether it had arrived.
"""

from __future__ import annotations

import functools
import http.client
import io
import os
import socket
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from urllib3.poolmanager import PoolManager
from urllib3.util.retry import Retry
from urllib3.util.timeout import Timeout

if TYPE_CHECKING:
    from urllib3.connectionpool import HTTPConnectionPool
    from urllib3.response import BaseHTTPResponse

MOST_IDLE_SECONDS = 30.0
"""Less than the usual idle timeouts of firewalls and gateways; the shortest one known of a cloud is a minute."""

_POOL_SIZE = 32
_FIRST_FINAL_STATUS = 200
_MALFORMED = "the head of the answer is malformed"


class NotConnected(Exception):  # noqa: N818 - a state, not an error of its own; its cause says why
    """Connecting failed: no byte of the request has left. ``__cause__`` is the reason."""


class AnswerTooLong(Exception):  # noqa: N818 - as above; urllib3 does not catch it
    """The answer has more bytes than the attempt accepts."""


class Attempt:
    """
    One request of one thread; entered around the call into ``urllib3``.

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


@functools.cache
def _phased_pool(pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
    connection = type(f"Phased{pool.ConnectionCls.__name__}", (_Phased, pool.ConnectionCls), {})
    return type(f"Phased{pool.__name__}", (pool,), {"ConnectionCls": connection})


class MissingBundleError(OSError):
    """The file or directory of the certificate authorities is not there."""


class Connections:
    """
    The connections to one service. They verify TLS, keep no cookies, follow no redirect and read no netrc.

    :param base_url: ``scheme://host[:port]``.
    :param proxy: address of the proxy before it; None: none.
    :param bundle: file or directory of certificate authorities; None: those of ``certifi``.
    :raises MissingBundleError: it is not there, and TLS is spoken.
    """

    def __init__(self, base_url: str, *, proxy: str | None, bundle: str | None) -> None:
        manager = PoolManager(num_pools=1, maxsize=_POOL_SIZE) if proxy is None else _manager_behind(proxy)
        classes = manager.pool_classes_by_scheme
        manager.pool_classes_by_scheme = {scheme: _phased_pool(pool) for scheme, pool in classes.items()}
        parts = urlsplit(base_url)
        is_tls = "https" in (parts.scheme, proxy and manager.proxy and manager.proxy.scheme)
        certificates = _certificates(bundle) if is_tls else {}
        self._pool = manager.connection_from_host(
            parts.hostname, parts.port, parts.scheme, pool_kwargs=certificates
        )
        # A proxy to which the request itself goes, and no tunnel, is told where it is to go.
        self._prefix = base_url if self._pool.proxy is not None and parts.scheme == "http" else ""

    def send(
        self,
        http_method: str,
        path: str,
        *,
        body: bytes | None,
        headers: Mapping[str, str],
        connect_timeout_seconds: float,
        read_timeout_seconds: float,
    ) -> BaseHTTPResponse:
        """Send one request, once, and return the answer, whose body is not read yet."""
        return self._pool.urlopen(
            http_method,
            self._prefix + path,
            body=body,
            headers=headers,
            timeout=Timeout(connect=connect_timeout_seconds, read=read_timeout_seconds),
            retries=Retry(0, read=False),
            redirect=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
        )

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.close()


def _manager_behind(proxy: str) -> PoolManager:
    # Imported where there is a proxy, since it costs as much as all of the rest.
    from airflow_channel_provider.api.proxies import manager_behind

    return manager_behind(proxy, connections=_POOL_SIZE)


def _certificates(bundle: str | None) -> dict[str, Any]:
    if bundle is None:
        import certifi

        bundle = certifi.where()
    if not os.path.exists(bundle):
        raise MissingBundleError(bundle)
    kind = "ca_cert_dir" if os.path.isdir(bundle) else "ca_certs"
    return {"cert_reqs": "CERT_REQUIRED", kind: bundle}
