"""
The pace of this process: takes permits of a channel's rate limit from the token store, and uses them.

All hooks and threads of the process share it. While the store is down, the process goes by what it sees itself, after
one warning, and asks the store again from time to time.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, TypeVar

from airflow_channel_provider.exceptions import ChannelError, ChannelRateLimitError
from airflow_channel_provider.pace import (
    MOST_AT_ONCE,
    Pace,
    Pause,
    Permits,
    Seen,
    given_back,
    learned,
    taken,
)
from airflow_channel_provider.process_lock import ProcessLock

if TYPE_CHECKING:
    from airflow_channel_provider.api.open_api import RateLimitState
    from airflow_channel_provider.tokens.stores.base import Snapshot, TokenStore

T = TypeVar("T")
log = logging.getLogger(__name__)

PREFIX = "pace-"
"""Begins the name under which the pace of a channel is stored, beside the records of apps."""

ALONE_SECONDS = 30.0
"""So long a process goes by itself before it asks a store that was down again."""

_PAST_SECONDS = 0.001
"""A wait for a moment ends a little after it: two clocks never agree to the last digit."""

_shared: dict[tuple[str, str], SharedPace] = {}
_opening = ProcessLock()


def _start_anew_after_a_fork() -> None:
    for pace in _shared.values():
        pace.start_anew()


os.register_at_fork(after_in_child=_start_anew_after_a_fork)


def shared_pace(store: TokenStore, base_url: str, access_key: str) -> SharedPace:
    """
    Return the pace of a channel, the same for all hooks of this process.

    :param store: where the tasks of the channel share it.
    :param base_url: of the service.
    :param access_key: names the channel; the document that is named by it can't be traced back to it.
    """
    name = hashlib.sha256(f"open-api-pace|{base_url}|{access_key}".encode()).hexdigest()[:40]
    with _opening():
        key = (store.address, name)
        if key not in _shared:
            _shared[key] = SharedPace(store, f"{PREFIX}{name}")
        return _shared[key]


@dataclass(slots=True)
class _Answer:
    """What the last answer said, and when the window ends by the clock of this process."""

    state: RateLimitState | None
    ends_at: float


class SharedPace:
    """
    Permits of one channel.

    :param store: keeps the document.
    :param document: its name.
    :param clock: seconds of this process.
    """

    def __init__(self, store: TokenStore, document: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._document = document
        self._clock = clock
        self.start_anew()

    def start_anew(self) -> None:
        """Begin as a process of its own: a forked child has neither the permits nor the locks of its parent."""
        self._taker = f"{os.getpid():x}-{uuid.uuid4().hex[:12]}"
        self._lock = threading.Lock()
        self._permits: Permits | None = None
        self._most = 1
        self._answer: _Answer | None = None
        self._not_before = 0.0
        self._alone: TokenStore | None = None
        self._alone_until = 0.0

    def acquire(self, *, most_wait_seconds: float, sleep: Callable[[float], None]) -> None:
        """
        Wait until a request may be sent.

        :param most_wait_seconds: longest single wait.
        :param sleep: takes seconds.
        :raises ChannelRateLimitError: the wait is longer.
        """
        while True:
            with self._lock:
                until, is_permitted = self._next()
                wait_seconds = until - self._now()
            if wait_seconds > most_wait_seconds:
                raise ChannelRateLimitError(
                    "The rate limit of the channel is used up. Nothing was sent.",
                    retry_at=datetime.now(timezone.utc) + timedelta(seconds=wait_seconds),
                )
            if wait_seconds > 0:
                sleep(wait_seconds)
            if is_permitted:
                return
            with self._lock:
                self._not_before = max(self._not_before, until)

    def note(self, state: RateLimitState | None) -> None:
        """
        Take note of what an answer said; None: nothing.

        :param state: of the headers.
        """
        with self._lock:
            if state is None:
                self._answer = self._answer or _Answer(None, 0.0)
                return
            ends_at = self._now() + max(0.0, state.reset_at - time.time())
            self._answer = _Answer(state, ends_at)
            permits = self._permits
            if permits is None or state.window <= permits.window:
                return
            # The first answer of a window that was assumed names it; any other later window makes the permits lapse.
            adopted = replace(permits, window=state.window, ends_at=ends_at, is_assumed=False)
            self._permits = adopted if permits.is_assumed else None

    def refused(self, wait_seconds: float | None) -> None:
        """
        Tell all tasks that the service refused a request of this one.

        :param wait_seconds: how long it said to wait; None: it did not.
        """
        with self._lock:
            self._permits, self._most = None, 1
            if wait_seconds is None:
                return
            left_seconds = wait_seconds

            def note(pace: Pace, now: float, seen: Seen | None) -> tuple[Pace, None]:
                return learned(pace, Seen(1, 0, 0, now + left_seconds), now), None

            self._change(note)

    def rest(self) -> None:
        """Give back what this process has taken and not used."""
        with self._lock:
            permits, self._permits, self._most = self._permits, None, 1
            if permits is None or permits.count < 1 or not permits.window or self._now() >= permits.ends_at:
                return
            self._change(lambda pace, now, seen: (given_back(pace, permits.window, permits.count, now), None))

    # ---- under the lock

    def _now(self) -> float:
        """The time of this process, not before the end of a wait that it has sat out."""
        return max(self._clock(), self._not_before)

    def _next(self) -> tuple[float, bool]:
        """Return until when to wait, and whether a request may be sent then; else permits are asked for again."""
        permits = self._permits
        if permits is None or permits.count < 1 or self._now() >= permits.ends_at:
            found = self._take()
            if isinstance(found, Pause):
                return found.until, False
            permits = found
        at = permits.first_at
        self._permits = replace(permits, count=permits.count - 1, first_at=at + permits.gap_seconds)
        return at, True

    def _take(self) -> Permits | Pause:
        most, here = self._most, self._now()
        self._most = min(MOST_AT_ONCE, 2 * most)

        def take(pace: Pace, now: float, seen: Seen | None) -> tuple[Pace, Permits | Pause]:
            pace, found = taken(pace, now, taker=self._taker, most=most)
            ahead = here - now
            if isinstance(found, Pause):
                return pace, Pause(found.until + ahead + _PAST_SECONDS)
            return pace, replace(found, first_at=found.first_at + ahead, ends_at=found.ends_at + ahead)

        return self._change(take)

    def _change(self, change: Callable[[Pace, float, Seen | None], tuple[Pace, T]]) -> T:
        """Change the document, after what the last answer said; this process alone where the store is down."""
        here, answer = self._now(), self._answer
        waited_ahead = here - self._clock()

        def apply(stored: Snapshot) -> tuple[dict[str, object], T]:
            pace, now = Pace.from_json(stored.state), stored.now + waited_ahead
            seen = None if answer is None else _seen(answer, now - here)
            if seen is not None:
                pace = learned(pace, seen, now)
            pace, result = change(pace, now, seen)
            return pace.to_json(), result

        if self._alone is None or here >= self._alone_until:
            try:
                result = self._store.update(self._document, apply)
            except ChannelError as error:
                self._go_alone(error, here)
            else:
                self._alone = None
                return result
        alone = self._alone
        if alone is None:
            raise AssertionError("a process whose store is down keeps the pace itself")
        return alone.update(self._document, apply)

    def _go_alone(self, error: ChannelError, here: float) -> None:
        self._alone_until = here + ALONE_SECONDS
        if self._alone is None:
            from airflow_channel_provider.tokens.stores.memory import MemoryStore

            self._alone = MemoryStore(self._clock)
            log.warning(
                "The store %s can't be used, so this process keeps to the rate limit of the channel by itself; tasks "
                "beside it may be refused more often (%s: %s)",
                self._store.address,
                type(error).__name__,
                error,
            )


def _seen(answer: _Answer, ahead: float) -> Seen:
    """Return an answer by the clock of the document, which is so many seconds ahead of that of this process."""
    state = answer.state
    if state is None:
        return Seen(0, 0, 0, 0.0)
    return Seen(state.limit, state.remaining, state.window, answer.ends_at + ahead)
