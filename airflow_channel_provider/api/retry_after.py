"""
Reads from an answer how long to wait, as a delay, so that a wrong clock does little harm.

Order of evidence: ``Retry-After``, the reset header, the reset in the body. The general limit of the
service names its reset as epoch seconds, in the body of a 429 (an older version as RFC 3339 text) and in a
header of normal answers; other services before it may send ``Retry-After``. A point in time is measured
against the ``Date`` of the same answer where it has one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from itertools import islice

from airflow_channel_provider.api.json_body import JSON

MAX_DELAY_SECONDS = 86_400.0
"""A longer delay is taken for nonsense (the documented windows are of minutes) and the next evidence is asked."""

_FIELDS_LIMIT = 200
_RESET = re.compile(r"x-rate-?limit-reset")
_REMAINING = re.compile(r"x-rate-?limit-remaining")
_NUMBER = re.compile(r"\s*\d{1,15}(?:\.\d{1,9})?\s*", re.ASCII)
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:([Zz])|([+-])(\d\d):?(\d\d))?",
    re.ASCII,
)
_SMALLEST_EPOCH = 1e8
_SMALLEST_EPOCH_MILLISECONDS = 1e11


def parse_retry_after(headers: Mapping[str, str], body: JSON, *, now: float) -> float | None:
    """
    Return the delay from the moment of the answer.

    :param headers: of the answer; any case.
    :param body: the decoded answer, or the answer that it proxies; None where there is none.
    :param now: epoch seconds of the local clock, used where the answer has no ``Date``.
    :return: seconds from 0 to :data:`MAX_DELAY_SECONDS`; None if unknown.
    """
    fields = {name.lower(): value for name, value in headers.items()}
    here = _http_date(fields.get("date", ""))
    if here is None:
        here = now
    for delay in _evidence(fields, body, here):
        if delay is not None and math.isfinite(delay) and delay <= MAX_DELAY_SECONDS:
            return max(0.0, delay)
    return None


def _evidence(fields: Mapping[str, str], body: JSON, here: float) -> Iterator[float | None]:
    yield _retry_after(fields.get("retry-after", ""), here)
    yield _reset(_find(fields, _RESET), here) if _is_used_up(fields) else None
    for part in _parts(body):
        yield _retry_after(_find(part, re.compile("retry-?after")), here)
        yield _reset(_find(part, _RESET), here)


def _is_used_up(fields: Mapping[str, str]) -> bool:
    """Normal answers carry the reset header too; with something remaining it speaks of another limit."""
    remaining = _number(_find(fields, _REMAINING))
    return remaining is None or remaining <= 0


def _parts(body: JSON) -> Iterator[Mapping[str, JSON]]:
    if isinstance(body, dict):
        errors = body.get("errors")
        if isinstance(errors, list):
            yield from (error for error in errors[:10] if isinstance(error, dict))
        for key in ("error", "data"):
            if isinstance(body.get(key), dict):
                yield body[key]
        yield body


def _find(fields: Mapping[str, JSON], name: re.Pattern[str]) -> JSON:
    beginning = islice(fields.items(), _FIELDS_LIMIT)
    return next((value for key, value in beginning if name.fullmatch(key.lower())), None)


def _retry_after(value: JSON, here: float) -> float | None:
    number = _number(value)
    if number is not None:
        return number
    at = _http_date(value) if isinstance(value, str) else None
    return None if at is None else at - here


def _reset(value: JSON, here: float) -> float | None:
    at = _number(value)
    if at is None:
        at = _rfc3339(value) if isinstance(value, str) else None
    if at is None:
        return None
    if at < _SMALLEST_EPOCH:
        return at  # far too small for an epoch: a delay
    return (at / 1000 if at >= _SMALLEST_EPOCH_MILLISECONDS else at) - here


def _number(value: JSON) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return float(value) if 0 <= value <= 1e15 else None
    return float(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else None


def _http_date(value: str) -> float | None:
    try:
        at = parsedate_to_datetime(value)
        return (at if at.tzinfo else at.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _rfc3339(value: str) -> float | None:
    """``datetime.fromisoformat`` of Python 3.10 knows neither ``Z`` nor Go's nine digits."""
    match = _RFC3339.fullmatch(value.strip())
    if match is None:
        return None
    fraction, sign, hours, minutes = match[7], match[9], match[10], match[11]
    offset = timedelta(hours=int(hours), minutes=int(minutes)) if sign else timedelta()
    try:
        zone = timezone(-offset if sign == "-" else offset)
        numbers = [int(match[group]) for group in range(1, 7)]
        at = datetime(*numbers, tzinfo=zone)  # type: ignore[arg-type, misc]
        return at.timestamp() + float(f"0.{fraction or 0}")
    except (ValueError, OverflowError):
        return None
