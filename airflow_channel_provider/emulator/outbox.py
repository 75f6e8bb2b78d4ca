"""
What is to be sent to others, and sent again until it is taken: webhooks, and hooks of apps.

What follows from an attempt is a pure function of its outcome. The outbox has a lock of its own, so that threads can
send from it while the emulator goes on; a request is complete when it is put in, and touches nothing of the emulator.
"""

from __future__ import annotations

import heapq
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_channel_provider.contract.webhooks import MOST_FAILURES_IN_A_ROW
from airflow_channel_provider.emulator.app_calls import AppCallError, read_result
from airflow_channel_provider.emulator.outgoing import NotReachedError, OutgoingRequest, send

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_channel_provider.emulator.jsontypes import JSONObject

ENTRIES_KEPT = 10_000
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
SENDERS = 4
_WATCH_SECONDS = 0.25
_TOO_MANY = 429


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What became of one attempt.

    :param http_status: None: no answer came.
    :param error: why the request was not taken; None: it was.
    """

    http_status: int | None
    error: str | None = None

    @property
    def is_to_be_repeated(self) -> bool:
        """Whether another attempt may change it."""
        status = self.http_status
        return self.error is not None and (status is None or status >= 500 or status == _TOO_MANY)


def pause_seconds(attempts: int, first_seconds: float = FIRST_PAUSE_SECONDS) -> float:
    """
    How long to wait after an attempt that failed: twice as long each time, up to a minute.

    :param attempts: how many there were.
    """
    return min(first_seconds * 2.0 ** min(attempts - 1, 60), LONGEST_PAUSE_SECONDS)


@dataclass(slots=True)
class OutboxEntry:
    """
    One request in the outbox.

    :param kind: ``webhook``, or ``hook`` for one that an app answers as a function.
    :param target: the name of the webhook, or the id of the app.
    :param event: the event that it announces.
    :param state: ``waiting``, ``sending``, ``delivered``, ``refused`` or ``blocked``.
    """

    number: int
    kind: str
    target: str
    event: str
    request: OutgoingRequest
    made_at: float
    due_at: float
    state: str = "waiting"
    attempts: int = 0
    outcome: Outcome = field(default_factory=lambda: Outcome(None))
    ended_at: float | None = None

    def listing(self) -> JSONObject:
        """The entry as JSON, without a secret."""
        waits = self.state == "waiting"
        return {
            "n": self.number,
            "kind": self.kind,
            "target": self.target,
            "event": self.event,
            "url": self.request.shown_url,
            "made_at": self.made_at,
            "state": self.state,
            "attempts": self.attempts,
            "http_status": self.outcome.http_status,
            "error": self.outcome.error,
            "due_at": self.due_at if waits else None,
            "ended_at": self.ended_at,
        }


class Outbox:
    """
    The requests, those that wait soonest first.

    :param kept: how many are remembered; those that wait are never forgotten.
    :ivar first_pause_seconds: after the first attempt that fails.
    :ivar blocks_after: failures in a row after which a webhook is blocked; None: never.
    """

    def __init__(self, kept: int = ENTRIES_KEPT) -> None:
        self.first_pause_seconds = FIRST_PAUSE_SECONDS
        self.blocks_after: int | None = MOST_FAILURES_IN_A_ROW
        self._kept = kept
        self._condition = threading.Condition()
        self._start()

    def _start(self) -> None:
        self._entries: dict[int, OutboxEntry] = {}
        self._waiting: list[tuple[float, int]] = []
        self._failures: dict[str, int] = {}
        self._blocked_at: dict[str, float] = {}
        self._count = 0

    def clear(self) -> None:
        """Forget everything; what is under way comes to nothing."""
        with self._condition:
            self._start()
            self._condition.notify_all()

    def add(self, kind: str, target: str, event: str, request: OutgoingRequest, now: float) -> int:
        """
        Put a request in, which is due at once.

        :param now: epoch seconds.
        :return: its number.
        """
        with self._condition:
            self._count += 1
            entry = OutboxEntry(self._count, kind, target, event, request, now, now)
            self._entries[entry.number] = entry
            if kind == "webhook" and target in self._blocked_at:
                _end(entry, "blocked", now)
            else:
                heapq.heappush(self._waiting, (now, entry.number))
            self._forget_oldest()
            self._condition.notify()
            return entry.number

    def take(self, now: float) -> OutboxEntry | None:
        """
        Take the request that is due, to send it; None: none is.

        :param now: epoch seconds.
        """
        with self._condition:
            while self._waiting and self._waiting[0][0] <= now:
                entry = self._entries.get(heapq.heappop(self._waiting)[1])
                if entry is not None and entry.state == "waiting":
                    entry.state = "sending"
                    entry.attempts += 1
                    return entry
            return None

    def settle(self, entry: OutboxEntry, outcome: Outcome, now: float) -> None:
        """
        Say what became of a request that was taken.

        :param now: epoch seconds.
        """
        with self._condition:
            if self._entries.get(entry.number) is not entry:
                return  # forgotten meanwhile
            entry.outcome = outcome
            if outcome.error is None:
                self._failures.pop(entry.target, None)
                _end(entry, "delivered", now)
                return
            self._note_failure(entry, now)
            if entry.kind == "webhook" and entry.target in self._blocked_at:
                _end(entry, "blocked", now)
            elif outcome.is_to_be_repeated:
                entry.state = "waiting"
                entry.due_at = now + pause_seconds(entry.attempts, self.first_pause_seconds)
                heapq.heappush(self._waiting, (entry.due_at, entry.number))
            else:
                _end(entry, "refused", now)

    def _note_failure(self, entry: OutboxEntry, now: float) -> None:
        if entry.kind != "webhook":
            return
        target = entry.target
        self._failures[target] = self._failures.get(target, 0) + 1
        if self.blocks_after is not None and self._failures[target] >= self.blocks_after:
            self._blocked_at.setdefault(target, now)
            for other in self._entries.values():
                if (other.kind, other.target, other.state) == ("webhook", target, "waiting"):
                    _end(other, "blocked", now)

    def unblock(self, target: str) -> None:
        """Send to a webhook again; what was blocked is lost."""
        with self._condition:
            self._failures.pop(target, None)
            self._blocked_at.pop(target, None)

    def blocked_at(self, target: str) -> float | None:
        """When a webhook was blocked, in epoch seconds; None: it is not."""
        with self._condition:
            return self._blocked_at.get(target)

    def listing(self, since: int = 0) -> list[JSONObject]:
        """The entries after number ``since``, oldest first."""
        with self._condition:
            return [entry.listing() for entry in self._entries.values() if entry.number > since]

    def wait(self, now: float) -> None:
        """
        Wait until something may be due.

        :param now: epoch seconds.
        """
        with self._condition:
            until_due = self._waiting[0][0] - now if self._waiting else _WATCH_SECONDS
            if until_due > 0:
                self._condition.wait(min(until_due, _WATCH_SECONDS))

    def _forget_oldest(self) -> None:
        if len(self._entries) <= self._kept:
            return
        ended = (number for number, entry in self._entries.items() if entry.ended_at is not None)
        number = next(ended, None)
        if number is not None:
            del self._entries[number]


def _end(entry: OutboxEntry, state: str, now: float) -> None:
    entry.state, entry.ended_at = state, now


def attempt(entry: OutboxEntry) -> Outcome:
    """Send a request once."""
    try:
        status, body = send(entry.request)
    except NotReachedError as error:
        return Outcome(None, f"not reached: {error}")
    if entry.kind == "webhook":
        return Outcome(status, None if 200 <= status < 300 else f"HTTP {status}")
    try:
        read_result(entry.event, status, body)
    except AppCallError as error:
        return Outcome(status, str(error))
    return Outcome(status)


class OutboxSender:
    """
    Threads that send what is due until they are stopped.

    :param outbox: what they send from.
    :param clock: returns epoch seconds.
    """

    def __init__(self, outbox: Outbox, clock: Callable[[], float]) -> None:
        self._outbox = outbox
        self._clock = clock
        self._stopped = threading.Event()

    def start(self) -> None:
        """Start sending."""
        for number in range(SENDERS):
            # Not waited for at the end: an answer that is late must not hold the emulator up.
            threading.Thread(target=self._run, name=f"emulator-outbox-{number}", daemon=True).start()

    def stop(self) -> None:
        """Take nothing more; what is under way comes to nothing."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            entry = self._outbox.take(self._clock())
            if entry is None:
                self._outbox.wait(self._clock())
                continue
            outcome = attempt(entry)
            if not self._stopped.is_set():
                self._outbox.settle(entry, outcome, self._clock())
