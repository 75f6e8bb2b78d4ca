"""
What sensors and their trigger share: one read of the service, how long to pause after it, and how a wait ends.

A worker and a triggerer poll in the same way. A failure that names its end is waited out and does not count; one that
no repetition can help ends the wait at once.

The end of a wait reaches the worker as an event. An error is rebuilt there as the class that it was, so that the task's
retry policy decides as if it had been raised there. Events travel through Airflow's database and its logs, and hold no
secret.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_channel_provider import exceptions
from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError
from airflow_channel_provider.triggers.conditions import Condition
from airflow_channel_provider.xcom import fit_for_xcom

if TYPE_CHECKING:
    from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook

_MAX_DOUBLINGS = 40
_MIN_PAUSE_SECONDS = 1.0
_MET, _FAILED = "met", "failed"


@dataclass(frozen=True)
class Poll:
    """
    A read that is repeated until its answer meets a condition.

    :param method: name of the native function.
    :param condition: what its answer must say.
    :param params: its parameters.
    :param channel_id: the channel to act in; None: the connection's.
    :param repeatable: the caller's word that the function may be called again and again.
    """

    method: str
    condition: Condition
    params: Mapping[str, Any] = field(default_factory=dict)
    channel_id: str | None = None
    repeatable: bool = False

    def check(self) -> None:
        """
        Check that polling changes nothing at the service, and that the condition is complete.

        :raises ChannelConfigurationError: the function is not known to only read, or the condition is incomplete.
        """
        from airflow_channel_provider.contract.functions import lookup
        from airflow_channel_provider.contract.model import RetryClass

        if lookup(self.method).retry is not RetryClass.READ and not self.repeatable:
            raise ChannelConfigurationError(
                f"{self.method} is not known to change nothing, and a sensor calls it again and again. Use a function "
                "that reads, or set repeatable=True if it may be repeated at will.",
                method=self.method,
            )
        self.condition.check()

    def run_once(self, hook: ChannelTalkHook) -> Any:
        """
        Read once.

        :return: what was found, fit for XCom; None where the answer does not meet the condition.
        :raises ChannelError: the read failed.
        """
        from airflow_channel_provider.contract.model import RetryClass

        call = hook.prepare(self.method, self.params, channel_id=self.channel_id)
        # That it only reads is known from the contract, or said by the caller.
        result = hook.send(call._replace(retry_class=RetryClass.READ))
        return fit_for_xcom(self.condition.find(result))

    def serialize(self) -> dict[str, Any]:
        """
        Return the poll as plain values, see :meth:`deserialize`.

        :raises ChannelConfigurationError: another process can't import the predicate.
        """
        return {
            "method": self.method,
            "params": dict(self.params),
            "channel_id": self.channel_id,
            "repeatable": self.repeatable,
            **self.condition.serialize(),
        }

    @classmethod
    def deserialize(
        cls,
        *,
        expect: Mapping[str, Any] | None = None,
        predicate: str | None = None,
        predicate_kwargs: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Poll:
        """Rebuild a poll from what :meth:`serialize` returned."""
        return cls(condition=Condition(expect, predicate, predicate_kwargs or {}), **more)


# ---- pauses and failures


def pause_seconds(
    interval_seconds: float, *, waited_seconds: float | None, max_seconds: float | None
) -> float:
    """
    Return how long to pause until the next poll.

    With backoff each pause is twice the one before. The number of doublings follows from how long the wait has lasted,
    so that a restarted triggerer goes on where the other one was.

    :param interval_seconds: the first pause.
    :param waited_seconds: how long the wait has lasted; None: no backoff.
    :param max_seconds: the longest pause with backoff; None: no limit.
    """
    if waited_seconds is None:
        return interval_seconds
    first = max(interval_seconds, _MIN_PAUSE_SECONDS)
    doublings = min(_MAX_DOUBLINGS, int(max(waited_seconds, 0.0) / first + 1).bit_length() - 1)
    grown = first * 2.0**doublings
    return grown if max_seconds is None else min(grown, max(max_seconds, 0.0))


@dataclass
class FailureTolerance:
    """
    Counts consecutive failed polls, and ends the wait after too many.

    :param max_failures: how many in a row are tolerated.
    :param unlimited: tolerate any number of failures, and those that waiting can't help as well.
    """

    max_failures: int
    unlimited: bool = False
    failed: int = 0

    def wait_seconds(self, error: Exception, *, now: float) -> float:
        """
        Count a failure; return how long to wait at least before the next poll, in seconds.

        :param error: what the poll raised.
        :param now: seconds since the epoch.
        :raises Exception: the error itself, if waiting can't help or too many polls have failed.
        """
        from airflow_channel_provider.retry import retry_after_seconds
        from airflow_channel_provider.retry_policy import Action, decide

        if not self.unlimited and decide(error).action is Action.FAIL:
            raise error
        asked = retry_after_seconds(error, now=now)
        if asked is not None:
            return asked
        self.failed += 1
        if not self.unlimited and self.failed > self.max_failures:
            if self.failed > 1 and isinstance(error, ChannelError):
                error.add_context(after=f"{self.failed} polls in a row failed (tolerated_failures).")
            raise error
        return 0.0

    def reset(self) -> None:
        """Forget the failures, after a poll that succeeded."""
        self.failed = 0


# ---- events


def success_event(found: Any) -> dict[str, Any]:
    """
    Return the event of a wait whose condition was met.

    :param found: what JSON can hold.
    """
    return {"status": _MET, "found": found}


def failure_event(error: Exception) -> dict[str, Any]:
    """Return the event of a wait that an error has ended."""
    if not isinstance(error, ChannelError):
        error = ChannelError(f"The wait was ended by {type(error).__name__}: {error}")
    fields = {name: getattr(error, name) for name in _parameters(type(error))}
    plain = {k: v.isoformat() if isinstance(v, datetime) else v for k, v in fields.items() if v is not None}
    return {"status": _FAILED, "error": type(error).__name__, **plain}


def result_of(event: Any) -> Any:
    """
    Return what a wait has found.

    :param event: from the trigger.
    :raises ChannelError: the error that ended the wait; or the event is not from this trigger.
    """
    status = event.get("status") if isinstance(event, Mapping) else None
    if status == _MET and event.get("found"):
        return event["found"]
    if status == _FAILED:
        raise _error_of(event)
    raise ChannelError(
        f"The trigger came back with {_described(event)} instead of what was found. Check that triggerer and workers "
        "have the same version of this provider, then clear the task to wait again."
    )


def _error_of(event: Mapping[str, Any]) -> ChannelError:
    name = event.get("error")
    kind = getattr(exceptions, name) if name in exceptions.__all__ else ChannelError
    given = {key: event[key] for key in _parameters(kind) if event.get(key) is not None}
    if isinstance(given.get("retry_at"), str):
        given["retry_at"] = datetime.fromisoformat(given["retry_at"])
    error: ChannelError = kind(**given)
    return error


def _parameters(kind: type[ChannelError]) -> list[str]:
    return [name for name in inspect.signature(kind.__init__).parameters if name != "self"]


def _described(event: Any) -> str:
    if isinstance(event, Mapping):
        return f"the status {event.get('status')!r}"
    return "nothing" if event is None else f"a {type(event).__name__}"
