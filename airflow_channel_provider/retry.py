"""When a call may be sent again, and when not.

A call is repeated only if it provably had no effect, or if repeating it changes nothing: reads, idempotent writes and
messages that carry a request id. Any other unclear outcome raises :class:`ChannelAmbiguousResultError`; nothing is
guessed. A call waits for as long as the service says. If that is longer than the task may wait, the error is raised at
once, so that the caller can free its worker slot instead.

Clock, randomness and sleeping are passed in.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeVar

import tenacity

from airflow_channel_provider.exceptions import (
    ChannelAmbiguousResultError,
    ChannelAuthenticationError,
    ChannelConfigurationError,
    ChannelError,
    ChannelNotSentError,
    ChannelPermissionError,
    ChannelRateLimitError,
    ChannelRequestError,
    ChannelResponseError,
)
from airflow_channel_provider.stack_room import with_room

if TYPE_CHECKING:
    from airflow_channel_provider.prepared_call import PreparedCall

T = TypeVar("T")


class Log(Protocol):
    """A standard logger, or Airflow's."""

    def log(self, level: int, message: str, /, *args: object) -> object:
        """Write one line."""


RETRY_JITTER_SECONDS = 1.0
FIRST_WAIT_SECONDS = 0.5
JITTER_SHARE = 0.1
JITTER_SECONDS = (3.0, 30.0)


def is_outcome_unclear(error: BaseException) -> bool:
    """
    Return whether the call may have had its effect although it failed.

    That is so without an answer, with an unreadable answer to a request that was not refused, and after a failure
    inside the service. An unreadable answer with a 3xx or 4xx status is a refusal.
    """
    if isinstance(error, ChannelAmbiguousResultError):
        return True
    status = getattr(error, "http_status", None)
    if isinstance(error, ChannelResponseError):
        return status is None or not 300 <= status < 500
    if isinstance(error, ChannelRequestError) and not isinstance(error, ChannelRateLimitError):
        return status is not None and status >= 500
    return False


def is_repeatable(error: BaseException, call: PreparedCall) -> bool:
    """Return whether a call may be sent again after an error that it raised."""
    if isinstance(error, (ChannelNotSentError, ChannelRateLimitError)):
        return True
    return is_outcome_unclear(error) and not getattr(error, "too_large", False) and call.is_repeatable


def is_about_the_call(error: BaseException) -> bool:
    """Return whether the service refused what a call says, and not whoever sends it, nor how fast."""
    others = (ChannelRateLimitError, ChannelAuthenticationError, ChannelPermissionError)
    is_refusal = isinstance(error, ChannelRequestError) and not isinstance(error, others)
    return is_refusal and not is_outcome_unclear(error)


def as_ambiguous(
    error: ChannelError, call: PreparedCall, *, earlier: str | None = None
) -> ChannelAmbiguousResultError:
    """
    Return the error for the unclear outcome of a write, to be raised from the original one.

    :param error: what the last attempt raised.
    :param earlier: what an attempt before it said, if that is the one whose outcome is unclear.
    """
    if call.request_id is None:
        remedy = "it was not repeated, since it could take effect twice; check at the service before you run it again"
    elif call.request_id.is_lasting:
        remedy = "a retry of the task sends the same request id and is no second message"
    else:
        remedy = (
            "its request id is used by this call only, so a second call could take effect too; check at the service "
            "first, or give a requestId of your own"
        )
    told = error.message if earlier is None else f"{earlier} The last attempt: {error.message}"
    return ChannelAmbiguousResultError(
        f"{call.method} was sent, and whether it took effect is unknown: {remedy}. {told}",
        method=call.method,
        http_status=error.http_status if earlier is None else None,
        safe_to_repeat=call.is_repeatable_in_next_try,
    )


def retry_after_seconds(error: BaseException | None, *, now: float) -> float | None:
    """
    Return how long the service, or the ledger of token requests, asks to wait; None where neither says.

    :param now: the present moment, seconds since the epoch.
    """
    delay = getattr(error, "retry_after_seconds", None)
    if delay is None:
        retry_at: datetime | None = getattr(error, "retry_at", None)
        if retry_at is None:
            return None
        delay = retry_at.timestamp() - now
    return max(0.0, float(delay))


def jitter_seconds(wait_seconds: float, random: Callable[[], float] = random.random) -> float:
    """
    Return a random delay that spreads tasks which wait for the same moment: up to a tenth of the wait, 3 to 30 s.

    :param wait_seconds: how long they wait.
    """
    least, most = JITTER_SECONDS
    return random() * min(most, max(least, wait_seconds * JITTER_SHARE))


