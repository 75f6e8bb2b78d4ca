"""What is counted, through Airflow's own statistics. Counting never fails a task, and without a backend it is free.

==================================  ==========================================================  ===================
``channel_talk.token.issued``       tokens bought with the App Secret, or by a login to Benlly  ``scope``
``channel_talk.token.refreshed``    tokens bought with a refresh token                          ``scope``
``channel_talk.token.refused``      token requests that the service refused                     ``scope, reason``
``channel_talk.token.waited_seconds``  a task's wait for a token that another one was renewing  ``scope``
``channel_talk.call``               calls of a function, however often each was sent            ``method, outcome``
``channel_talk.call.duration``      how long such a call took, its pauses included; ms          ``method, outcome``
``channel_talk.call.retried``       repetitions                                                 ``method, reason``
``channel_talk.bulk.items``         items of bulk tasks that are settled                        ``method, outcome``
``channel_talk.extract.rows``       rows that extractions have written                          ``stream``
==================================  ==========================================================  ===================

The last column holds the tags. StatsD knows no tags unless ``[metrics] statsd_influxdb_enabled`` or the Datadog client
is on; OpenTelemetry always does. ``outcome`` is ``success`` or the class of the error.
"""

from __future__ import annotations

import functools
import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, cast

from airflow_channel_provider.exceptions import (
    ChannelAuthenticationError,
    ChannelNotSentError,
    ChannelRateLimitError,
)

if TYPE_CHECKING:
    from airflow_channel_provider.tokens.exchange import TokenEvent

log = logging.getLogger(__name__)

PREFIX = "channel_talk"
TAG_LENGTH = 100
_UNFIT_FOR_A_TAG = r"[^\w.-]"

_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (ChannelRateLimitError, "rate_limit"),
    (ChannelNotSentError, "not_sent"),
    (ChannelAuthenticationError, "token_refused"),
)


class Statistics(Protocol):
    """Airflow's ``Stats``, as far as it is used here."""

    def incr(self, stat: str, count: int = 1, /, *, tags: dict[str, str]) -> object:
        """Count some."""

    def timing(self, stat: str, dt: float | timedelta, /, *, tags: dict[str, str]) -> object:
        """Note how long something took."""


@contextmanager
def timed_call(method: str) -> Iterator[None]:
    """
    Count what happens inside as one call, and note how long it took.

    :param method: the function that is called.
    """
    started, outcome = time.monotonic(), "success"
    try:
        yield
    except BaseException as error:
        outcome = type(error).__name__
        raise
    finally:
        took, tags = timedelta(seconds=time.monotonic() - started), {"method": method, "outcome": outcome}
        _count("call", tags)
        _safely(lambda stats: stats.timing(f"{PREFIX}.call.duration", took, tags=_fit(tags)))


def call_repeated(method: str, error: BaseException | None) -> None:
    """
    Count one repetition.

    :param error: why.
    """
    reason = next((name for kind, name in _REASONS if isinstance(error, kind)), "unclear_outcome")
    _count("call.retried", {"method": method, "reason": reason})


def items_settled(method: str, outcome: str, count: int) -> None:
    """
    Count items of a bulk task.

    :param outcome: what became of them.
    """
    _count("bulk.items", {"method": method, "outcome": outcome}, count)


def rows_extracted(stream: str, count: int) -> None:
    """Count rows of a stream that are written."""
    _count("extract.rows", {"stream": stream}, count)


def token_event(event: TokenEvent) -> None:
    """Count an event of a token manager."""
    tags = {"scope": event.scope, **({"reason": event.reason} if event.reason else {})}
    if event.seconds:
        # A plain number, since Airflow would turn a timedelta into milliseconds, against the name.
        name = f"{PREFIX}.token.{event.kind.value}_seconds"
        _safely(lambda stats: stats.timing(name, event.seconds, tags=_fit(tags)))
    else:
        _count(f"token.{event.kind.value}", tags)


def _count(name: str, tags: dict[str, str], count: int = 1) -> None:
    _safely(lambda stats: stats.incr(f"{PREFIX}.{name}", count, tags=_fit(tags)))


def _fit(tags: dict[str, str]) -> dict[str, str]:
    return {name: _fit_value(value)[:TAG_LENGTH] for name, value in tags.items()}


def _fit_value(value: str) -> str:
    if value.isascii() and value.isidentifier():  # as the names of functions and errors are
        return value
    return re.sub(_UNFIT_FOR_A_TAG, "_", value, flags=re.ASCII)


def _safely(send: Callable[[Statistics], object]) -> None:
    try:
        if (stats := _statistics()) is not None:
            send(stats)
    except Exception:
        log.debug("A metric could not be sent", exc_info=True)


@functools.cache
def _statistics() -> Statistics | None:
    try:
        from airflow.sdk.observability import stats
    except ImportError:  # Airflow < 3.2
        try:
            from airflow.stats import Stats
        except ImportError:
            return None
        return cast("Statistics", Stats)
    # Airflow 3.2 keeps them in a class of that module.
    return cast("Statistics", stats if hasattr(stats, "incr") else stats.Stats)
