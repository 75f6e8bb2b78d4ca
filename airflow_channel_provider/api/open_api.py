"""
Open API v5: one request, one answer. It has a pair of keys per channel and no tokens.

The vendor's document describes no error body, so a refusal is read by its status first and by its words second. Every
answer says in its headers how much of the rate limit is left; :class:`RateLimitState` holds what the last one said.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import quote, urlencode

from airflow_channel_provider.api.benlly import is_refusal
from airflow_channel_provider.api.classify import ErrorKind, classify_status, to_error
from airflow_channel_provider.api.error_body import from_body
from airflow_channel_provider.api.json_body import JSON, refusal_json, to_body, to_json
from airflow_channel_provider.api.refusals import raise_no_envelope, raise_redirect
from airflow_channel_provider.api.token_answer import is_header_safe
from airflow_channel_provider.api.transport import Response, Transport
from airflow_channel_provider.contract.open_api import BASE_PATH
from airflow_channel_provider.exceptions import ChannelConfigurationError

VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_BAD_PATH = re.compile(r"[?#\\\x00-\x20\x7f]|//|/\.{1,2}(?:/|$)")
# What a path may hold as it is; a percent sign stays, so that a path that is quoted already is not quoted twice.
_SAFE = "/@:!$&'()*+,;=-._~%"
_REMEDIES = {
    ErrorKind.AUTHENTICATION: "Check access key and access secret (login and password of the connection).",
    ErrorKind.PERMISSION: "The access key may not do this; check its permissions in Channel Desk.",
}
_SAME_CLOCK_SECONDS = 5.0
_WINDOW_HEADERS = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")


@dataclass(frozen=True, slots=True)
class RateLimitState:
    """
    What an answer said about the rate limit.

    :param limit: requests in one window.
    :param remaining: requests that are left in it.
    :param reset_at: end of the window by the clock of this host, epoch seconds.
    :param window: the same as the service wrote it; each window has another number.
    """

    limit: int
    remaining: int
    reset_at: float
    window: int = 0

    @classmethod
    def from_headers(cls, headers: Mapping[str, str], *, now: float | None = None) -> RateLimitState | None:
        """
        Read the three headers; None where one is missing or is no number.

        :param now: epoch seconds; where the ``Date`` of the answer is further from it than an answer takes, the clocks
            differ, and the end of the window is converted to the one of this host.
        """
        given = {name.lower(): value for name, value in headers.items()}
        try:
            limit, remaining, reset = (int(given[name]) for name in _WINDOW_HEADERS)
        except (KeyError, ValueError):
            return None
        if limit <= 0 or remaining < 0 or reset <= 0:
            return None
        ahead_seconds = 0.0 if now is None else now - _date_of(given, now)
        reset_at = reset + (ahead_seconds if abs(ahead_seconds) > _SAME_CLOCK_SECONDS else 0.0)
        return cls(limit, remaining, float(reset_at), reset)


def _date_of(headers: Mapping[str, str], default: float) -> float:
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError, OverflowError):
        return default


class OpenApiClient:
    """
    Sends requests for one channel. Opens nothing before the first.

    :param transport: to the service.
    :param access_key: of the channel.
    :param access_secret: of the same pair.
    :param now: epoch seconds; only measures resets of rate limits.
    :raises ChannelConfigurationError: a key holds what no header can carry.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        access_key: str,
        access_secret: str,
        now: Callable[[], float] = time.time,
    ) -> None:
        for name, value in (("access key (login)", access_key), ("access secret (password)", access_secret)):
            if not is_header_safe(value):
                raise ChannelConfigurationError(
                    f"The {name} of the connection holds spaces or special characters; copy it anew."
                )
        self._transport = transport
        self._headers = {"x-access-key": access_key, "x-access-secret": access_secret}
        self._secrets = (access_key, access_secret)
        self._now = now
        self.rate_limit: RateLimitState | None = None

    def request(
        self, verb: str, path: str, *, params: Mapping[str, JSON] | None = None, json: JSON = None
    ) -> JSON:
        """
        Send one request.

        :param verb: one of :data:`VERBS`.
        :param path: below ``/open/v5``, such as ``/user-chats``.
        :param params: query parameters; a list is sent as one parameter an item, None is left out.
        :param json: the body; None: none.
        :return: the answer; None where it is empty.
        :raises ChannelConfigurationError: an argument is wrong; nothing was sent.
        :raises ChannelRequestError: the service refused; by its status one of the subclasses.
        :raises ChannelResponseError: no answer of this service.
        :raises ChannelError: what :meth:`Transport.send` raises.
        """
        operation = f"{verb} {path}"
        body = None if json is None else to_body(json)
        response = self._transport.send(
            verb,
            f"{BASE_PATH}{quote(path, safe=_SAFE)}{_query(params or {}, operation)}",
            body=body,
            headers={**self._headers, **({} if body is None else {"Content-Type": "application/json"})},
            operation=operation,
        )
        self.rate_limit = RateLimitState.from_headers(response.headers, now=self._now()) or self.rate_limit
        if not 200 <= response.status < 300:
            self._refuse(response, operation)
        if not response.body.strip():
            return None
        try:
            return to_json(response.body)
        except ValueError:
            raise_no_envelope(response, method=operation, secrets=self._secrets)

    def _refuse(self, response: Response, operation: str) -> NoReturn:
        raise_redirect(response, method=operation, secrets=self._secrets)
        body = refusal_json(response.body)
        if not is_refusal(response, body):
            raise_no_envelope(response, method=operation, secrets=self._secrets)
        kind = classify_status(response.status)
        raise to_error(
            from_body(body, status=response.status),
            kind,
            method=operation,
            headers=response.headers,
            secrets=self._secrets,
            now=self._now(),
            remedy=_REMEDIES.get(kind, ""),
        )


def checked_path(path: object) -> str:
    """
    Return the path of a request below ``/open/v5``.

    :param path: with or without ``/open/v5``.
    :raises ChannelConfigurationError: it is no path, or it leads out of the API.
    """
    if not isinstance(path, str) or not path.startswith("/") or _BAD_PATH.search(path):
        raise ChannelConfigurationError(
            "The path of an Open API request starts with /, such as /user-chats, and holds no query, no space and no "
            "empty or dotted part; give the query as an argument (query_params of the operator, params of the hook)."
        )
    path = path.removeprefix(BASE_PATH).rstrip("/")
    if not path:
        raise ChannelConfigurationError(
            "The path of an Open API request is empty; write /channel or the like."
        )
    return path


def _query(params: Mapping[str, JSON], operation: str) -> str:
    pairs: list[tuple[str, str]] = []
    for name, value in params.items():
        values = value if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
        for item in values:
            if item is None:
                continue
            if not isinstance(item, (str, int, float)):
                raise ChannelConfigurationError(
                    f"{operation}: the query parameter {name} must be a text, a number or a list of them, not "
                    f"{type(item).__name__}.",
                    method=operation,
                )
            pairs.append((str(name), str(item).lower() if isinstance(item, bool) else str(item)))
    if not pairs:
        return ""
    try:
        return f"?{urlencode(pairs)}"
    except UnicodeEncodeError:
        raise ChannelConfigurationError(
            f"{operation}: a query parameter holds half of a surrogate pair, which is not a character.",
            method=operation,
        ) from None
