"""
Reads the body of an answer within its limits of size and time, compressed and decompressed.

Only gzip is accepted, as requested, and only once. A body with another encoding, or with two headers for its length, is
refused.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from airflow_channel_provider.exceptions import ChannelResponseError

if TYPE_CHECKING:
    import requests
    from urllib3.response import HTTPResponse

    from airflow_channel_provider.api.wire import Attempt

_STEP_BYTES = 65_536
_LENGTH_DIGITS = 15
_GZIP = zlib.MAX_WBITS | 16
_PACKED = ("gzip", "x-gzip")
_PLAIN = ("", "identity")


def read_body(answer: requests.Response, attempt: Attempt, *, operation: str, most_bytes: int) -> bytes:
    """
    Read the body of an answer whose head was read.

    :param attempt: of the request; its deadline holds.
    :param operation: what messages call the request.
    :param most_bytes: size of the body, as it comes and unpacked, above which reading stops.
    :raises ChannelResponseError: it is larger, packed in another way than was asked for, broken or framed twice.
    :raises TimeoutError: the deadline has passed.
    """
    headers = answer.headers
    announced = headers.get("Content-Length", "")
    if announced.isdecimal() and (len(announced) > _LENGTH_DIGITS or int(announced) > most_bytes):
        raise too_large(operation, answer.status_code, most_bytes)
    if "Transfer-Encoding" in headers:
        _check_framing(answer, operation)
    elif announced.isdecimal() and "Content-Encoding" not in headers:
        # The usual case in one read. urllib3 enforces the announced length.
        return _raw(answer).read()
    return _joined(answer, attempt, operation, most_bytes)


def too_large(operation: str, status: int | None, most_bytes: int) -> ChannelResponseError:
    """
    Describe an answer of which no more is read.

    :param operation: what messages call the request.
    :param status: HTTP status of the answer; None where not even its head came to an end.
    :param most_bytes: how large it may be.
    """
    of_status = "" if status is None else f" (HTTP {status})"
    return ChannelResponseError(
        f"{operation}: the answer{of_status} is larger than {most_bytes:,} bytes; reading stopped there. Request less, "
        "for example with a smaller limit per page.",
        method=operation,
        http_status=status,
        too_large=True,
    )


def _check_framing(answer: requests.Response, operation: str) -> None:
    headers = answer.headers
    if headers["Transfer-Encoding"].strip().lower() != "chunked":
        raise _unreadable(answer, operation, "has a Transfer-Encoding other than chunked")
    if "Content-Length" in headers:
        raise _unreadable(answer, operation, "has both a Content-Length and a Transfer-Encoding")


def _joined(answer: requests.Response, attempt: Attempt, operation: str, most_bytes: int) -> bytes:
    packing = answer.headers.get("Content-Encoding", "").strip().lower()
    if packing not in _PLAIN + _PACKED:
        raise _unreadable(answer, operation, "has a Content-Encoding other than the gzip that was asked for")
    pieces = _pieces(_raw(answer))
    body = bytearray()
    try:
        for piece in _unpacked(pieces, attempt) if packing in _PACKED else pieces:
            body += piece
            if len(body) > most_bytes:
                raise too_large(operation, answer.status_code, most_bytes)
    except zlib.error as error:
        raise _unreadable(answer, operation, "is compressed, and its compression is broken") from error
    return bytes(body)


def _raw(answer: requests.Response) -> HTTPResponse:
    raw: HTTPResponse = answer.raw
    return raw


def _pieces(raw: HTTPResponse) -> Iterator[bytes]:
    while piece := raw.read(_STEP_BYTES, decode_content=False):
        yield piece


def _unpacked(pieces: Iterator[bytes], attempt: Attempt) -> Iterator[bytes]:
    """Unpack the members of a gzip stream, a bounded step at a time."""
    unpacker = None
    for packed in pieces:
        while packed:
            attempt.timeout_seconds()  # raises once the deadline has passed
            unpacker = unpacker or zlib.decompressobj(_GZIP)
            yield unpacker.decompress(packed, _STEP_BYTES)
            if unpacker.eof:
                packed, unpacker = unpacker.unused_data, None
            else:
                packed = unpacker.unconsumed_tail
    if unpacker is not None:
        msg = "the last member does not end"
        raise zlib.error(msg)


def _unreadable(answer: requests.Response, operation: str, what: str) -> ChannelResponseError:
    return ChannelResponseError(
        f"{operation}: the answer (HTTP {answer.status_code}) {what}. Check whether a proxy or gateway in front of the "
        "service changes answers.",
        method=operation,
        http_status=answer.status_code,
    )
