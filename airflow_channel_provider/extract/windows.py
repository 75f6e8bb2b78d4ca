"""
Windows of time, and the order of a list. Pure.

Windows that touch have neither a gap nor, but for ``lookback``, an overlap, whatever their borders are: the start
belongs to a window, its end to the next.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone, tzinfo
from typing import Any

from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.times import EPOCH, iso, ms_of, to_ms

_CHANGES = ("updatedAt", "createdAt", "frontUpdatedAt", "deskUpdatedAt", "editedAt")
"""The times of a row that say that it changed. Others lie ahead (``expiresAt``) or come with one of these."""
_LENGTHS = {
    1: (12, timedelta(0)),
    2: (1, timedelta(0)),
    3: (0, timedelta(days=1)),
    4: (0, timedelta(hours=1)),
}
"""How long a partition is, in months and the rest, by the number of parts of its key."""
_KEY = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[T ](\d\d)(?::(\d\d)(?::(\d\d))?)?)?)?)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Window:
    """
    A window: from ``lookback_ms`` before its start, until just before its end.

    :param start_ms: epoch milliseconds.
    :param end_ms: epoch milliseconds.
    :param lookback_ms: how much it overlaps the window before it.
    """

    start_ms: int
    end_ms: int
    lookback_ms: int = 0

    @property
    def from_ms(self) -> int:
        """The earliest change that belongs to it."""
        return self.start_ms - self.lookback_ms

    def holds(self, change_ms: int | None) -> bool:
        """Return whether a row belongs to the window, lookback included; one that does not say when it changed does."""
        return change_ms is None or self.from_ms <= change_ms < self.end_ms

    @property
    def name(self) -> str:
        """Names its folder, such as ``20261101T000000Z_20261102T000000Z``."""
        return f"{_compact(self.start_ms)}_{_compact(self.end_ms)}"


def _compact(ms: int) -> str:
    text = iso(ms).replace("-", "").replace(":", "")
    return text.replace(".000", "")


def window_of(
    given: object,
    *,
    lookback: timedelta | float = 0,
    interval: tuple[datetime | None, datetime | None] = (None, None),
    run_after: datetime | None = None,
    partition_key: str | None = None,
    partition_date: datetime | None = None,
    zone: tzinfo = timezone.utc,
) -> Window:
    """
    Return the window of a run.

    :param given: two moments, or the length of the window that ends with the data interval (or begins with the
        partition), or None: the partition, else the data interval.
    :param lookback: how much earlier reading begins; a number is seconds.
    :param interval: the data interval of the run.
    :param run_after: from when on the run may begin, which each has; the end of a window of a given length where there
        is no data interval.
    :param partition_key: of the run, where Airflow has partitions: a year, month, day or hour.
    :param partition_date: the moment at which the partition begins, if Airflow says it.
    :param zone: of the schedule. Its days, months and years are as long there as its clocks say: a day that ends or
        begins daylight saving has 25 hours or 23. What a length has beside whole days is as long everywhere.
    :raises ChannelConfigurationError: there is no window, or it is empty.
    """
    seconds = lookback.total_seconds() if isinstance(lookback, timedelta) else lookback
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds < 1e10:
        raise ChannelConfigurationError(
            "lookback must be a timedelta, or a number of seconds, of at least 0."
        )
    ends = (interval[0], interval[1] or run_after) if isinstance(given, timedelta) else interval
    try:
        start, end = _borders(given, ends, partition_key, partition_date, zone)
        start_ms, end_ms = ms_of(start), ms_of(end)
        said = f"from {iso(start_ms)} to {iso(end_ms)}"
    except (ValueError, OverflowError):
        raise ChannelConfigurationError(
            "The window is not within the years 1 to 9999; correct window, or the partition of the run."
        ) from None
    if start_ms >= end_ms:
        raise ChannelConfigurationError(
            f"The window {said} is empty. If it is the data interval of a cron "
            "schedule, which has no length in Airflow 3, give window=timedelta(days=1) or the like, or schedule the "
            "DAG with a CronDataIntervalTimetable."
        )
    return Window(start_ms, end_ms, round(seconds * 1000))


def _borders(
    given: object,
    interval: tuple[datetime | None, datetime | None],
    partition_key: str | None,
    partition_date: datetime | None,
    zone: tzinfo,
) -> tuple[datetime, datetime]:
    if isinstance(given, (list, tuple)) or (
        isinstance(given, Sequence) and not isinstance(given, (str, bytes))
    ):
        if len(given) != 2:
            raise ChannelConfigurationError("window must have two moments: the start and the end.")
        return _moment(given[0]), _moment(given[1])
    if given is not None and not isinstance(given, timedelta):
        raise ChannelConfigurationError(
            "window must be two moments, or a timedelta, or None for the data interval of the run."
        )
    if partition_key is not None:
        return _of_partition(partition_key, partition_date, given, zone)
    start, end = interval
    if given is not None and end is not None:
        return _moved(end, -given, zone), _aware(end)
    if start is None or end is None:
        raise ChannelConfigurationError(
            "This run has no data interval; give window, two moments such as 2026-11-01 and 2026-11-02."
        )
    return _aware(start), _aware(end)


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return _aware(value)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=timezone.utc)
    text = str(value).strip()
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        text += "T00:00:00"
    # A number would be milliseconds here and seconds elsewhere.
    found = to_ms(text) if isinstance(value, str) and "-" in text[1:] else None
    if found is None:
        raise ChannelConfigurationError(
            "The moments of window must be datetimes, or texts such as 2026-11-01 or 2026-11-01T09:00:00+09:00."
        )
    return EPOCH + timedelta(milliseconds=found)


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _moved(moment: datetime, by: timedelta, zone: tzinfo, months: int = 0) -> datetime:
    """Return the moment that is so many months and days later by the clocks of a zone, and the rest of a length."""
    moment, days = _aware(moment).astimezone(timezone.utc), timedelta(days=int(by / timedelta(days=1)))
    if not days and not months:
        return moment + by
    local = moment.astimezone(zone)
    year, month = divmod(local.year * 12 + local.month - 1 + months, 12)
    day = min(local.day, calendar.monthrange(year, month + 1)[1])
    there = local.replace(year=year, month=month + 1, day=day, tzinfo=None, fold=0) + days
    return there.replace(tzinfo=zone).astimezone(timezone.utc) + (by - days)


def _of_partition(
    key: str, begins: datetime | None, length: timedelta | None, zone: tzinfo
) -> tuple[datetime, datetime]:
    found = _KEY.fullmatch(key.strip())
    if found is None and begins is None:
        raise ChannelConfigurationError(
            "The partition key is no time such as 2026-11-01 or 2026-11-01T09; give window, two moments."
        )
    parts = [] if found is None else [int(part) for part in found.groups() if part is not None]
    if begins is None:
        try:
            begins = datetime(*[*parts, 1, 1][: max(3, len(parts))], tzinfo=timezone.utc)  # type: ignore[misc, arg-type]
        except ValueError:
            raise ChannelConfigurationError("The partition key is no time that there is.") from None
    begins = _aware(begins)
    months, rest = _LENGTHS.get(len(parts), (0, None)) if length is None else (0, length)
    if rest is None:
        raise ChannelConfigurationError(
            "The partition key says where the window begins, and not how long it is; give window=timedelta(days=1) or "
            "the like."
        )
    return begins, _moved(begins, rest, zone, months)


def change_ms(row: Mapping[str, Any]) -> int | None:
    """Return when a row last changed, as far as it says; None where it does not."""
    latest = None
    for name in _CHANGES:
        value = row.get(name)
        if value is not None:
            ms = value if type(value) is int else to_ms(value)
            if ms is not None and (latest is None or ms > latest):
                latest = ms
    return latest


def last_messages(messages: object) -> dict[str, int]:
    """Return the last change of the messages that a list of chats has beside it, by chat."""
    latest: dict[str, int] = {}
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, Mapping):
            chat_id, ms = message.get("chatId"), change_ms(message)
            if isinstance(chat_id, str) and ms is not None:
                latest[chat_id] = max(ms, latest.get(chat_id, ms))
    return latest


class FallingOrder:
    """
    Whether a list is sorted by the last change, latest first, as far as it was read.

    A list that is sorted by creation may look like that for a while. So the order counts as seen only after a chat came
    behind one that was created before it.
    """

    def __init__(self, *, has_held: bool = True, is_told_apart: bool = False) -> None:
        self.has_held = has_held
        self.is_told_apart = is_told_apart
        self._last_change: int | None = None
        self._last_created: int | None = None

    def begin(self) -> None:
        """Begin a list at its head, or anywhere else."""
        self._last_change = self._last_created = None

    def see(self, changes: Iterable[int | None], created: Iterable[int | None]) -> None:
        """Look at the next rows: when each changed, and when it was created."""
        for change, creation in zip(changes, created, strict=True):
            if change is None or (self._last_change is not None and change > self._last_change):
                self.has_held = False
            if creation is not None:
                if self._last_created is not None and creation > self._last_created:
                    self.is_told_apart = True
                self._last_created = creation
            self._last_change = change

    def is_past(self, ms: int) -> bool:
        """Return whether nothing that follows has changed at a moment, or since."""
        return (
            self.has_held and self.is_told_apart and self._last_change is not None and self._last_change < ms
        )
