"""
Translates errors of a request without an answer into errors that say where to look.

Pure. The text of the original exception is quoted only where it is the operating system's own.
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

UNREADABLE = "an unreadable address"
_CHAIN_LIMIT = 20
_PROXY_LOGIN = 407
_NO_HTTP = (http.client.HTTPException, urllib3.exceptions.InvalidHeader, ValueError)
# The first that is found in the chain of causes counts.
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


_REASONS_OF_PROXY: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    (
        (socket.gaierror, urllib3.exceptions.LocationParseError),
        (
            "the name of the proxy is unknown, on the way to {target}. Check the proxy settings of the environment "
            "and the name service."
        ),
    ),
    (
        (ConnectionRefusedError,),
        (
            "the proxy refused the connection, on the way to {target}. Check the proxy settings of the environment, "
            "and that the proxy runs."
        ),
    ),
)
_UNREADABLE_PROXY = (
    "the address of the proxy for {target} can't be read. Correct it in HTTP_PROXY, HTTPS_PROXY or ALL_PROXY of the "
    "environment: http://user:password@host:port, without quotes, and with every character of user and password that "
    "is neither a letter nor a digit percent-encoded."
)
_CA_TO_SET = (
    "the TLS certificate of {target} can't be verified. Check the host of the connection; for a private certificate "
    "authority, such as that of a proxy that looks into TLS, set REQUESTS_CA_BUNDLE (SSL_CERT_FILE is not read)."
)
_OUT_OF_DATE = (
    "the TLS certificate of {target} is out of date by the clock of this host: it has expired, or is not valid yet. "
    "Check that clock; if it is right, the certificate must be renewed."
)
_OF_ANOTHER_NAME = (
    "the TLS certificate of {target} is for another name. Check the host of the connection, and whether a proxy, a "
    "gateway or a login page answers in its place."
)
_CERTIFICATES = {9: _OUT_OF_DATE, 10: _OUT_OF_DATE, 62: _OF_ANOTHER_NAME, 64: _OF_ANOTHER_NAME}
"""By the numbers of OpenSSL: not yet valid, expired, mismatch of the host's name, of its address."""
_CLIENT_CERTIFICATE = (
    "{target} refused the TLS handshake: it may require a client certificate, which this provider does not support. "
    "Check host and port of the connection, and whether a gateway in front of it must allow this client."
)
_CERTIFICATE_REQUIRED = "ALERT_CERTIFICATE_REQUIRED"
_HANDSHAKE_REFUSED = (_CERTIFICATE_REQUIRED, "ALERT_HANDSHAKE_FAILURE")
"""How the reasons that OpenSSL gives end where a server wants a certificate: since TLS 1.3, and before."""


def is_refused_handshake(error: BaseException) -> bool:
    """
    Return whether a server refused the handshake after its client took it for done: only then does TLS 1.3 refuse a
    client that lacks a certificate. What was sent meanwhile has no effect.
    """
    return any(_is_alert(cause, _CERTIFICATE_REQUIRED) for cause in _chain(error))


def _is_alert(error: BaseException, ends: str | tuple[str, ...]) -> bool:
    return isinstance(error, ssl.SSLError) and (error.reason or "").upper().endswith(ends)


def not_sent_error(
    error: BaseException,
    *,
    operation: str,
    target: str,
    attempt: Attempt,
    bundle: str = "",
    proxy: str | None = None,
) -> ChannelNotSentError:
    """
    Describe a request of which no byte left.

    :param error: what stopped it.
    :param operation: name of the request.
    :param target: host and port, and the proxy before it where there is one.
    :param attempt: the request's limits.
    :param bundle: variable and path of the certificate authorities that the environment names.
    :param proxy: what :func:`host_and_port` says of the proxy that the environment names, None where it names none.
    """
    causes = list(_chain(error))
    reason = (
        _certificate_sentence(causes).format(target=target)
        or _reason_with_bundle(causes, bundle)
        or _reason_not_sent(causes, target, attempt, proxy)
    )
    return ChannelNotSentError(f"{operation} was not sent: {reason}", method=operation)


