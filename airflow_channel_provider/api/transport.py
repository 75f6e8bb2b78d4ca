"""
Sends requests to one service, each at most once.

An answer is returned as a :class:`Response`, whatever its status. Without one, ``ChannelNotSentError`` means that
provably nothing was sent, and ``ChannelAmbiguousResultError`` that the request may have taken effect. Nothing is
repeated here, TLS is always verified, redirects are not followed and netrc is not read.

No answer costs more than its limits, whatever the service sends: each request has a deadline, and each answer a size.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import requests
import requests.utils
from requests.structures import CaseInsensitiveDict

from airflow_channel_provider import __version__
from airflow_channel_provider.api.base_url import normalise_base_url
from airflow_channel_provider.api.response_body import read_body, too_large
from airflow_channel_provider.api.wire import AnswerTooLong, Attempt, new_session
from airflow_channel_provider.exceptions import (
    ChannelConfigurationError,
    ChannelError,
    ChannelNotSentError,
    ChannelResponseError,
)
from airflow_channel_provider.process_lock import ProcessLock
from airflow_channel_provider.values import Values

if TYPE_CHECKING:
    from types import TracebackType

USER_AGENT = f"airflow-channel-provider/{__version__}"
TOTAL_TIMEOUT_FACTOR = 10
"""A request may take so many times its read timeout altogether: by default 300 seconds, enough for the largest answer
at a megabit per second."""

_HEADERS = {"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": "gzip"}
_HEAD_BYTES = 2**20
_PROXY_LOGIN = 407
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class Response(Values):
    """
    An answer, whatever its status.

    :param status: HTTP status.
    :param headers: case-insensitive.
    :param body: complete and decompressed.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"Response(status={self.status})"


