"""Plans of bulk tasks for tests of what carries them out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from airflow_channel_provider.bulk.items import Item
from airflow_channel_provider.bulk.outcomes import FailedItem, failed_item
from airflow_channel_provider.bulk.plan import Plan


def plan_of(
    items: Iterable[Item],
    send: Callable[[Item], Sequence[FailedItem]] = lambda item: (),
    *,
    repeatable: bool = True,
    **others: Any,
) -> Plan:
    """Return a plan for items that are single values."""
    return Plan(
        items,
        send,
        lambda error, item: [failed_item(error, item.value, item.key)],
        repeatable=repeatable,
        **others,
    )
