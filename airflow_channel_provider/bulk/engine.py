"""Sends items from several threads, and records their outcomes in one.

The thread that runs the engine reads the source, updates the run state and reports progress; the workers only send.
Memory does not grow with the work: reading pauses while too many items wait for a worker, or while the oldest pending
item is too far behind. Whatever ends the run, calls in flight are awaited and recorded first.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import NamedTuple

from airflow_channel_provider.bulk.items import Item
from airflow_channel_provider.bulk.outcomes import (
    FailedItem,
    ItemOutcome,
    RunStoppedError,
    SkipItem,
    is_fatal,
)
from airflow_channel_provider.bulk.plan import Plan
from airflow_channel_provider.bulk.rate_limiter import RateLimiter
from airflow_channel_provider.bulk.run_state import RunState
from airflow_channel_provider.exceptions import ChannelError, ChannelRateLimitError
from airflow_channel_provider.retry import retry_after_seconds

POLL_SECONDS = 0.1
KILL_GRACE_SECONDS = 3.0


@dataclass(frozen=True)
class Limits:
    """
    Limits of one run.

    :param concurrency: number of worker threads.
    :param save_seconds: seconds between two checkpoints.
    :param max_wait_seconds: longest cooldown that is waited for; a longer one stops the run.
    :param max_refusals: maximum number of rate-limit refusals in a row; one more stops the run.
    """

    concurrency: int = 8
    save_seconds: float = 2.0
    max_wait_seconds: float = 60.0
    max_refusals: int = 5


class Result(NamedTuple):
    """The outcome of one item, as a worker reports it."""

    item: Item
    failures: Sequence[FailedItem]
    skipped: bool = False


class OrderedQueues:
    """
    Hands items to workers. Of each queue at most one item is in flight, so its order is kept.

    :param queue_of: returns the queue of an item; None: each item has a queue of its own.
    """

    def __init__(self, queue_of: Callable[[Item], Hashable] | None = None) -> None:
        self._queue_of = queue_of
        self._ready: SimpleQueue[Item | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._waiting: dict[Hashable, deque[Item]] = {}

    @property
    def ready(self) -> int:
        """Number of items that a worker could take now."""
        return self._ready.qsize()

    def add(self, item: Item) -> None:
        """Put an item at the end of its queue."""
        if self._queue_of is not None:
            queue = self._queue_of(item)
            with self._lock:
                if queue in self._waiting:
                    self._waiting[queue].append(item)
                    return
                self._waiting[queue] = deque()
        self._ready.put(item)

    def take(self) -> Item | None:
        """Wait for the next item whose queue is free; None: there are no more items."""
        return self._ready.get()

    def done(self, item: Item) -> None:
        """Release the queue of an item."""
        if self._queue_of is None:
            return
        queue = self._queue_of(item)
        with self._lock:
            waiting = self._waiting[queue]
            if waiting:
                self._ready.put(waiting.popleft())
            else:
                del self._waiting[queue]

    def close(self, workers: int) -> None:
        """Let this number of workers end: there are no more items."""
        for _ in range(workers):
            self._ready.put(None)


class Engine:
    """
    Sends all items of a plan.

    :param plan: what is sent.
    :param run_state: records the outcomes.
    :param rate_limiter: the one that the plan's ``send`` uses.
    :param on_progress: called now and then by the thread that runs the engine; an error that it raises stops the run.
    :param now: seconds of a steady clock.
    """

    def __init__(
        self,
        plan: Plan,
        run_state: RunState,
        rate_limiter: RateLimiter,
        *,
        limits: Limits | None = None,
        on_progress: Callable[[], None] = lambda: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plan = plan
        self._run_state = run_state
        self._rate_limiter = rate_limiter
        self._limits = limits or Limits()
        self._on_progress = on_progress
        self._now = now
        self._queues = OrderedQueues(plan.queue_of)
        self._results: deque[Result] = deque()
        self._wake = threading.Event()
        self._in_flight = 0
        self._any_succeeded = run_state.counts[ItemOutcome.SUCCEEDED] > 0
        self._error: BaseException | None = None
        self._killed = False
        self._saved_at = now()

    def run(self) -> None:
        """
        Send all items that are not done yet.

        :raises ChannelError: an error that every item would meet; the remaining items stay unsent.
        :raises RunStoppedError: :meth:`stop` was called.
        """
        workers = [
            threading.Thread(target=self._work, name=f"bulk-{number}", daemon=True)
            for number in range(self._limits.concurrency)
        ]
        for worker in workers:
            worker.start()
        finished = False
        try:
            self._feed(self._run_state.pending_items(self._plan))
            finished = not (self._rate_limiter.is_stopped or self._killed)
        finally:
            self._shut_down(workers, finished=finished)
        if self._error is not None:
            raise self._error
        if not finished:
            raise RunStoppedError

    def stop(self) -> None:
        """Stop: send nothing more, and record the calls in flight. May be called from a signal handler."""
        self._killed = (
            True  # nothing else: in a signal handler, a lock that this thread holds would block for ever
        )

    # ---- the thread that runs the engine

    def _feed(self, items: Iterator[Item]) -> None:
        exhausted = False
        while not (self._rate_limiter.is_stopped or self._killed):
            self._collect()
            exhausted = exhausted or self._dispatch(items)
            self._save_and_report()
            if exhausted and not self._in_flight:
                return
            self._wake.wait(POLL_SECONDS)
            self._wake.clear()

    def _dispatch(self, items: Iterator[Item]) -> bool:
        """Queue items while there is room; return whether the source is at its end."""
        if not self._plan.repeatable:
            return self._dispatch_saved(items)
        while self._has_room(self._plan.read_ahead) and not self._is_save_due():
            item = next(items, None)
            if item is None:
                return True
            self._add(item)
        return False

    def _dispatch_saved(self, items: Iterator[Item]) -> bool:
        """As :meth:`_dispatch`, but save a checkpoint of each small batch before a worker gets it."""
        batch_size = 4 * self._limits.concurrency
        if self._in_flight > batch_size // 2:
            return False
        batch: list[Item] = []
        exhausted = False
        while len(batch) < batch_size and not exhausted and self._has_room(batch_size + len(batch)):
            item = next(items, None)
            exhausted = item is None
            if item is not None:
                batch.append(item)
        if batch:
            self._save()
        for item in batch:
            self._add(item)
        return exhausted

    def _has_room(self, limit: int) -> bool:
        # With nothing in flight the span is left from a previous try, and only the next items can shorten it.
        is_near = not self._in_flight or self._run_state.offsets.span < self._plan.span
        return is_near and self._in_flight < limit

    def _add(self, item: Item) -> None:
        self._in_flight += 1
        self._queues.add(item)

    def _collect(self) -> None:
        while self._results:
            result = self._results.popleft()
            self._in_flight -= 1
            self._run_state.record(result.item, result.failures, skipped=result.skipped)

    def _save_and_report(self) -> None:
        if self._run_state.is_full or self._is_save_due():
            self._save()
        self._on_progress()

    def _is_save_due(self) -> bool:
        return self._now() - self._saved_at >= self._limits.save_seconds

    def _save(self) -> None:
        self._run_state.save()
        self._saved_at = self._now()

    def _shut_down(self, workers: Sequence[threading.Thread], *, finished: bool) -> None:
        self._rate_limiter.stop()
        self._queues.close(len(workers))
        if self._killed:
            # The process may have only seconds left: save what is known now.
            self._collect()
            self._save()
        for worker in workers:
            worker.join(KILL_GRACE_SECONDS / len(workers) if self._killed else None)
        self._collect()
        idle = self._knows_what_was_sent() and not any(worker.is_alive() for worker in workers)
        self._run_state.close(finished=finished, idle=idle)

    def _knows_what_was_sent(self) -> bool:
        return self._error is None or isinstance(self._error, ChannelError)

    # ---- the workers

    def _work(self) -> None:
        low_level = self._plan.read_ahead // 2
        while (item := self._queues.take()) is not None and not self._rate_limiter.is_stopped:
            try:
                result = self._process(item)
            except RunStoppedError:
                return
            except BaseException as error:
                self._abort(error)
                return
            self._results.append(result)
            self._queues.done(item)
            if self._queues.ready <= low_level:
                self._wake.set()

    def _process(self, item: Item) -> Result:
        while True:
            try:
                failures = self._plan.send(item)
            except SkipItem:
                return Result(item, (), skipped=True)
            except ChannelRateLimitError as error:
                self._cool_down(error)
            except ChannelError as error:
                if is_fatal(error, any_succeeded=self._any_succeeded):
                    raise
                return Result(item, self._plan.failures_of(error, item))
            else:
                self._rate_limiter.record_success()
                self._any_succeeded |= sum(failure.weight for failure in failures) < item.weight
                return Result(item, failures)

    def _cool_down(self, error: ChannelRateLimitError) -> None:
        """Start a cooldown for all workers and wait for its end; re-raise where it is too long or has not helped."""
        wait_seconds = retry_after_seconds(error, now=time.time())
        if wait_seconds is not None and wait_seconds > self._limits.max_wait_seconds:
            raise error
        if self._rate_limiter.record_refusal(wait_seconds) > self._limits.max_refusals:
            raise error
        self._rate_limiter.wait_for_cooldown()

    def _abort(self, error: BaseException) -> None:
        if self._error is None:
            self._error = error
        self._rate_limiter.stop()
        self._wake.set()
