"""Looks at how a bulk task goes: for people, for the metrics, and for the limit of failures."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from airflow_channel_provider import metrics
from airflow_channel_provider.bulk.outcomes import Outcome
from airflow_channel_provider.bulk.progress import FailureLimit, Progress

if TYPE_CHECKING:
    from airflow_channel_provider.bulk.books import Books
    from airflow_channel_provider.bulk.sources import Source

__all__ = ["Watch"]


class Watch:
    """
    Called now and then by the engine.

    :param name: what is done.
    :param books: what is noted.
    :param source: tells how many items there are, unless it is said.
    :param limit: of failures.
    :param log: of the task.
    :param expected_items: how many items there are; None: nobody has said it.
    :param every_seconds: how often to tell people.
    """

    def __init__(
        self,
        name: str,
        books: Books,
        source: Source,
        limit: FailureLimit,
        *,
        log: Any,
        expected_items: int | None,
        every_seconds: float,
    ) -> None:
        self._name = name
        self._books = books
        self._limit = limit
        self._log = log
        self._errors = len(books.checkpoint.errors)
        self._counted: Counter[Outcome] = books.counts.copy()
        self._progress = Progress(
            name,
            books,
            lambda: source.expected if expected_items is None else expected_items,
            log.info,
            every_seconds=every_seconds,
        )

    def __call__(self) -> None:
        errors = self._books.checkpoint.errors
        for error in errors[self._errors :]:
            key = error["key"] or "without a key"
            self._log.warning("Item %s failed: %s: %s", key, error["error"], error["message"])
        self._errors = len(errors)
        for outcome, count in (self._books.counts - self._counted).items():
            metrics.items_settled(self._name, outcome.value, count)
        self._counted = self._books.counts.copy()
        self._progress.look()
        self._limit.check(self._books)
