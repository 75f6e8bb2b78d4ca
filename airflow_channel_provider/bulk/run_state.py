"""The state of one try of a bulk task: which items are done, with what outcome, and what the next try has to know.

A failed item is written in this order: first its line in a part of the dead-letter file, then the checkpoint that
counts both. A try that is killed in between does the item again, and replaces the part: no line is lost or doubled.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from airflow_channel_provider.bulk.checkpoint import Checkpoint, CheckpointStore
from airflow_channel_provider.bulk.items import Item
from airflow_channel_provider.bulk.outcomes import FailedItem, ItemOutcome
from airflow_channel_provider.exceptions import ChannelAmbiguousResultError, ChannelConfigurationError
from airflow_channel_provider.xcom import utf8

if TYPE_CHECKING:
    from airflow_channel_provider.bulk.checkpoint import CommittedOffsets
    from airflow_channel_provider.bulk.plan import Plan

log = logging.getLogger(__name__)

FAILURES_PER_PART = 1_000
MAX_ERRORS = 5
MAX_MESSAGE_CHARACTERS = 500
INTERRUPTED = (
    "The previous try was interrupted while this item may have been in flight, and sending it again could do it twice. "
    "Check in Channel Talk whether it was done."
)


class DeadLetters(Protocol):
    """Stores failed items."""

    def write_part(self, number: int, failures: Sequence[FailedItem]) -> None:
        """Write one part; durable when this returns."""

    def check_parts(self, parts: int) -> None:
        """Raise if the parts of an earlier try are not there."""

    def merge_parts(self, parts: int) -> None:
        """Write the dead-letter file from all parts; without parts, remove the one of an earlier run."""

    def remove_parts(self, parts: int) -> None:
        """Remove this number of parts and one more that may exist; leave what can't be removed."""


