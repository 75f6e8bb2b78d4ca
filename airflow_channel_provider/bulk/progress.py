"""Progress of a bulk task: lines in its log, counts in the metrics, the summary at its end, the limit of failures."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from airflow_channel_provider import metrics
from airflow_channel_provider.bulk.outcomes import ItemOutcome
from airflow_channel_provider.bulk.run_state import RunState
from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelTooManyFailuresError

JSON = Any
LEAST_ITEMS_FOR_A_SHARE = 100


class Log(Protocol):
    """The task's log: a standard logger, or Airflow's."""

    def info(self, message: str, /, *args: object) -> object:
        """Write one line."""

    def warning(self, message: str, /, *args: object) -> object:
        """Write one line that needs attention."""


class ProgressReporter:
    """
    Reports how the work goes: to the task's log, to the metrics, and to the limit of failures.

    :param name: of the work, for the log and the metrics.
    :param run_state: what has been recorded so far.
    :param expected: returns how many items there are; None where it is unknown.
    :param limit: checked at each report.
    :param log: of the task.
    :param every_seconds: seconds between two lines of progress.
    :param now: seconds of a steady clock.
    """

    def __init__(
        self,
        name: str,
        run_state: RunState,
        expected: Callable[[], int | None],
        limit: FailureLimit,
        log: Log,
        *,
        every_seconds: float = 10.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._run_state = run_state
        self._expected = expected
        self._limit = limit
        self._log = log
        self._every_seconds = every_seconds
        self._now = now
        self._started_at = self._reported_at = now()
        self._errors = len(run_state.checkpoint.errors)
        self._counted: Counter[ItemOutcome] = run_state.counts.copy()

    def report(self) -> None:
        """
        Log new errors and, when it is time, a line of progress; count items in the metrics; check the limit.

        :raises ChannelTooManyFailuresError: too many items have failed.
        """
        errors = self._run_state.checkpoint.errors
        for error in errors[self._errors :]:
            key = error["key"] or "without a key"
            self._log.warning("Item %s failed: %s: %s", key, error["error"], error["message"])
        self._errors = len(errors)
        for outcome, count in (self._run_state.counts - self._counted).items():
            metrics.items_settled(self._name, outcome.value, count)
        self._counted = self._run_state.counts.copy()
        if self._now() - self._reported_at >= self._every_seconds:
            self._reported_at = self._now()
            self._log.info("%s", self.line())
        self._limit.check(self._run_state)

    def line(self) -> str:
        """Return one line of progress: items done, failed, per second, and the time left."""
        run_state = self._run_state
        seconds = max(self._now() - self._started_at, 1e-9)
        rate = (run_state.done - run_state.done_before) / seconds
        expected = self._expected()
        parts = [f"{self._name}: {run_state.done:,} done{_share(run_state.done, expected)}"]
        parts.append(f"{run_state.failed_count(run_state.counts):,} failed")
        parts.append(f"{rate:,.0f}/s")
        if expected is not None and rate > 0:
            parts.append(f"{duration(max(0, expected - run_state.done) / rate)} left")
        return ", ".join(parts)


def _share(done: int, expected: int | None) -> str:
    return f" of {expected:,} ({min(1.0, done / expected):.1%})" if expected else ""


def duration(seconds: float) -> str:
    """Return a duration for people: ``45 s``, ``3 min``, ``2.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5_400 else f"{seconds / 3600:.1f} h"


def summary(
    name: str, run_state: RunState, *, paused_seconds: float, dead_letter: str | None
) -> dict[str, JSON]:
    """
    Return the result of the task, over all tries.

    :param paused_seconds: total length of the rate-limit cooldowns of this try.
    :param dead_letter: address of the dead-letter file; returned only if items have failed.
    """
    counts = {outcome.value: run_state.counts[outcome] for outcome in ItemOutcome}
    seconds = run_state.seconds
    return {
        "name": name,
        "items": run_state.done,
        **counts,
        "done_before": run_state.done_before,
        "seconds": round(seconds, 1),
        "paused_seconds": round(paused_seconds, 1),
        "items_per_second": round(run_state.done / seconds, 1) if seconds > 0 else None,
        "first_errors": list(run_state.checkpoint.errors),
        "dead_letter": dead_letter if run_state.failed_count(run_state.counts) else None,
    }