class RetryWait:
    """
    The pause before the next attempt: what the error asks for, else doubling pauses; both with jitter.

    :param max_seconds: longest pause where the error asks for none.
    """

    def __init__(
        self,
        max_seconds: float,
        now: Callable[[], float] = time.time,
        random: Callable[[], float] = random.random,
    ) -> None:
        self.max_seconds = max_seconds
        self.now = now
        self.random = random

    def __call__(self, state: tenacity.RetryCallState) -> float:
        """Return the pause in seconds."""
        asked = retry_after_seconds(_error_of(state), now=self.now())
        if asked is not None:
            return asked + self.random() * RETRY_JITTER_SECONDS
        pause = min(self.max_seconds, FIRST_WAIT_SECONDS * 2.0 ** min(state.attempt_number - 1, 32))
        return pause * (0.5 + self.random() / 2)


class StopBeforeLongWait(tenacity.stop.stop_base):
    """
    Stops when the next pause is longer than the task may wait; jitter does not count.

    :param limit_seconds: the longest pause.
    """

    def __init__(self, limit_seconds: float, now: Callable[[], float] = time.time) -> None:
        self.limit_seconds = limit_seconds
        self.now = now

    def __call__(self, retry_state: tenacity.RetryCallState) -> bool:
        """Return whether to stop."""
        asked = retry_after_seconds(_error_of(retry_state), now=self.now())
        return (retry_state.upcoming_sleep if asked is None else asked) > self.limit_seconds


class CallPolicy:
    """
    The number of attempts of a call, and the pauses between them.

    :param attempts: maximum number of attempts, including the first.
    :param max_wait_seconds: longest single pause.
    :param wait_max_seconds: longest pause where the service names none.
    :param log: gets one line for each repetition.
    :param log_level: of that line.
    :param repeats_rate_limited: whether a rate limit is waited for; False: it is raised at once.
    :param on_repeat: called with the method and the error before the pause of each repetition.
    """

    def __init__(
        self,
        attempts: int,
        max_wait_seconds: float,
        wait_max_seconds: float,
        log: Log,
        log_level: int = logging.WARNING,
        repeats_rate_limited: bool = True,
        on_repeat: Callable[[str, BaseException | None], None] = lambda method, error: None,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
        random: Callable[[], float] = random.random,
    ) -> None:
        if type(attempts) is not int or attempts < 1:
            raise ChannelConfigurationError("call_attempts must be a whole number of at least 1.")
        if not isinstance(max_wait_seconds, (int, float)) or not max_wait_seconds >= 0:
            raise ChannelConfigurationError("max_wait_seconds must be a number of seconds of at least 0.")
        self.attempts = attempts
        self.max_wait_seconds = max_wait_seconds
        self.wait_max_seconds = wait_max_seconds
        self.log = log
        self.log_level = log_level
        self.repeats_rate_limited = repeats_rate_limited
        self.on_repeat = on_repeat
        self.sleep = sleep
        self.now = now
        self.random = random

    @with_room
    def run(self, call: PreparedCall, send: Callable[[], T]) -> T:
        """
        Send the call until it is answered, refused for good, or would have to wait too long.

        :param send: sends it once.
        :raises ChannelAmbiguousResultError: for a write whose outcome is unclear, be it that of an earlier attempt.
        :raises ChannelError: what the last attempt raised, otherwise. Also a wait of a write whose earlier attempt is
            unclear, if the next try sends the same request id, so that the caller can wait without its worker slot.
        """
        unclear: list[str] = []

        def may_repeat(error: BaseException) -> bool:
            if isinstance(error, ChannelError) and is_outcome_unclear(error):
                unclear.append(error.message)
            return self._may_repeat(error, call)

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(may_repeat),
            wait=RetryWait(self.wait_max_seconds, self.now, self.random),
            stop=tenacity.stop_any(
                tenacity.stop_after_attempt(self.attempts),
                StopBeforeLongWait(self.max_wait_seconds, self.now),
            ),
            before_sleep=lambda state: self._report(state, call.method),
            sleep=self.sleep,
            reraise=True,
        )
        try:
            return retrying(send)
        except ChannelError as error:
            is_harmless = call.retry_class.is_harmless
            if isinstance(error, ChannelAmbiguousResultError):
                error.safe_to_repeat = is_harmless
            if is_harmless or not unclear:
                raise
            if is_outcome_unclear(error):
                raise as_ambiguous(error, call) from error
            if is_about_the_call(error):
                raise  # had it been carried out before, its request id would have been known
            if call.is_repeatable_in_next_try and retry_after_seconds(error, now=self.now()) is not None:
                raise
            raise as_ambiguous(error, call, earlier=unclear[-1]) from error

    def _may_repeat(self, error: BaseException, call: PreparedCall) -> bool:
        is_limited = isinstance(error, ChannelRateLimitError)
        return is_repeatable(error, call) and (self.repeats_rate_limited or not is_limited)

    def _report(self, state: tenacity.RetryCallState, method: str) -> None:
        error = _error_of(state)
        self.on_repeat(method, error)
        self.log.log(
            self.log_level,
            "%s: attempt %d of %d failed, the next follows in %.1f s (%s: %s)",
            method,
            state.attempt_number,
            self.attempts,
            state.upcoming_sleep,
            type(error).__name__,
            error,
        )


def _error_of(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None
