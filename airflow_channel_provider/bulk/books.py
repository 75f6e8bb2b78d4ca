"""Keeps the books of one try: what is settled, what came of it, and what the next try has to know.

An item is settled in this order: its line in the dead-letter file, where it needs one; then the checkpoint that counts
both. A try that is killed in between does the item again, and the line with it: neither is lost nor doubled.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from airflow_channel_provider.bulk.checkpoint import Checkpoint, CheckpointStore
from airflow_channel_provider.bulk.items import Item
from airflow_channel_provider.bulk.outcomes import Loss, Outcome, loss_of_item
from airflow_channel_provider.exceptions import ChannelAmbiguousResultError, ChannelConfigurationError
from airflow_channel_provider.xcom import utf8

if TYPE_CHECKING:
    from airflow_channel_provider.bulk.ledger import Ledger
    from airflow_channel_provider.exceptions import ChannelError

__all__ = ["Books", "DeadLetters"]

log = logging.getLogger(__name__)

LOSSES_AT_ONCE = 1_000
ERRORS_KEPT = 5
MESSAGE_KEPT = 500
INTERRUPTED = (
    "The try before was interrupted when this item may have been under way, and a repetition could do it twice: check "
    "at the service."
)


class DeadLetters(Protocol):
    """Where lost items go."""

    def write_part(self, number: int, losses: Sequence[Loss]) -> None:
        """Write one part, durably."""

    def put_together(self, parts: int) -> None:
        """Make one file of all parts; without any, there is none."""

    def drop_parts(self, parts: int) -> None:
        """Remove so many parts, and one more that may have been written; what can't be removed is left."""