def sentence(result: Mapping[str, JSON]) -> str:
    """
    Return the result of the task for its log.

    :param result: from :func:`summary`.
    """
    counts = [
        f"{result[outcome.value]:,} {outcome.value}"
        for outcome in ItemOutcome
        if result[outcome.value] or outcome is ItemOutcome.SUCCEEDED
    ]
    parts = [f"{result['name']}: {result['items']:,} items in {duration(result['seconds'])}"]
    if result["items_per_second"]:
        parts[0] += f" ({result['items_per_second']:,.1f}/s)"
    parts[0] += f": {', '.join(counts)}"
    if result["done_before"]:
        parts.append(f"{result['done_before']:,} were done by earlier tries")
    if result["paused_seconds"]:
        parts.append(f"this try waited {duration(result['paused_seconds'])} for rate limits")
    if result["dead_letter"]:
        parts.append(f"the items that failed are in {result['dead_letter']}")
    return "; ".join(parts)


class FailureLimit:
    """
    The maximum number of failed items.

    :param most: maximum over all tries: a count (int) or a share from 0 to 1 (float); None: no limit. A share is
        checked from the 100th item on, and at the end.
    :param dead_letter: address of the dead-letter file, for the message; None: there is none.
    :raises ChannelConfigurationError: the maximum is neither.
    """

    def __init__(self, most: float | None, dead_letter: str | None = None) -> None:
        is_count = type(most) is int and most >= 0
        if most is not None and not is_count and not (isinstance(most, float) and 0 <= most <= 1):
            raise ChannelConfigurationError(
                "max_failures must be a whole number of at least 0, such as 5, or a share from 0.0 to 1.0, such as "
                "0.5; None: any number may fail."
            )
        self._most = most
        self._is_share = isinstance(most, float)
        self._dead_letter = dead_letter

    def check(self, run_state: RunState, *, at_end: bool = False) -> None:
        """
        Compare the outcomes of all tries with the limit.

        :param at_end: all items are done.
        :raises ChannelTooManyFailuresError: too many items have failed.
        """
        counted = [run_state.counts]
        if self._is_share and not at_end:
            # Once the cause of earlier failures is mended, the rest of the items lowers the share.
            counted.append(run_state.counts_of_this_try())
        sums = [(run_state.failed_count(counts), counts.total()) for counts in counted]
        if not all(self.is_exceeded(failed, done, at_end=at_end) for failed, done in sums):
            return
        failed, done = sums[0]
        first = run_state.checkpoint.errors[0] if run_state.checkpoint.errors else {}
        raise ChannelTooManyFailuresError(
            f"{failed:,} of {done:,} items failed, which is more than max_failures={self._most} allows"
            f"{'' if at_end else '; no further items are sent'}. {self._remedy(at_end=at_end)} The first error: "
            f"{first.get('error')}: {first.get('message')}"
        )

    def _remedy(self, *, at_end: bool) -> str:
        again = "to send all items again, set resume=False."
        if not at_end:
            way = "mend the cause and clear the task" if self._is_share else "set a higher max_failures"
            return f"To continue with the rest, {way}; {again}"
        some = (
            f"to send what failed, run a task with path={self._dead_letter!r}; " if self._dead_letter else ""
        )
        return f"All items are done, so this task sends nothing more when it is cleared: {some}{again}"

    def is_exceeded(self, failed: int, done: int, *, at_end: bool = False) -> bool:
        """Return whether so many failures among so many finished items are too many."""
        if self._most is None or (self._is_share and done < LEAST_ITEMS_FOR_A_SHARE and not at_end):
            return False
        return failed > (self._most * done if self._is_share else self._most)
