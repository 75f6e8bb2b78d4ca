"""What the emulator sends to others: calls to apps, and webhooks. One small HTTP client, with limits.

It touches nothing of the emulator, so that it can wait in a thread of its own while the emulator goes on.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from http.client import HTTPResponse

    from airflow_channel_provider.emulator.jsontypes import JSON

# How long the service waits is published nowhere; an api-server on a busy machine answers within this.
TIMEOUT_SECONDS = 30.0
MOST_ANSWER_BYTES = 2**20
_CHUNK_BYTES = 65_536


class NotReachedError(Exception):
    """No answer came; the message says which kind of error it was, and nothing of the address."""


@dataclass(frozen=True, slots=True)
class OutgoingRequest:
    """
    One request.

    :param body: exactly what is sent, and what a signature was made over.
    :param headers: by name; they may hold a signature, and the URL a token.
    """

    http_method: str
    url: str = field(repr=False)
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def shown_url(self) -> str:
        """The URL without its query, which may hold a token."""
        return self.url.partition("?")[0]


def is_http_url(url: JSON) -> bool:
    """Whether this is a whole URL with http or https."""
    if not isinstance(url, str):
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def send(request: OutgoingRequest, timeout_seconds: float = TIMEOUT_SECONDS) -> tuple[int, bytes]:
    """
    Send a request once.

    :param timeout_seconds: for the connection, for the head of the answer and for all of its body.
    :return: status and body of the answer; of a longer body than is read, one byte more than the limit.
    :raises NotReachedError: there is no whole answer.
    """
    from http.client import HTTPException
    from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, Request

    # Only what sends: no proxy, no redirect that is followed, and an error is an answer as any.
    opener = OpenerDirector()
    opener.add_handler(HTTPHandler())
    opener.add_handler(HTTPSHandler())
    until = time.monotonic() + timeout_seconds
    try:
        made = Request(request.url, request.body, dict(request.headers), method=request.http_method)  # noqa: S310
        with opener.open(made, timeout=timeout_seconds) as answer:
            return answer.status, _read(answer, until)
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise NotReachedError(type(reason).__name__) from None


def _read(answer: HTTPResponse, until: float) -> bytes:
    """Read a body that keeps coming only for so long, and only so much of it."""
    chunks, size = [], 0
    while size <= MOST_ANSWER_BYTES and (chunk := answer.read1(_CHUNK_BYTES)):
        chunks.append(chunk)
        size += len(chunk)
        if time.monotonic() > until:
            raise TimeoutError
    return b"".join(chunks)[: MOST_ANSWER_BYTES + 1]
