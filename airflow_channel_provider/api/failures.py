"""
Why a request got no answer, said so that the reader knows where to look.

Pure: an exception in, one of ours out. The text of the exception itself is never quoted where it may hold
more than the operating system's own words.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests.exceptions
import urllib3.exceptions

from airflow_channel_provider.exceptions import ChannelAmbiguousResultError, ChannelNotSentError

if TYPE_CHECKING:
    from airflow_channel_provider.api.wire import Attempt

__all__ = ["host_and_port", "lost", "not_sent", "refused_by_proxy"]

_CHAIN_LIMIT = 20
_PROXY_LOGIN = 407
_NO_HTTP = (http.client.HTTPException, urllib3.exceptions.InvalidHeader, ValueError)
# The first that is found in the chain of causes tells.
_REASONS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    (
        (socket.gaierror, urllib3.exceptions.LocationParseError),
        "the name of {target} is unknown. Check the host of the connection and the name service.",
    ),
    (
        (ConnectionRefusedError,),
        "{target} refused the connection. Check host and port of the connection, and that the service runs.",
    ),
    (
        (ssl.SSLCertVerificationError,),
        (
            "the TLS certificate of {target} can't be verified. Check the host of the connection; for a private "
            "certificate authority set REQUESTS_CA_BUNDLE."
        ),
    ),
    (
        (TimeoutError,),
        "{target} did not accept the connection in time. Check host, port and firewall, or raise the timeout.",
    ),
    (
        (ssl.SSLError,),
        "TLS with {target} failed. Check that schema and port of the connection belong to an https service.",
    ),
    (
        (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema),
        "the address of {target} or of its proxy is invalid. Check the proxy settings of the environment.",
    ),
)


def not_sent(
    error: BaseException, *, operation: str, target: str, attempt: Attempt, bundle: str = ""
) -> ChannelNotSentError:
    """
    Describe a request of which no byte left.

    :param error: what stopped it.
    :param operation: name of the request.
    :param target: host and port, and the proxy before it where there is one.
    :param attempt: the request's limits.
    :param bundle: variable and path of the certificate authorities that the environment names.
    """
    causes = list(_chain(error))
    reason = _reason_with_bundle(causes, bundle) or _reason_not_sent(causes, target, attempt)
    return ChannelNotSentError(f"{operation} was not sent: {reason}", method=operation)


def refused_by_proxy(*, operation: str, target: str) -> ChannelNotSentError:
    """
    Describe a request that a proxy kept, since it wants to know from whom it is: HTTP 407, which no service answers.

    :param operation: name of the request.
    :param target: host and port, and the proxy before it where there is one.
    """
    return ChannelNotSentError(
        f"{operation} was not sent: {_wants_login(target)}", method=operation, http_status=_PROXY_LOGIN
    )


def lost(
    error: BaseException, *, operation: str, target: str, attempt: Attempt
) -> ChannelAmbiguousResultError:
    """Describe a request that left and got no complete answer; parameters as in :func:`not_sent`."""
    reason = _reason_lost(list(_chain(error)), target, attempt)
    return ChannelAmbiguousResultError(
        f"{operation} was sent, but {reason} Its effect may have happened.", method=operation
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what caused it, wherever the libraries keep that."""
    queue: list[object] = [error]
    seen: set[int] = set()
    while queue and len(seen) < _CHAIN_LIMIT:
        current = queue.pop(0)
        if isinstance(current, BaseException) and id(current) not in seen:
            seen.add(id(current))
            yield current
            queue += [current.__cause__, current.__context__, getattr(current, "reason", None), *current.args]


def _reason_not_sent(causes: list[BaseException], target: str, attempt: Attempt) -> str:
    if attempt.expired():
        return f"its time was over before {target} was connected."
    if status := _tunnel_status(causes):
        if status == str(_PROXY_LOGIN):
            return _wants_login(target)
        return f"the proxy refused to connect to {target} (status {status}). Check the environment's proxy settings."
    if any("SOCKS" in str(cause) for cause in causes if isinstance(cause, requests.exceptions.InvalidSchema)):
        return (
            f"{target} is to be reached by SOCKS, and the package for that is missing. Install PySocks, or correct the "
            "proxy settings of the environment."
        )
    for kinds, sentence in _REASONS:
        if any(isinstance(cause, kinds) for cause in causes):
            return sentence.format(target=target)
    return f"{target} can't be connected ({_system_words(causes)}). Check host, port and network."


def _reason_with_bundle(causes: list[BaseException], bundle: str) -> str:
    if not bundle:
        return ""
    if any("CA certificate bundle" in str(cause) for cause in causes):
        return f"{bundle} of the environment names a file that does not exist."
    # What urllib3 wraps while it connects is the loading of these; a failed handshake it leaves as it is.
    if any(isinstance(cause, urllib3.exceptions.SSLError) for cause in causes):
        return (
            f"{bundle} of the environment names a file that can't be read as certificates (PEM). Correct "
            "the file or the variable."
        )
    return ""


def _wants_login(target: str) -> str:
    return (
        f"on the way to {target} a proxy wants a user and a password, or others than these (HTTP {_PROXY_LOGIN}). "
        "Write them into the address of the proxy, in HTTP_PROXY or HTTPS_PROXY of the environment."
    )


def _reason_lost(causes: list[BaseException], target: str, attempt: Attempt) -> str:
    if any(isinstance(cause, TimeoutError) for cause in causes):
        if attempt.expired():
            return f"the complete answer of {target} did not come before its time was over."
        return f"{target} did not answer within {attempt.read_timeout_seconds:g} seconds."
    if any(
        isinstance(cause, (http.client.IncompleteRead, urllib3.exceptions.IncompleteRead)) for cause in causes
    ):
        return f"the answer of {target} broke off."
    if any(isinstance(cause, http.client.RemoteDisconnected) for cause in causes):
        return f"{target} closed the connection without an answer."
    if any(isinstance(cause, _NO_HTTP) for cause in causes):
        return f"what {target} answered is no valid HTTP."
    return f"the connection to {target} was lost ({_system_words(causes)})."


def _tunnel_status(causes: list[BaseException]) -> str:
    for cause in causes:
        text = str(cause)
        if isinstance(cause, OSError) and text.startswith("Tunnel connection failed: "):
            return text.split()[3]
    return ""


def _system_words(causes: list[BaseException]) -> str:
    for cause in causes:
        if isinstance(cause, OSError) and cause.errno:
            return os.strerror(cause.errno)
    return type(causes[-1]).__name__ if causes else "no reason given"


def host_and_port(url: str) -> str:
    """
    Name a host for a message, without the user and password that a proxy URL may hold.

    :param url: any URL.
    """
    try:
        parts = urlsplit(url if "://" in url else f"//{url}")
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an unreadable address"
    return f"{parts.hostname}{port}"
