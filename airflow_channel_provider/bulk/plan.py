"""What a bulk task sends, and how."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

from airflow_channel_provider.bulk.items import Item
from airflow_channel_provider.bulk.outcomes import FailedItem
from airflow_channel_provider.exceptions import ChannelError


@dataclass(frozen=True)
class Plan:
    """
    The items of a task, and what is known of their calls.

    :param items: all items; may be read more than once.
    :param send: sends one item and returns what of it failed; an error that it raises fails the whole item, or stops
        the run.
    :param failures_of: returns what failed of an item for an error.
    :param repeatable: whether an item may be sent again although it may have taken effect; otherwise a checkpoint is
        written before it is sent.
    :param has_own_keys: whether keys come from the items, so that they stay the same when the source changes.
    :param queue_of: returns the queue of an item, within which the order is kept; None: each item has its own.
    :param read_ahead: maximum number of items that wait for a worker.
    :param span: maximum number of items between the oldest pending one and the newest.
    """

    items: Iterable[Item]
    send: Callable[[Item], Sequence[FailedItem]]
    failures_of: Callable[[ChannelError, Item], Sequence[FailedItem]]
    repeatable: bool
    has_own_keys: bool = False
    queue_of: Callable[[Item], Hashable] | None = None
    read_ahead: int = 256
    span: int = 1_000
