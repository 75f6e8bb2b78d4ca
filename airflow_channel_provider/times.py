"""Moments, in either form that the service has published, as epoch milliseconds."""

from __future__ import annotations

import calendar
import re
from datetime import datetime, timedelta, timezone

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
LEAST_MS, MOST_MS = -62_135_596_800_000, 253_402_300_799_999
"""The first moment of the year 1, and the last of the year 9999: no other year has a date in Python."""
_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?\s*([Zz]|[+-]\d\d:?\d\d)?", re.ASCII
)
_DIGITS = re.compile(r"-?\d{1,16}", re.ASCII)


def to_ms(value: object) -> int | None:
    """
    Return a moment as epoch milliseconds; None for what is none.

    :param value: epoch milliseconds, as a number or as digits, or text of ISO 8601; one without an offset is UTC.
    """
    if type(value) is int:  # bool is none
        return value if LEAST_MS <= value <= MOST_MS else None
    if isinstance(value, float):
        return int(value) if LEAST_MS <= value <= MOST_MS else None
    return _of_text(value.strip()) if isinstance(value, str) else None


def _of_text(text: str) -> int | None:
    if _DIGITS.fullmatch(text):
        return to_ms(int(text))
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    day, clock, fraction, offset = found.groups()
    if offset and ":" not in offset and offset not in "Zz":
        offset = f"{offset[:3]}:{offset[3:]}"
    try:
        moment = datetime.fromisoformat(
            f"{day}T{clock}{'+00:00' if not offset or offset in 'Zz' else offset}"
        )
        ms = ms_of(moment)
    except (ValueError, OverflowError):  # the offset may lead out of the years that there are
        return None
    return ms + int((fraction or "0").ljust(3, "0")[:3])


def ms_of(moment: datetime) -> int:
    """Return an aware moment as whole epoch milliseconds, rounded down."""
    # Not by a difference: that of the moments that Airflow gives can't be divided.
    return calendar.timegm(moment.utctimetuple()) * 1000 + moment.microsecond // 1000


def iso(ms: int) -> str:
    """Return a moment as text that sorts as the moments do: ``2026-11-01T00:00:00.000Z``."""
    text = (EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds")
    return f"{text[:-6]}Z"