class Books:
    """
    The books of one try of a task.

    :param store: where the checkpoint is.
    :param dead_letters: None: lost items are counted and not kept.
    :param repeatable: whether an item may be sent again though it may have had its effect.
    :param named: whether the keys are the items' own, so that they outlive a change of the source.
    :param losses_of: describes what an error made of an item.
    :param resume: whether to go on where the try before was left.
    :param now: seconds of a steady clock.
    """

    def __init__(
        self,
        store: CheckpointStore,
        dead_letters: DeadLetters | None,
        *,
        repeatable: bool,
        named: bool = False,
        losses_of: Callable[[ChannelError, Item], Sequence[Loss]] = loss_of_item,
        resume: bool = True,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._dead_letters = dead_letters
        self._repeatable = repeatable
        self._named = named
        self.losses_of = losses_of
        self._now = now
        self._started_at = now()
        self._losses: list[Loss] = []
        self._began_anew = False
        loaded = Checkpoint.from_json(store.load()) if resume else None
        self._resumed = loaded is not None
        self._parts_before = loaded.parts if loaded is not None else 0
        self._restart(loaded or Checkpoint())

    def _restart(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self.counts = Counter({Outcome(name): count for name, count in checkpoint.counts.items()})
        self.counts_before = self.counts.copy()
        self._was_at_rest = checkpoint.at_rest
        self._seconds_before = checkpoint.seconds
        self._losses.clear()

    @property
    def ledger(self) -> Ledger:
        """Which items are settled."""
        return self.checkpoint.ledger

    @property
    def finished(self) -> bool:
        """Whether a try before has settled all there was."""
        return self.checkpoint.finished

    @property
    def done(self) -> int:
        """How many items are settled, those of the tries before included."""
        return self.counts.total()

    @property
    def done_before(self) -> int:
        """How many of them were settled by the tries before."""
        return self.counts_before.total()

    @property
    def seconds(self) -> float:
        """How long all tries have worked."""
        return self._seconds_before + self._now() - self._started_at

    def counts_of_this_try(self) -> Counter[Outcome]:
        """Return the items that this try has settled, by outcome."""
        return self.counts - self.counts_before

    def lost(self, counts: Counter[Outcome]) -> int:
        """Return how many of the items are failed or uncertain."""
        return counts[Outcome.FAILED] + counts[Outcome.UNCERTAIN]

    # ---- taking items

    def take(self, source: Iterable[Item]) -> Iterator[Item]:
        """
        Yield the items that are to be sent, noting each as taken.

        :param source: all items; read again from its beginning where everything has to be done anew.
        :raises ChannelConfigurationError: it gives other items than in the try before, and doing them anew could do
            them twice.
        """
        items = iter(source)
        expected, ledger = self.ledger, type(self.ledger)()
        left: list[Item] = []
        while ledger.taken < expected.taken and (item := next(items, None)) is not None:
            ledger.take(item.key)
            if not expected.is_settled(item.position):
                left.append(item)
        if (ledger.taken, ledger.digest) != (expected.taken, expected.digest):
            self._start_over()
            items, left = iter(source), []
        yield from self._of_the_try_before(left)
        for item in items:
            self.ledger.take(item.key)
            yield item

    def _of_the_try_before(self, left: Sequence[Item]) -> Iterator[Item]:
        for item in left:
            if self._repeatable or self._was_at_rest:
                yield item
            else:
                self.settle(item, self.losses_of(ChannelAmbiguousResultError(INTERRUPTED), item))

    def _start_over(self) -> None:
        if not (self._named and self._repeatable):
            raise ChannelConfigurationError(
                "The source gives other items, or gives them in another order, than in the try before, so that nobody "
                "can tell which are done. Let the query say in which order, or name a field that identifies an item "
                "(item_key) where a repetition does no harm. resume=False begins anew, with all items."
            )
        log.warning(
            "The source gives other items than in the try before: all are done anew, and those that were done are "
            "recognised by their keys"
        )
        self._restart(Checkpoint())
        self._began_anew = True

    # ---- settling items

    def settle(self, item: Item, losses: Sequence[Loss], *, skipped: bool = False) -> None:
        """
        Note what became of an item.

        :param losses: what of it did not succeed.
        :param skipped: it was not to be sent.
        """
        self.ledger.settle(item.position)
        for loss in losses:
            self.counts[loss.outcome] += loss.weight
            self._keep(loss)
        rest = item.weight - sum(loss.weight for loss in losses)
        self.counts[Outcome.SKIPPED if skipped else Outcome.SUCCEEDED] += rest

    def _keep(self, loss: Loss) -> None:
        errors = self.checkpoint.errors
        if len(errors) < ERRORS_KEPT:
            message = loss.message[:MESSAGE_KEPT]
            # Whatever log, XCom and store they get into: it holds no half of a surrogate pair.
            key, message = (utf8(text).decode() for text in (loss.key, message))
            errors.append({"key": key, "error": loss.error, "message": message})
        if self._dead_letters is not None:
            self._losses.append(loss)

    @property
    def is_full(self) -> bool:
        """Whether so many lost items wait to be written that it is time to save."""
        return len(self._losses) >= LOSSES_AT_ONCE

    # ---- saving

    def save(self, *, at_rest: bool = False) -> None:
        """
        Make durable what is noted.

        :param at_rest: nothing is under way: what was taken and is not settled was not sent.
        """
        checkpoint = self.checkpoint
        if self._dead_letters is not None and self._losses:
            self._dead_letters.write_part(checkpoint.parts + 1, self._losses)
            # From here on it stays as it is: nobody knows whether a checkpoint that fails to be saved counts it.
            checkpoint.parts += 1
            self._losses.clear()
        checkpoint.at_rest, checkpoint.seconds = at_rest, self.seconds
        checkpoint.counts = {outcome.value: count for outcome, count in self.counts.items() if count}
        self._store.save(checkpoint.to_json())

    def close(self, *, finished: bool, at_rest: bool = True) -> None:
        """
        Save, and put the dead-letter file together.

        :param finished: all items of the source are settled.
        :param at_rest: as for :meth:`save`.
        """
        self.save(at_rest=at_rest)
        if self._dead_letters is not None and (self.checkpoint.parts or self._began_anew):
            self._dead_letters.put_together(self.checkpoint.parts)
        if finished:
            self.checkpoint.finished = True
            parts, self.checkpoint.parts = max(self.checkpoint.parts, self._parts_before), 0
            self.save(at_rest=True)
            # A try that was killed may have left one that nothing counts.
            if self._dead_letters is not None and (parts or self._resumed):
                self._dead_letters.drop_parts(parts)