class RunState:
    """
    Records the outcomes of one try, and saves them for the next.

    :param store: stores the checkpoint.
    :param dead_letters: stores failed items; None: they are only counted.
    :param resume: whether to continue where the previous try stopped.
    :param now: seconds of a steady clock.
    :raises ChannelConfigurationError: the checkpoint can't be read, or what it knows of dead letters is not there.
    """

    def __init__(
        self,
        store: CheckpointStore,
        dead_letters: DeadLetters | None,
        *,
        resume: bool = True,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._dead_letters = dead_letters
        self._now = now
        self._started_at = now()
        self._failures: list[FailedItem] = []
        self._restarted = False
        loaded = Checkpoint.from_json(store.load()) if resume else None
        self._resumed = loaded is not None
        self._parts_before = loaded.parts if loaded is not None else 0
        self._load(loaded or Checkpoint())
        if dead_letters is not None:
            dead_letters.check_parts(self.checkpoint.parts)

    def _load(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self.counts = Counter({ItemOutcome(name): count for name, count in checkpoint.counts.items()})
        self.counts_before = self.counts.copy()
        self._was_idle = checkpoint.idle
        self._seconds_before = checkpoint.seconds
        self._failures.clear()

    @property
    def offsets(self) -> CommittedOffsets:
        """Which items are done."""
        return self.checkpoint.offsets

    @property
    def finished(self) -> bool:
        """Whether a previous try has done all items."""
        return self.checkpoint.finished

    @property
    def done(self) -> int:
        """Number of items that are done, previous tries included."""
        return self.counts.total()

    @property
    def done_before(self) -> int:
        """Number of items that previous tries have done."""
        return self.counts_before.total()

    @property
    def seconds(self) -> float:
        """Working time of all tries, in seconds."""
        return self._seconds_before + self._now() - self._started_at

    def counts_of_this_try(self) -> Counter[ItemOutcome]:
        """Return the number of items that this try has done, by outcome."""
        return self.counts - self.counts_before

    def failed_count(self, counts: Counter[ItemOutcome]) -> int:
        """Return how many of these items are failed or uncertain."""
        return counts[ItemOutcome.FAILED] + counts[ItemOutcome.UNCERTAIN]

    # ---- reading items

    def pending_items(self, plan: Plan) -> Iterator[Item]:
        """
        Yield the items to send, and count each as read.

        :param plan: its items are read again from their beginning where all of them have to be done again.
        :raises ChannelConfigurationError: there are other items than in the previous try, and sending them again could
            do them twice.
        """
        items = iter(plan.items)
        expected, found = self.offsets, type(self.offsets)()
        left: list[Item] = []
        while found.taken < expected.taken and (item := next(items, None)) is not None:
            found.take(item.key)
            if not expected.is_committed(item.position):
                left.append(item)
        if (found.taken, found.digest) != (expected.taken, expected.digest):
            self._start_over(is_harmless=plan.repeatable and plan.has_own_keys)
            items, left = iter(plan.items), []
        for item in left:
            if plan.repeatable or self._was_idle:
                yield item
            else:
                self.record(item, plan.failures_of(ChannelAmbiguousResultError(INTERRUPTED), item))
        for item in items:
            self.offsets.take(item.key)
            yield item

    def _start_over(self, *, is_harmless: bool) -> None:
        if not is_harmless:
            raise ChannelConfigurationError(
                "The source yields other items than in the previous try, or another order, so it is unknown which "
                "items are done. Add ORDER BY to the query; or set item_key to a field that identifies an item, if "
                "sending an item twice does no harm. To start again with all items, set resume=False."
            )
        log.warning(
            "The source yields other items than in the previous try: all items are sent again, and the service "
            "recognises those that were done by their keys"
        )
        self._load(Checkpoint())
        self._restarted = True

    # ---- recording outcomes

    def record(self, item: Item, failures: Sequence[FailedItem], *, skipped: bool = False) -> None:
        """
        Record the outcome of an item.

        :param failures: what of it did not succeed.
        :param skipped: it was not sent, since its parameters were None.
        """
        self.offsets.commit(item.position)
        for failure in failures:
            self.counts[failure.outcome] += failure.weight
            self._keep(failure)
        rest = item.weight - sum(failure.weight for failure in failures)
        self.counts[ItemOutcome.SKIPPED if skipped else ItemOutcome.SUCCEEDED] += rest

    def _keep(self, failure: FailedItem) -> None:
        errors = self.checkpoint.errors
        if len(errors) < MAX_ERRORS:
            message = failure.message[:MAX_MESSAGE_CHARACTERS]
            # Logs, XCom and stores accept no half of a surrogate pair.
            key, message = (utf8(text).decode() for text in (failure.key, message))
            errors.append({"key": key, "error": failure.error, "message": message})
        if self._dead_letters is not None:
            self._failures.append(failure)

    @property
    def is_full(self) -> bool:
        """Whether enough failed items are buffered for a part of the dead-letter file."""
        return len(self._failures) >= FAILURES_PER_PART

    # ---- saving

    def save(self, *, idle: bool = False) -> None:
        """
        Write buffered failures and the checkpoint.

        :param idle: no call is in flight: an item that was read and is not done was not sent.
        """
        checkpoint = self.checkpoint
        if self._dead_letters is not None and self._failures:
            self._dead_letters.write_part(checkpoint.parts + 1, self._failures)
            # The part is final from here on: a checkpoint that fails to be saved may have counted it.
            checkpoint.parts += 1
            self._failures.clear()
        checkpoint.idle, checkpoint.seconds = idle, self.seconds
        checkpoint.counts = {outcome.value: count for outcome, count in self.counts.items() if count}
        self._store.save(checkpoint.to_json())

    def close(self, *, finished: bool, idle: bool = True) -> None:
        """
        Save, and write the dead-letter file from its parts.

        :param finished: all items of the source are done; if none has failed, no dead-letter file remains.
        :param idle: as for :meth:`save`.
        """
        self.save(idle=idle)
        if self._dead_letters is not None and (finished or self.checkpoint.parts or self._restarted):
            self._dead_letters.merge_parts(self.checkpoint.parts)
        if finished:
            self.checkpoint.finished = True
            parts, self.checkpoint.parts = max(self.checkpoint.parts, self._parts_before), 0
            self.save(idle=True)
            # A killed try may have left a part that no checkpoint counts.
            if self._dead_letters is not None and (parts or self._resumed):
                self._dead_letters.remove_parts(parts)
