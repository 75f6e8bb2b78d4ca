"""
What a trigger tells the task that waits: what was found, or the error that ended the wait.

An error is rebuilt on the worker as the class that it was, so that the task's retry policy decides as if it had been
raised there. Both travel through Airflow's database and its logs, and hold no secret.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from airflow_channel_provider import exceptions
from airflow_channel_provider.exceptions import ChannelError

__all__ = ["failed", "found_in", "met"]

_MET, _FAILED = "met", "failed"


def met(found: Any) -> dict[str, Any]:
    """
    Return the event of a wait that has reached its end.

    :param found: what JSON can hold.
    """
    return {"status": _MET, "found": found}


def failed(error: Exception) -> dict[str, Any]:
    """Return the event of a wait that an error has ended."""
    if not isinstance(error, ChannelError):
        error = ChannelError(f"The wait was ended by {type(error).__name__}: {error}")
    fields = {name: getattr(error, name) for name in _parameters(type(error))}
    plain = {k: v.isoformat() if isinstance(v, datetime) else v for k, v in fields.items() if v is not None}
    return {"status": _FAILED, "error": type(error).__name__, **plain}


def found_in(event: Any) -> Any:
    """
    Return what was found.

    :param event: from the trigger.
    :raises ChannelError: the error that ended the wait; or the event is none of ours.
    """
    status = event.get("status") if isinstance(event, Mapping) else None
    if status == _MET and event.get("found"):
        return event["found"]
    if status == _FAILED:
        raise _error_of(event)
    raise ChannelError(
        f"The trigger came back with {_described(event)} instead of what was found. Are triggerer and workers on the "
        "same version of this provider? Clear the task to wait again."
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
