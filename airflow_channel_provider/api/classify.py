"""
Chooses the error class for a refusal of the service.

The HTTP status alone is not enough: most refusals come with HTTP 200 and the type ``common``, and functions that the
service forwards hide the upstream status in a text. Evidence in order: status (the upstream one, where it is quoted),
code, words. Words count only without a status, and only the phrases that the service's own libraries begin with: other
text may echo a caller's input. Where the outcome of a forwarded call is unknown, the status is taken to be 502, so that
it is not mistaken for a refusal without effect. An app's own function may use any code or word; of its answers only the
HTTP status counts, since the app store refuses a token with a status.

Token requests have their own rules, since the same words have another meaning there:

- ``token fetch fail`` is how a refusal of the token service arrives. How it looks when the quota is used up is not
  published; probably the same. So an unexplained one is taken for the quota, without a time: if a quota refusal
  were taken for a wrong secret, all tasks would fail for good; the other way round they only wait.
- With a channel, an empty or "unauthorized" text means that the app is not installed there.
- Every other refusal in an envelope means that the secret or the refresh token is wrong, but for what the
  service says of itself (an internal error, a method it does not know).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from enum import Enum
from typing import Any

from airflow_channel_provider.api.error_body import Refusal
from airflow_channel_provider.api.redaction import quote
from airflow_channel_provider.api.retry_after import parse_retry_after
from airflow_channel_provider.exceptions import (
    ChannelAuthenticationError,
    ChannelPermissionError,
    ChannelRateLimitError,
    ChannelRequestError,
    ChannelTokenQuotaError,
)


class ErrorKind(Enum):
    """What a refusal is about."""

    AUTHENTICATION = ChannelAuthenticationError
    PERMISSION = ChannelPermissionError
    RATE_LIMIT = ChannelRateLimitError
    TOKEN_QUOTA = ChannelTokenQuotaError
    OTHER = ChannelRequestError


UNCLEAR_STATUS = 502
"""HTTP status of what failed behind the service without a word on whether it had its effect."""

_START = r"^\s*(?:rpc error: code = \w+ desc = )?"
_LIMIT_TYPES = {"ratelimiterror", "rate_limit_exceeded", "toomanyrequests", "too many requests"}
_LIMIT_WORDS = re.compile(r"\b429\b|rate.?limit|too.?many|quota", re.IGNORECASE)
_PLAIN_LIMIT = r"(?:rate.?limit.{0,4}(?:exceeded|error|reached)|too many requests)"
_PLAIN_LIMIT_WORDS = re.compile(_PLAIN_LIMIT, re.IGNORECASE)
_LIMIT_START = re.compile(_START + _PLAIN_LIMIT, re.IGNORECASE)
_TOKEN_WORDS = re.compile(
    _START + r"(?:(?:token )?signature is invalid"
    r"|token (?:is (?:expired|malformed|unverifiable|not valid yet)|has (?:expired|invalid claims))"
    r"|token (?:expired|used before issued|contains an invalid number of segments)"
    r"|(?:unauthorized|unauthenticated)\b)",
    re.IGNORECASE,
)
_PERMISSION_WORDS = re.compile(
    r"\b(?:action|scope) check fail|"
    + _START
    + r"(?:permission denied|forbidden|app (?:is )?not installed)\b",
    re.IGNORECASE,
)
_CALL_REFUSED_WORDS = re.compile(r"\s*function call unauthorized\W*", re.IGNORECASE)
_UNAUTHORIZED_WORDS = re.compile(r"unauthor|forbidden|denied|install|channel|not allowed", re.IGNORECASE)
_UNKNOWN_METHOD_WORDS = re.compile(r"method not found|routeconfig not found", re.IGNORECASE)
_TROUBLE_WORDS = re.compile(
    r"internal (?:server )?error|deadline exceeded|timed? ?out|context cancell?ed|\beof\b|broken pipe|bad gateway"
    r"|connection (?:re(?:fused|set)|closed|lost)|bad connection|upstream connect error|no healthy upstream"
    r"|no such host|server closed|unavailable|try again (?:later|in )",
    re.IGNORECASE,
)
_OAUTH_WORDS = re.compile(
    r"invalid_(?:client|grant|request|token|scope)|access_denied|unauthor", re.IGNORECASE
)
# Of the vendor's two SDKs one calls 4 unauthorized and the other a conflict: only the type decides. Its tests have 401.
_UNAUTHORIZED_TYPES = ("unauthorized", "unauthenticated")
_TYPES_BY_CODE = {"4": _UNAUTHORIZED_TYPES, "401": ("", "common", *_UNAUTHORIZED_TYPES)}
_UNKNOWN_METHOD_CODE, _INTERNAL_ERROR_CODE = -32601, -32603
_BY_NUMBER = {401: ErrorKind.AUTHENTICATION, 403: ErrorKind.PERMISSION, 429: ErrorKind.RATE_LIMIT}


def classify_status(status: int) -> ErrorKind:
    """Return what an HTTP status says by itself."""
    return _BY_NUMBER.get(status, ErrorKind.OTHER)


def classify(refusal: Refusal, *, token_request: bool = False, channel_id: str | None = None) -> ErrorKind:
    """
    Return what a refusal of Channel Talk is about.

    :param refusal: dug out.
    :param token_request: whether ``issueToken`` or ``refreshToken`` was refused.
    :param channel_id: the channel that ``issueToken`` asked for.
    """
    if _is_limit(refusal, token_request=token_request):
        return ErrorKind.TOKEN_QUOTA if token_request else ErrorKind.RATE_LIMIT
    kind = classify_status(refusal.status)
    if token_request and kind is ErrorKind.OTHER:
        return _token_kind(refusal, channel_id)
    if kind is ErrorKind.OTHER and not refusal.explained:
        kind = _kind_by_code(refusal) or _kind_by_words(refusal)
    return kind


def classify_app_function(refusal: Refusal) -> ErrorKind:
    """
    Return what the store refused of a call to an app's own function.

    :param refusal: as it came, with the status of the answer itself.
    """
    if not refusal.in_envelope and _is_refused_call(refusal):
        return ErrorKind.PERMISSION
    return classify_status(refusal.status)


def with_unclear_status(refusal: Refusal, kind: ErrorKind) -> Refusal:
    """
    Return the refusal with :data:`UNCLEAR_STATUS` if the outcome of the call behind the service is unknown.

    :param refusal: dug out; not of an app's own function.
    :param kind: what it is about.
    """
    return (
        replace(refusal, status=UNCLEAR_STATUS)
        if kind is ErrorKind.OTHER and _is_unclear(refusal)
        else refusal
    )


def _is_limit(refusal: Refusal, *, token_request: bool) -> bool:
    if refusal.status == 429 or str(refusal.code) == "429" or refusal.type.lower() in _LIMIT_TYPES:
        return True
    if refusal.token_answer:
        return bool(_LIMIT_WORDS.search(refusal.text))
    if token_request:  # which echoes nothing that a caller wrote
        return refusal.status < 400 and bool(_PLAIN_LIMIT_WORDS.search(refusal.text))
    return _words_count(refusal) and bool(_LIMIT_START.search(refusal.text))


def _kind_by_code(refusal: Refusal) -> ErrorKind | None:
    if not refusal.in_envelope:
        return None
    if refusal.type.lower() in _TYPES_BY_CODE.get(str(refusal.code), ()):
        return ErrorKind.AUTHENTICATION
    return ErrorKind.PERMISSION if str(refusal.code) == "403" else None


def _kind_by_words(refusal: Refusal) -> ErrorKind:
    if _is_refused_call(refusal) or (_words_count(refusal) and _PERMISSION_WORDS.search(refusal.text)):
        return ErrorKind.PERMISSION
    if _words_count(refusal) and _TOKEN_WORDS.search(refusal.text):
        return ErrorKind.AUTHENTICATION
    return ErrorKind.OTHER


def _words_count(refusal: Refusal) -> bool:
    return refusal.in_envelope and not refusal.explained and refusal.status < 400


def _is_refused_call(refusal: Refusal) -> bool:
    return refusal.status in (200, 422) and bool(_CALL_REFUSED_WORDS.fullmatch(refusal.text))


def _token_kind(refusal: Refusal, channel_id: str | None) -> ErrorKind:
    if refusal.status >= 500 or not refusal.in_envelope or _is_unclear(refusal) or _is_own_fault(refusal):
        return ErrorKind.OTHER
    if refusal.token_answer and not refusal.explained and not _OAUTH_WORDS.search(refusal.text):
        return ErrorKind.TOKEN_QUOTA
    if channel_id is not None and (not refusal.text or _UNAUTHORIZED_WORDS.search(refusal.text)):
        return ErrorKind.PERMISSION
    return ErrorKind.AUTHENTICATION


def _is_unclear(refusal: Refusal) -> bool:
    passed_on = refusal.quoted and not refusal.token_answer
    return _words_count(refusal) and (passed_on or _is_trouble(refusal))


def _is_trouble(refusal: Refusal) -> bool:
    return refusal.code == _INTERNAL_ERROR_CODE or bool(_TROUBLE_WORDS.search(refusal.text))


def _is_own_fault(refusal: Refusal) -> bool:
    unknown = refusal.code == _UNKNOWN_METHOD_CODE or _UNKNOWN_METHOD_WORDS.search(refusal.text)
    return bool(unknown) or _is_trouble(refusal)


def to_error(
    refusal: Refusal,
    kind: ErrorKind,
    *,
    method: str,
    headers: Mapping[str, str],
    secrets: Collection[str],
    now: float,
    remedy: str = "",
) -> ChannelRequestError:
    """
    Build the exception.

    :param refusal: dug out.
    :param kind: what it is about.
    :param method: name of the call.
    :param headers: of the answer, for the reset.
    :param secrets: removed from everything that the exception holds.
    :param now: epoch seconds.
    :param remedy: a sentence for the end of the message.
    """
    words = quote(refusal.text, secrets)
    code = quote(refusal.code, secrets, limit=80) if isinstance(refusal.code, str) else refusal.code
    error_type = quote(refusal.type, secrets, limit=80) or None
    facts = [f"HTTP {refusal.status}"]
    facts += [f"code {code}"] if code is not None else []
    facts += [f"type {error_type}"] if error_type else []
    message = f"{method} was refused ({', '.join(facts)}): {words or 'no reason given'}"
    arguments: dict[str, Any] = {
        "method": method,
        "http_status": refusal.status,
        "code": code,
        "error_type": error_type,
        "service_message": words,
    }
    if kind in (ErrorKind.RATE_LIMIT, ErrorKind.TOKEN_QUOTA):
        delay = parse_retry_after(headers, refusal.evidence, now=now)
        arguments["retry_after_seconds"] = delay
        if delay is not None:
            arguments["retry_at"] = datetime.fromtimestamp(now + delay, tz=timezone.utc)
            remedy = f"Possible again in {delay:.0f} seconds. {remedy}"
    error_class: type[ChannelRequestError] = kind.value
    return error_class(f"{message.removesuffix('.')}. {remedy}".rstrip(), **arguments)
