"""One rate limiter for all threads of a bulk task: at most N calls per second, and one shared cooldown.

When the service refuses a call with a rate limit, every thread waits: the first refusal starts a cooldown, and refusals
of calls that were already sent do not start another. Only stopping the work ends a cooldown early.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

from airflow_channel_provider.bulk.outcomes import RunStoppedError

MAX_JITTER_SECONDS = 1.0
FIRST_COOLDOWN_SECONDS = 0.5


class RateLimiter:
    """
    Limits the calls of one try of a bulk task; shared by its threads.

    :param calls_per_second: maximum number of calls per second; None: no limit.
    :param cooldown_max_seconds: longest cooldown where the service does not say how long to wait.
    :param now: seconds of a steady clock.
    :param wait: waits for a number of seconds; returns True if the work was stopped meanwhile.

    :ivar paused_seconds: total length of all cooldowns.
    """

    def __init__(
        self,
        calls_per_second: float | None = None,
        *,
        cooldown_max_seconds: float = 30.0,
        now: Callable[[], float] = time.monotonic,
        wait: Callable[[float], bool] | None = None,
        random: Callable[[], float] = random.random,
    ) -> None:
        self._interval = 1.0 / calls_per_second if calls_per_second else 0.0
        self._cooldown_max_seconds = cooldown_max_seconds
        self._now = now
        self._random = random
        self._stopped = threading.Event()
        self._wait = wait or self._stopped.wait
        self._lock = threading.Lock()
        self._cooldown_until = 0.0
        self._next_at = 0.0
        self._refusals = 0
        self._local = threading.local()
        self.paused_seconds = 0.0

    def acquire(self) -> None:
        """
        Wait until a call may be sent.

        :raises RunStoppedError: the work was stopped.
        """
        send_at = self._reserve()
        while (seconds := send_at - self._now()) > 0:
            self.sleep(seconds)
            if self._cooldown_until > send_at:  # a cooldown has begun meanwhile
                send_at = self._reserve()
        self._note_acquired()

    def wait_for_cooldown(self) -> None:
        """
        Wait for the end of the cooldown, without using up a call.

        :raises RunStoppedError: the work was stopped.
        """
        while (seconds := self._cooldown_until - self._now()) > 0:
            self.sleep(seconds)
        self._note_acquired()

    def _note_acquired(self) -> None:
        if self._stopped.is_set():
            raise RunStoppedError
        self._local.acquired_at = self._now()

    def sleep(self, seconds: float) -> None:
        """
        Wait for a while.

        :raises RunStoppedError: the work was stopped meanwhile.
        """
        if self._wait(seconds) or self._stopped.is_set():
            raise RunStoppedError

    def record_refusal(self, wait_seconds: float | None) -> int:
        """
        Start a cooldown for all threads, since a call of this thread was refused for a rate limit.

        A call that was already sent when the cooldown began may be refused too; it can extend the cooldown, but is not
        counted as another refusal.

        :param wait_seconds: how long the service asks to wait; None where it does not say.
        :return: number of refusals in a row, without a success between them.
        """
        with self._lock:
            now = self._now()
            if getattr(self._local, "acquired_at", now) >= self._cooldown_until:
                self._refusals += 1
                cooldown = self._backoff_seconds() if wait_seconds is None else wait_seconds
                cooldown += self._random() * MAX_JITTER_SECONDS
                self._cooldown_until = now + cooldown
                self.paused_seconds += cooldown
            elif wait_seconds is not None:
                self._cooldown_until = max(self._cooldown_until, now + wait_seconds)
            return self._refusals

    def _backoff_seconds(self) -> float:
        return min(self._cooldown_max_seconds, FIRST_COOLDOWN_SECONDS * 2.0 ** min(self._refusals, 16))

    def record_success(self) -> None:
        """Reset the count of refusals: the service has accepted a call."""
        self._refusals = 0

    def stop(self) -> None:
        """Let no call through any more, and wake the threads that wait."""
        self._stopped.set()

    @property
    def is_stopped(self) -> bool:
        """Whether :meth:`stop` was called."""
        return self._stopped.is_set()

    def _reserve(self) -> float:
        """Return when the next call may be sent, and reserve that moment for it."""
        if not self._interval:
            return self._cooldown_until
        with self._lock:
            send_at = max(self._cooldown_until, self._next_at, self._now())
            self._next_at = send_at + self._interval
            return send_at
