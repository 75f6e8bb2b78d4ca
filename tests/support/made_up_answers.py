"""Answers that no service should give, made up by Hypothesis: near the real ones, and far from them."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from airflow_channel_provider.exceptions import ChannelError

__all__ = ["assert_fit_to_be_shown", "bodies", "headers", "json_values", "statuses"]

_KEYS = (
    *(
        "result",
        "error",
        "errors",
        "data",
        "message",
        "error_description",
        "errorMessage",
        "validationErrors",
    ),
    *(
        "detail",
        "code",
        "type",
        "status",
        "statusCode",
        "success",
        "language",
        "next",
        "nextCursor",
        "things",
    ),
    *(
        "accessToken",
        "refreshToken",
        "expiresIn",
        "access_token",
        "refresh_token",
        "expires_in",
        "token_type",
    ),
    *("retryAfter", "retry-after", "x-rate-limit-reset", "X-RateLimit-Remaining", "managers"),
)
_WORDS = (
    "common",
    "unauthorized",
    "token fetch fail, response: ",
    'request failed, body: {"status": 429}',
    "request failed, body: request failed, body: <html><title>502 Bad Gateway</title>",
    "rate limit exceeded",
    "function call unauthorized",
    "invalid_grant",
    "internal server error",
    "2026-11-28T00:00:00Z",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "Mon, 99 Foo 99999999999 99:99:99 +9999",
    "1e400",
    "-1",
    "٣",
    "\ud800",
    "\x00\x1b[31m",
    "",
)
_NUMBERS = (0, -1, 1, 4, 401, 403, 429, 500, -32601, 1800, 1e300, -1e300, 1.8e12, 10**20, 10**4000, 0.5, -0.0)
_HEADERS = (
    *("Retry-After", "Date", "X-Rate-Limit-Reset", "X-RateLimit-Reset", "X-Rate-Limit-Remaining", "Location"),
    *("Content-Type", "WWW-Authenticate", "Set-Cookie", "X-Request-Id"),
)
_STATUSES = (200, 201, 204, 301, 302, 400, 401, 403, 404, 409, 422, 429, 500, 502, 503, 504)
_LONGEST_MESSAGE = 2_000


def texts(*echoed: str) -> st.SearchStrategy[str]:
    """
    Texts of a service.

    :param echoed: what it was sent, and repeats.
    """
    parts = st.sampled_from([*_WORDS, *echoed]) | st.text(max_size=20)
    return st.lists(parts, max_size=4).map("".join)


def json_values(*echoed: str) -> st.SearchStrategy[Any]:
    """Any JSON, under the names that the readers look for; texts as in :func:`texts`."""
    words = texts(*echoed)
    leaves = st.none() | st.booleans() | st.sampled_from(_NUMBERS) | st.integers() | st.floats() | words
    keys = st.sampled_from(_KEYS) | words
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5),
        max_leaves=12,
    )


def bodies(*echoed: str) -> st.SearchStrategy[bytes]:
    """Any bytes: JSON, JSON that is cut or goes on, deep JSON, HTML, text, noise."""
    documents = json_values(*echoed) | st.dictionaries(
        st.sampled_from(_KEYS), json_values(*echoed), max_size=5
    )
    written = documents.map(lambda value: json.dumps(value).encode())
    cut = st.tuples(written, st.integers(0, 30)).map(lambda pair: pair[0][: len(pair[0]) - pair[1]])
    more = st.tuples(written, written | st.binary(max_size=5)).map(b"".join)
    nests = st.sampled_from([(b"[", b"]"), (b'{"error":', b"}"), (b'{"result":[', b"]}")])
    deep = st.tuples(nests, st.integers(1, 3_000), st.booleans()).map(
        lambda nest: nest[0][0] * nest[1] + (b"1" + nest[0][1] * nest[1] if nest[2] else b"")
    )
    prose = texts(*echoed).map(lambda text: f"<html>{text}".encode("utf-8", "surrogatepass"))
    return written | cut | more | deep | prose | st.binary(max_size=60)


def headers(*echoed: str) -> st.SearchStrategy[dict[str, str]]:
    """Headers that the readers look for, with any value that a header can have."""
    values = texts(*echoed).map(lambda text: text.encode("latin-1", "replace").decode("latin-1"))
    return st.dictionaries(st.sampled_from(_HEADERS), values, max_size=4)


def statuses() -> st.SearchStrategy[int]:
    """Statuses of HTTP, and what else three digits can be."""
    return st.sampled_from(_STATUSES) | st.integers(200, 999)


def assert_fit_to_be_shown(error: ChannelError, *secrets: str) -> None:
    """Check that an error can travel and be shown: short, printable, and without a secret wherever it is looked at."""
    shown = list(_shown(error))
    for secret in secrets:
        assert not any(secret in text for text in shown)
    message = str(error)
    assert len(message) < _LONGEST_MESSAGE
    assert message.encode()
    assert "\n" not in message
    assert "\x1b" not in message
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), message, vars(error))


def _shown(error: ChannelError) -> Iterator[str]:
    yield str(error)
    yield repr(error)
    yield from (str(part) for part in error.args)
    yield from (f"{name}={value!s} {value!r}" for name, value in vars(error).items())
