"""
How the tasks of a channel share its rate limit: pure decisions about one small document, :class:`Pace`.

The service counts requests in windows and says in each answer what is left of the present one. Who wants to send takes
permits of that window, a few at a time, and no permit is given twice. While much is left they may be used at once;
below :data:`SLOW_SHARE` of the limit each has its own moment, so that what is left is spread over what is left of the
window. A permit that is not used lapses with its window.

Only an answer says when a window ends. One that began without an answer yet is assumed to be as long as the last one,
and to have been begun by requests that were on their way: one or two of each process, which are kept back.

All times are seconds of the clock of whoever keeps the document.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

SLOW_SHARE = 0.2
MOST_AT_ONCE = 50
"""Permits that one process takes at once; with few left, or with many processes, it takes fewer."""
SLOW_SPAN_SECONDS = 1.0
"""Below the share, a process takes the permits of about so long."""
UNLIMITED_SECONDS = 60.0
ON_THEIR_WAY = 2
_MOST_TAKERS = 256


@dataclass(frozen=True, slots=True)
class Seen:
    """
    What an answer said.

    :param limit: requests in one window; 0: it said nothing of limits.
    :param remaining: how many are left.
    :param window: the end of the window as the service wrote it, by which windows are distinguished; 0: not said.
    :param ends_at: the same by the clock of the document.
    """

    limit: int
    remaining: int
    window: int
    ends_at: float


@dataclass(frozen=True, slots=True)
class Permits:
    """
    Permits of one window.

    :param count: how many.
    :param first_at: when the first may be used.
    :param gap_seconds: from each to the next.
    :param ends_at: from when on none of them may be used.
    :param window: see :class:`Seen`; an answer with a later one makes them lapse.
    :param is_assumed: the window began without an answer yet, and ``window`` is the one before; the first later one
        that an answer names is theirs.
    """

    count: int
    first_at: float
    gap_seconds: float
    ends_at: float
    window: int
    is_assumed: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """
    No permit is left.

    :param until: when the next window begins, or the wait ends that a refusal named.
    """

    until: float


@dataclass(frozen=True, slots=True)
class Pace:
    """
    What is known of the rate limit of a channel.

    :param limit: requests in one window; None: no answer has said it yet; 0: answers don't say it.
    :param left: permits that nobody has taken.
    :param window: see :class:`Seen`.
    :param ends_at: when the present window ends.
    :param length_seconds: how long the last window was, as far as it was seen.
    :param next_at: the moment of the next permit, below the share.
    :param takers: who has taken permits of the present window.
    :param is_assumed: no answer of the present window is known yet; ``window`` is then still the one before.
    :param paused_until: when the wait that a refusal named ends; the window may have more left then, or end later.
    """

    limit: int | None = None
    left: int = 0
    window: int = 0
    ends_at: float = 0.0
    length_seconds: float = 0.0
    next_at: float = 0.0
    takers: Sequence[str] = ()
    is_assumed: bool = False
    paused_until: float = 0.0

    @classmethod
    def from_json(cls, state: Mapping[str, Any] | None) -> Pace:
        """Read what was stored; what can't be true counts as unknown, for the next answer says it anew."""
        if state is None:
            return cls()
        try:
            limit = state["limit"]
            pace = cls(
                limit=None if limit is None else int(limit),
                left=int(state["left"]),
                window=int(state["window"]),
                ends_at=float(state["ends_at"]),
                length_seconds=float(state["length_seconds"]),
                next_at=float(state["next_at"]),
                takers=tuple(str(taker)[:64] for taker in state["takers"])[:_MOST_TAKERS],
                is_assumed=state["is_assumed"] is True,
                paused_until=float(state["paused_until"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            return cls()
        times = (pace.ends_at, pace.length_seconds, pace.next_at, pace.paused_until)
        is_possible = all(map(math.isfinite, times)) and 0 <= pace.left <= (pace.limit or 0)
        return pace if is_possible and pace.length_seconds >= 0 and (pace.limit or 0) >= 0 else cls()

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {**asdict(self), "takers": list(self.takers)}


def learned(pace: Pace, seen: Seen, now: float) -> Pace:
    """
    Return the pace after an answer.

    :param seen: what it said.
    """
    if not seen.limit:
        return replace(pace, limit=0) if pace.limit is None else pace
    if not seen.window:  # a refusal that says no more than how long to wait
        return replace(pace, paused_until=max(pace.paused_until, seen.ends_at))
    is_old = seen.window < pace.window or (seen.window == pace.window and pace.is_assumed)
    if is_old or seen.ends_at <= now:
        return pace
    left = min(seen.remaining, seen.limit)
    begun = replace(pace, limit=seen.limit, window=seen.window, ends_at=seen.ends_at, is_assumed=False)
    if seen.window == pace.window:
        return replace(begun, left=min(pace.left, left))
    begun = replace(begun, length_seconds=seen.ends_at - now)
    if pace.is_assumed:
        return replace(begun, left=min(pace.left, left))
    return replace(begun, left=max(0, left - _on_their_way(begun)), next_at=now, takers=())


def taken(pace: Pace, now: float, *, taker: str, most: int) -> tuple[Pace, Permits | Pause]:
    """
    Take permits.

    :param taker: names the process.
    :param most: how many it wants.
    :return: the pace without them, and the permits; or how long there are none.
    """
    if now < pace.paused_until:
        return pace, Pause(pace.paused_until)
    limit = pace.limit
    if limit == 0:
        return pace, Permits(most, now, 0.0, now + UNLIMITED_SECONDS, 0)
    if taker not in pace.takers and len(pace.takers) < _MOST_TAKERS:
        pace = replace(pace, takers=(*pace.takers, taker))
    if limit is None:
        return pace, Permits(1, now, 0.0, now + UNLIMITED_SECONDS, 0)
    if now >= pace.ends_at:
        pace = _next_window(pace, limit, now, taker)
    if pace.left <= 0:
        return pace, Pause(pace.ends_at)
    freely = pace.left - math.ceil(limit * SLOW_SHARE)
    others = len(pace.takers)
    if freely > 0:
        count = min(most, MOST_AT_ONCE, max(1, freely // (4 * others)))
        permits = Permits(count, now, 0.0, pace.ends_at, pace.window, pace.is_assumed)
        return replace(pace, left=pace.left - count, next_at=now), permits
    first_at = pace.next_at if now < pace.next_at < pace.ends_at else now
    gap = (pace.ends_at - first_at) / (pace.left + 1)
    count = min(most, max(1, min(pace.left // (2 * others), math.ceil(SLOW_SPAN_SECONDS / gap))))
    permits = Permits(count, first_at, gap, pace.ends_at, pace.window, pace.is_assumed)
    return replace(pace, left=pace.left - count, next_at=first_at + count * gap), permits


def given_back(pace: Pace, window: int, count: int, now: float) -> Pace:
    """
    Return the pace with permits that were not used.

    :param window: of the permits; those of another one have lapsed.
    """
    if not pace.limit or pace.window != window or now >= pace.ends_at:
        return pace
    return replace(pace, left=min(pace.limit, pace.left + count))


def _next_window(pace: Pace, limit: int, now: float, taker: str) -> Pace:
    left = max(1, limit - _on_their_way(pace))
    ends_at = now + max(pace.length_seconds, 1.0)
    return replace(pace, left=left, ends_at=ends_at, next_at=now, takers=(taker,), is_assumed=True)


def _on_their_way(pace: Pace) -> int:
    """How many requests of the window before may be counted in this one."""
    return min((pace.limit or 0) // 2, ON_THEIR_WAY * len(pace.takers))
