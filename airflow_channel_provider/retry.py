"""When a call may be sent again, and when not.

A call is repeated only if it provably had no effect, or if repeating it changes nothing: reads, idempotent writes and
messages that carry a request id. Every other unclear outcome becomes :class:`ChannelAmbiguousResultError`; nothing here
ever guesses. Waits are told by the service where it tells them; a wait longer than the task may sit out ends the
repeating at once, so that the caller can free its worker slot instead.

The parts are small and pure, and clock, randomness and sleeping come from outside.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeVar

import tenacity

from airflow_channel_provider.exceptions import (
    ChannelAmbiguousResultError,
    ChannelConfigurationError,
    ChannelError,
    ChannelNotSentError,
    ChannelRateLimitError,
    ChannelRequestError,
    ChannelResponseError,
)

if TYPE_CHECKING:
    from airflow_channel_provider.contract.model import RetryClass

__all__ = [
    "CallPolicy",
    "Wait",
    "WaitTooLong",
    "as_ambiguous",
    "is_outcome_unclear",
    "is_repeatable",
    "jitter_seconds",
    "retry_after_seconds",
]

T = TypeVar("T")


class Log(Protocol):
    """What a repetition is reported to: a standard logger, or Airflow's."""

    def warning(self, message: str, /, *args: object) -> object:
        """Write one line."""


JITTER_SECONDS = 1.0
FIRST_WAIT_SECONDS = 0.5
SPREAD_SHARE = 0.1
SPREAD_SECONDS = (3.0, 30.0)


def is_outcome_unclear(error: BaseException) -> bool:
    """
    Tell whether the call may have had its effect although it failed.

    No answer, an unreadable answer to a request that was not refused, or a failure inside the service. An unreadable
    answer with a 3xx or 4xx status is a refusal all the same.
    """
    if isinstance(error, ChannelAmbiguousResultError):
        return True
    status = getattr(error, "http_status", None)
    if isinstance(error, ChannelResponseError):
        return status is None or not 300 <= status < 500
    if isinstance(error, ChannelRequestError) and not isinstance(error, ChannelRateLimitError):
        return status is not None and status >= 500
    return False


def is_repeatable(error: BaseException, retry_class: RetryClass, has_request_id: bool) -> bool:
    """
    Tell whether the same call may be sent once more after this error.

    :param error: what the call raised.
    :param retry_class: the catalogue's word on the method.
    :param has_request_id: whether the call carries a request id by which the service recognises a repetition.
    """
    if isinstance(error, (ChannelNotSentError, ChannelRateLimitError)):
        return True
    if not is_outcome_unclear(error) or getattr(error, "too_large", False):
        return False
    return retry_class.is_harmless or (retry_class.is_message and has_request_id)


def as_ambiguous(
    error: ChannelError, method: str, *, has_request_id: bool = False, is_lasting_id: bool = True
) -> ChannelAmbiguousResultError:
    """
    Describe the unclear outcome of a write; the original error belongs to it as its cause.

    :param error: what the last attempt raised.
    :param method: the function that was called.
    :param has_request_id: whether the call carries a request id.
    :param is_lasting_id: whether the next try of the task sends the same request id.
    """
    if not has_request_id:
        remedy = (
            "it was not repeated, since that could do it twice; check at the service before running it again"
        )
    elif is_lasting_id:
        remedy = "a retry of the task sends the same request id and is no second message"
    else:
        remedy = (
            "its request id is used by this call only, so that calling again could do it twice; check at the service "
            "before, or give a requestId of your own"
        )
    return ChannelAmbiguousResultError(
        f"{method} was sent, and whether it took effect is unknown: {remedy}. {error.message}",
        method=method,
        http_status=error.http_status,
        safe_to_repeat=has_request_id and is_lasting_id,
    )


def retry_after_seconds(error: BaseException | None, *, now: float) -> float | None:
    """
    Return how long the service, or the ledger, asks to wait; None where nothing tells.

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
    Return a random delay that spreads those who wait for the same moment: up to a tenth of the wait, 3 to 30 s.

    :param wait_seconds: how long they wait.
    """
    least, most = SPREAD_SECONDS
    return random() * min(most, max(least, wait_seconds * SPREAD_SHARE))