class Transport:
    """
    Sends requests to one service. Opens nothing before the first; may be shared by threads and survives a
    fork.

    :param base_url: ``scheme://host[:port]``, see :func:`normalise_base_url`.
    :param connect_timeout_seconds: longest wait for a connection, TLS included, per address of the host.
    :param read_timeout_seconds: longest silence while the request is written or the answer read; a request as a whole
        may take :data:`TOTAL_TIMEOUT_FACTOR` times as long, unless it sets a limit of its own.
    :param max_answer_bytes: size of the answer, compressed or not, above which reading stops.
    """

    def __init__(
        self,
        base_url: str,
        *,
        connect_timeout_seconds: float = 5.0,
        read_timeout_seconds: float = 30.0,
        max_answer_bytes: int = 32 * 2**20,
    ) -> None:
        self.base_url = normalise_base_url(base_url, schema=None, port=None)
        self._connect_timeout_seconds = connect_timeout_seconds
        self._read_timeout_seconds = read_timeout_seconds
        self._max_answer_bytes = max_answer_bytes
        # What frames an answer may be as long as the answer itself.
        self._max_wire_bytes = 2 * max_answer_bytes + _HEAD_BYTES
        self._session: _ProcessSession | None = None
        self._opening = ProcessLock()

    def send(
        self,
        http_method: str,
        path: str,
        *,
        body: bytes | None,
        headers: Mapping[str, str],
        operation: str,
        total_timeout_seconds: float | None = None,
    ) -> Response:
        """
        Send one request, once.

        :param http_method: ``PUT``, ``POST``.
        :param path: absolute, already percent-encoded.
        :param body: complete body; None: none.
        :param headers: sent as they are, beside the ones of every request.
        :param operation: what the messages call this request; becomes ``method`` of the error.
        :param total_timeout_seconds: limit from the call to the last byte of the answer. Excepted are the name
            look-up, which can't be interrupted, and the second and further addresses of a host that does not accept
            connections, each of which has the connect timeout; after it, nothing is sent. None: what the read timeout
            allows.
        :raises ChannelConfigurationError: a header can't be sent as it is; nothing was sent.
        :raises ChannelNotSentError: no connection; nothing was sent.
        :raises ChannelAmbiguousResultError: sent, but the answer did not come or not completely.
        :raises ChannelResponseError: the answer is too large, or packed or framed as none may be.
        """
        if total_timeout_seconds is None:
            total_timeout_seconds = self._read_timeout_seconds * TOTAL_TIMEOUT_FACTOR
        deadline = time.monotonic() + total_timeout_seconds
        request = self._prepare(http_method, path, body, headers, operation)
        with Attempt(self._read_timeout_seconds, deadline, self._max_wire_bytes) as attempt:
            answer: requests.Response | None = None
            try:
                answer = self._exchange(self._open(), request, attempt, operation)
                content = read_body(answer, attempt, operation=operation, most_bytes=self._max_answer_bytes)
                return Response(answer.status_code, answer.headers, content)
            except (ChannelResponseError, ChannelNotSentError):
                raise
            except AnswerTooLong as error:
                status = None if answer is None else answer.status_code
                raise too_large(operation, status, self._max_answer_bytes) from error
            except Exception as error:
                raise self._failure(error, operation, attempt) from error
            finally:
                # Gives the connection back when the answer was read to its end, closes it otherwise.
                if answer is not None:
                    answer.close()

    def _prepare(
        self, http_method: str, path: str, body: bytes | None, headers: Mapping[str, str], operation: str
    ) -> requests.PreparedRequest:
        for name, value in headers.items():
            if not (value.isascii() and value.isprintable()):
                raise ChannelConfigurationError(
                    f"{operation} was not sent: the value for the header {name} holds a character that no header may "
                    "hold (a line break, a control or a non-ASCII character).",
                    method=operation,
                )
        request = requests.PreparedRequest()
        request.method = http_method
        request.url = self.base_url + path
        request.headers = CaseInsensitiveDict(_HEADERS)
        request.headers.update(headers)
        request.headers["Content-Length"] = str(len(body or b""))
        request.body = body
        return request

    def _open(self) -> _ProcessSession:
        session = self._session
        # A forked child must not write into its parent's connections.
        if session is None or session.pid != os.getpid():
            with self._opening():
                session = self._session
                if session is None or session.pid != os.getpid():
                    session = self._session = _ProcessSession(self.base_url)
        return session

    def _exchange(
        self, session: _ProcessSession, request: requests.PreparedRequest, attempt: Attempt, operation: str
    ) -> requests.Response:
        remaining_seconds = attempt.deadline - time.monotonic()
        answer = session.http.send(
            request,
            stream=True,
            timeout=(min(self._connect_timeout_seconds, remaining_seconds), self._read_timeout_seconds),
            verify=session.verify,
            cert=None,
            proxies=session.proxies,
            allow_redirects=False,
        )
        if answer.status_code == _PROXY_LOGIN and session.proxy and self.base_url.startswith("http:"):
            # The proxy says so. Over TLS it does when it is asked to connect, and what comes later is the service's.
            from airflow_channel_provider.api.transport_errors import proxy_login_error

            answer.close()
            raise proxy_login_error(operation=operation, target=self._target())
        return answer

    # The words for what went wrong are imported when something has.

    def _failure(self, error: Exception, operation: str, attempt: Attempt) -> ChannelError:
        from airflow_channel_provider.api.transport_errors import (
            is_refused_handshake,
            lost_answer_error,
            not_sent_error,
        )

        target = self._target()
        if attempt.sent and not is_refused_handshake(error):
            return lost_answer_error(error, operation=operation, target=target, attempt=attempt)
        bundle, proxy = (
            (self._session.bundle, self._session.proxy) if self._session is not None else ("", None)
        )
        return not_sent_error(
            error,
            operation=operation,
            target=target,
            attempt=attempt,
            bundle=bundle,
            proxy=proxy,
        )

    def _target(self) -> str:
        from airflow_channel_provider.api.transport_errors import UNREADABLE, host_and_port

        name = host_and_port(self.base_url)
        proxy = self._session.proxy if self._session is not None else None
        return f"{name} (through the proxy {proxy})" if proxy not in (None, UNREADABLE) else name

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        session, self._session = self._session, None
        if session is not None and session.pid == os.getpid():
            session.http.close()

    def __enter__(self) -> Transport:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _ProcessSession:
    """The session of one process, with the proxy and certificate settings of its environment."""

    def __init__(self, base_url: str) -> None:
        self.pid = os.getpid()
        self.proxies = requests.utils.get_environ_proxies(base_url, no_proxy=None)
        proxy = requests.utils.select_proxy(base_url, self.proxies)
        self.proxy: str | None = None
        if proxy:
            from airflow_channel_provider.api.transport_errors import host_and_port

            self.proxy = host_and_port(proxy)
        variable = next((name for name in _BUNDLES if os.environ.get(name)), "")
        self.verify = os.environ[variable] if variable else True
        self.bundle = f"{variable} ({self.verify})" if variable else ""
        self.http = new_session()