def proxy_login_error(*, operation: str, target: str) -> ChannelNotSentError:
    """
    Describe a request that a proxy kept, since it wants to know from whom it is: HTTP 407.

    :param operation: name of the request.
    :param target: host and port, and the proxy before it.
    """
    return ChannelNotSentError(
        f"{operation} was not sent: {_wants_login(target)}", method=operation, http_status=_PROXY_LOGIN
    )


def lost_answer_error(
    error: BaseException, *, operation: str, target: str, attempt: Attempt
) -> ChannelAmbiguousResultError:
    """Describe a request that left and got no complete answer; parameters as in :func:`not_sent_error`."""
    reason = _reason_lost(list(_chain(error)), target, attempt)
    return ChannelAmbiguousResultError(
        f"{operation} was sent, but {reason} It may have taken effect.", method=operation
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


def _reason_not_sent(causes: list[BaseException], target: str, attempt: Attempt, proxy: str | None) -> str:
    if attempt.expired():
        return f"its time limit passed before {target} was connected."
    if status := _tunnel_status(causes):
        if status == str(_PROXY_LOGIN):
            return _wants_login(target)
        return f"the proxy refused to connect to {target} (status {status}). Check the environment's proxy settings."
    if any("SOCKS" in str(cause) for cause in causes if isinstance(cause, requests.exceptions.InvalidSchema)):
        return (
            f"the proxy for {target} uses SOCKS, and the package PySocks is not installed. Install it, or correct the "
            "proxy settings of the environment."
        )
    if proxy == UNREADABLE or any(isinstance(cause, requests.exceptions.InvalidURL) for cause in causes):
        return _UNREADABLE_PROXY.format(target=target)
    for kinds, sentence in (*(_REASONS_OF_PROXY if proxy else ()), *_REASONS):
        if any(isinstance(cause, kinds) for cause in causes):
            return sentence.format(target=target)
    settings = ", and the proxy settings of the environment" if proxy else ""
    return f"{target} can't be reached ({_system_words(causes)}). Check host, port and network{settings}."


def _certificate_sentence(causes: list[BaseException]) -> str:
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _CERTIFICATES.get(cause.verify_code, _CA_TO_SET)
        if _is_alert(cause, _HANDSHAKE_REFUSED):
            return _CLIENT_CERTIFICATE
    return ""


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
        f"a proxy on the way to {target} requires a user and a password, or refused the given ones (HTTP "
        f"{_PROXY_LOGIN}). Put them into the address of the proxy, in HTTP_PROXY or HTTPS_PROXY of the environment."
    )


def _reason_lost(causes: list[BaseException], target: str, attempt: Attempt) -> str:
    if any(isinstance(cause, TimeoutError) for cause in causes):
        if attempt.expired():
            return f"{target} did not answer completely within the time limit of the request."
        return f"{target} did not answer within {attempt.read_timeout_seconds:g} seconds."
    if any(
        isinstance(cause, (http.client.IncompleteRead, urllib3.exceptions.IncompleteRead)) for cause in causes
    ):
        return f"the answer of {target} was incomplete."
    if any(isinstance(cause, http.client.RemoteDisconnected) for cause in causes):
        return f"{target} closed the connection without an answer."
    if any(isinstance(cause, _NO_HTTP) for cause in causes):
        return f"the answer of {target} is not valid HTTP."
    return f"the connection to {target} was lost ({_system_words(causes)})."


def _tunnel_status(causes: list[BaseException]) -> str:
    for cause in causes:
        text = str(cause)
        if isinstance(cause, OSError) and text.startswith("Tunnel connection failed: "):
            return text.split()[3]
    return ""


def _system_words(causes: list[BaseException]) -> str:
    for cause in causes:
        # The number of an error of TLS is none of the system's.
        if isinstance(cause, OSError) and cause.errno and not isinstance(cause, ssl.SSLError):
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
        name = parts.hostname
    except ValueError:
        return UNREADABLE
    return f"{name}{port}" if name else UNREADABLE