@dataclass(frozen=True)
class Wait:
    """
    How long to pause before the next attempt: what the error tells, else doubling pauses; both with jitter.

    :param max_seconds: longest pause where the error tells none.
    """

    max_seconds: float
    now: Callable[[], float] = time.time
    random: Callable[[], float] = random.random

    def __call__(self, state: tenacity.RetryCallState) -> float:
        """Return the pause in seconds."""
        told = retry_after_seconds(_error_of(state), now=self.now())
        if told is not None:
            return told + self.random() * JITTER_SECONDS
        pause = min(self.max_seconds, FIRST_WAIT_SECONDS * 2.0 ** min(state.attempt_number - 1, 32))
        return pause * (0.5 + self.random() / 2)


class WaitTooLong(tenacity.stop.stop_base):
    """
    Ends the repeating where the next pause is longer than the task may sit out; jitter does not count.

    :param limit_seconds: the longest pause.
    """

    def __init__(self, limit_seconds: float, now: Callable[[], float] = time.time) -> None:
        self.limit_seconds = limit_seconds
        self.now = now

    def __call__(self, retry_state: tenacity.RetryCallState) -> bool:
        """Tell whether to stop."""
        told = retry_after_seconds(_error_of(retry_state), now=self.now())
        return (retry_state.upcoming_sleep if told is None else told) > self.limit_seconds


@dataclass(frozen=True)
class CallPolicy:
    """
    How one call is carried through.

    :param attempts: how often it is sent at most.
    :param max_wait_seconds: longest single pause that is sat out.
    :param wait_max_seconds: longest pause where the service tells none.
    :param log: where each repetition writes its one line.
    :param repeatable: tells by error, retry class and request id whether the call may be sent again.
    :param on_repeat: is told the method and the error of each repetition, before its pause.
    """

    attempts: int
    max_wait_seconds: float
    wait_max_seconds: float
    log: Log
    repeatable: Callable[[BaseException, RetryClass, bool], bool] = is_repeatable
    on_repeat: Callable[[str, BaseException | None], None] = lambda method, error: None
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.time
    random: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        if self.attempts < 1 or not self.max_wait_seconds >= 0:
            raise ChannelConfigurationError(
                "call_attempts must be at least 1 and max_wait_seconds at least 0; correct the argument."
            )

    def run(
        self,
        call: Callable[[], T],
        *,
        method: str,
        retry_class: RetryClass,
        has_request_id: bool = False,
        is_lasting_id: bool = True,
    ) -> T:
        """
        Send the call until it is answered, refused for good, or has to wait too long.

        :param call: sends it once.
        :param method: its name, for messages.
        :param has_request_id: whether the service recognises a repetition by this process.
        :param is_lasting_id: whether the next try of the task sends the same request id.
        :raises ChannelAmbiguousResultError: for a write whose outcome is unclear.
        :raises ChannelError: what the last attempt raised, otherwise.
        """
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(
                lambda error: self.repeatable(error, retry_class, has_request_id)
            ),
            wait=Wait(self.wait_max_seconds, self.now, self.random),
            stop=tenacity.stop_any(
                tenacity.stop_after_attempt(self.attempts), WaitTooLong(self.max_wait_seconds, self.now)
            ),
            before_sleep=lambda state: self._report(state, method),
            sleep=self.sleep,
            reraise=True,
        )
        try:
            return retrying(call)
        except ChannelError as error:
            if isinstance(error, ChannelAmbiguousResultError):
                error.safe_to_repeat = retry_class.is_harmless
            if not is_outcome_unclear(error) or retry_class.is_harmless:
                raise
            raise as_ambiguous(
                error, method, has_request_id=has_request_id, is_lasting_id=is_lasting_id
            ) from error

    def _report(self, state: tenacity.RetryCallState, method: str) -> None:
        error = _error_of(state)
        self.on_repeat(method, error)
        self.log.warning(
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
