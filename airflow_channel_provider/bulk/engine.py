"""Sends items from several threads, and settles them in one.

The thread that runs the engine reads the source, keeps the books and tells how it goes; the workers do nothing but
send. What is in hand is bounded: reading stops while too much waits, or while the oldest open item is too far behind,
so that memory does not grow with the work. Whatever stops the work, what is under way is awaited and noted first.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from airflow_channel_provider.bulk.books import Books
from airflow_channel_provider.bulk.items import Item
from airflow_channel_provider.bulk.lanes import Lanes
from airflow_channel_provider.bulk.outcomes import Loss, Outcome, SkipItem, StoppedError, stops_all
from airflow_channel_provider.bulk.pace import Pace
from airflow_channel_provider.exceptions import ChannelError, ChannelRateLimitError
from airflow_channel_provider.retry import retry_after_seconds

__all__ = ["Engine", "Limits"]

Send = Callable[[Item], Sequence[Loss]]
LOOK_SECONDS = 0.1
KILL_PATIENCE_SECONDS = 3.0


@dataclass(frozen=True)
class Limits:
    """
    How much at once, and how often.

    :param concurrency: so many workers.
    :param read_ahead: most items that wait for a worker.
    :param span: most items between the oldest open one and the newest.
    :param save_seconds: how often the checkpoint is written.
    :param max_wait_seconds: longest pause that is sat out; a longer one stops the work.
    :param refusals: so many refusals for being too fast, with no success between them, stop it as well.
    """

    concurrency: int = 8
    read_ahead: int = 256
    span: int = 1_000
    save_seconds: float = 2.0
    max_wait_seconds: float = 60.0
    refusals: int = 5


class Settled(NamedTuple):
    """What a worker reports."""

    item: Item
    losses: Sequence[Loss]
    skipped: bool = False


class Engine:
    """
    Carries items through.

    :param send: sends one item and returns what of it was lost; an error that it raises is the loss of the whole item,
        or stops all.
    :param books: what is noted, and where.
    :param pace: the gate that ``send`` goes through.
    :param note_first: an item is durably noted before it is sent, since nobody could tell afterwards.
    :param lane_of: names the lane of an item, within which the order is kept.
    :param watch: is called now and then by the thread that runs the engine; may raise what stops the work.
    :param now: seconds of a steady clock.
    """

    def __init__(
        self,
        send: Send,
        books: Books,
        pace: Pace,
        *,
        limits: Limits | None = None,
        note_first: bool = False,
        lane_of: Callable[[Item], Hashable] | None = None,
        watch: Callable[[], None] = lambda: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._send = send
        self._books = books
        self._pace = pace
        self._limits = limits or Limits()
        self._note_first = note_first
        self._watch = watch
        self._now = now
        self._lanes = Lanes(lane_of)
        self._settled: deque[Settled] = deque()
        self._wake = threading.Event()
        self._in_hand = 0
        self._any_succeeded = books.counts[Outcome.SUCCEEDED] > 0
        self._error: BaseException | None = None
        self._killed = False
        self._saved_at = now()

    def run(self, source: Iterable[Item]) -> None:
        """
        Carry all items through that are not settled yet.

        :raises ChannelError: what every item would meet; the rest is as it was.
        :raises StoppedError: :meth:`stop` was called.
        """
        workers = [
            threading.Thread(target=self._work, name=f"bulk-{number}", daemon=True)
            for number in range(self._limits.concurrency)
        ]
        for worker in workers:
            worker.start()
        finished = False
        try:
            self._feed(self._books.take(source))
            finished = not (self._pace.is_stopped or self._killed)
        finally:
            self._wind_up(workers, finished=finished)
        if self._error is not None:
            raise self._error
        if not finished:
            raise StoppedError

    def stop(self) -> None:
        """Stop: send nothing more, and note what was under way. May be called from a signal handler."""
        self._killed = True  # no more than that: a lock that this very thread holds could not be taken

    # ---- the thread that runs the engine

    def _feed(self, items: Iterator[Item]) -> None:
        exhausted = False
        while not (self._pace.is_stopped or self._killed):
            self._collect()
            exhausted = exhausted or self._hand_out(items)
            self._tend()
            if exhausted and not self._in_hand:
                return
            self._wake.wait(LOOK_SECONDS)
            self._wake.clear()

    def _hand_out(self, items: Iterator[Item]) -> bool:
        """Take items while there is room; tell whether there are no more."""
        if self._note_first:
            return self._hand_out_noted(items)
        while self._has_room(self._limits.read_ahead) and not self._is_due():
            item = next(items, None)
            if item is None:
                return True
            self._add(item)
        return False

    def _hand_out_noted(self, items: Iterator[Item]) -> bool:
        """The same, but the checkpoint knows them before a worker does: a few at a time, while others are under way."""
        few = 4 * self._limits.concurrency
        if self._in_hand > few // 2:
            return False
        batch: list[Item] = []
        exhausted = False
        while len(batch) < few and not exhausted and self._has_room(few + len(batch)):
            item = next(items, None)
            exhausted = item is None
            if item is not None:
                batch.append(item)
        if batch:
            self._save()
        for item in batch:
            self._add(item)
        return exhausted

    def _has_room(self, most: int) -> bool:
        # With nothing in hand, the span is one that a try before has left: only what comes next can make it shorter.
        is_near = not self._in_hand or self._books.ledger.span < self._limits.span
        return is_near and self._in_hand < most

    def _add(self, item: Item) -> None:
        self._in_hand += 1
        self._lanes.add(item)

    def _collect(self) -> None:
        while self._settled:
            done = self._settled.popleft()
            self._in_hand -= 1
            self._books.settle(done.item, done.losses, skipped=done.skipped)

    def _tend(self) -> None:
        if self._books.is_full or self._is_due():
            self._save()
        self._watch()

    def _is_due(self) -> bool:
        return self._now() - self._saved_at >= self._limits.save_seconds

    def _save(self) -> None:
        self._books.save()
        self._saved_at = self._now()

    def _wind_up(self, workers: Sequence[threading.Thread], *, finished: bool) -> None:
        self._pace.stop()
        self._lanes.close(len(workers))
        if self._killed:
            # There may be seconds left to live; what is known now is kept, whatever comes of the rest.
            self._collect()
            self._save()
        for worker in workers:
            worker.join(KILL_PATIENCE_SECONDS / len(workers) if self._killed else None)
        self._collect()
        at_rest = self._knows_what_was_sent() and not any(worker.is_alive() for worker in workers)
        self._books.close(finished=finished, at_rest=at_rest)

    def _knows_what_was_sent(self) -> bool:
        return self._error is None or isinstance(self._error, ChannelError)

    # ---- the workers

    def _work(self) -> None:
        low = self._limits.read_ahead // 2
        while (item := self._lanes.take()) is not None and not self._pace.is_stopped:
            try:
                settled = self._carry_through(item)
            except StoppedError:
                return
            except BaseException as error:
                self._give_up(error)
                return
            self._settled.append(settled)
            self._lanes.done(item)
            if self._lanes.ready <= low:
                self._wake.set()

    def _carry_through(self, item: Item) -> Settled:
        while True:
            try:
                losses = self._send(item)
            except SkipItem:
                return Settled(item, (), skipped=True)
            except ChannelRateLimitError as error:
                self._pause(error)
            except ChannelError as error:
                if stops_all(error, any_succeeded=self._any_succeeded):
                    raise
                return Settled(item, self._books.losses_of(error, item))
            else:
                self._pace.succeeded()
                self._any_succeeded |= sum(loss.weight for loss in losses) < item.weight
                return Settled(item, losses)

    def _pause(self, error: ChannelRateLimitError) -> None:
        """Make everybody pause; give up where that is too long, or has not helped."""
        told = retry_after_seconds(error, now=time.time())
        if told is not None and told > self._limits.max_wait_seconds:
            raise error
        if self._pace.refused(told) > self._limits.refusals:
            raise error
        self._pace.rest()

    def _give_up(self, error: BaseException) -> None:
        if self._error is None:
            self._error = error
        self._pace.stop()
        self._wake.set()
