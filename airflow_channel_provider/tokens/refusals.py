"""
A refusal, written down so that another process can raise it again without asking the service.

100 tasks with a wrong App Secret cost one token request: the first notes the refusal in the shared record, the others
raise the same error from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_channel_provider.exceptions import (
    ChannelAuthenticationError,
    ChannelError,
    ChannelNotSentError,
    ChannelPermissionError,
    ChannelRequestError,
)
from airflow_channel_provider.tokens import plausible
from airflow_channel_provider.tokens.dialect import CHANNEL_TALK, Dialect
from airflow_channel_provider.tokens.record import ERROR_FIELDS, Failure
from airflow_channel_provider.tokens.shared import wall_time_in

__all__ = ["as_error", "as_json", "cached_error", "is_lasting"]

_CLASSES = {
    cls.__name__: cls for cls in (ChannelRequestError, ChannelAuthenticationError, ChannelPermissionError)
}
_TEXTS = ("method", "error_type", "service_message")


def is_lasting(error: ChannelRequestError) -> bool:
    """
    Tell whether the same token request would be refused again.

    A wrong secret, a missing installation or a bad request stays until somebody acts. What the service says of itself,
    in a status of 5xx or in an envelope of no other class, passes.
    """
    return type(error) is not ChannelRequestError or 400 <= (error.http_status or 200) < 500


def as_json(error: ChannelRequestError) -> dict[str, Any]:
    """Write a refusal down; its message is free of secrets already. Long texts are cut, control characters left out."""
    values = {"class": type(error).__name__, **{name: getattr(error, name) for name in ERROR_FIELDS[1:]}}
    return {name: plausible.plain(value) for name, value in values.items()}


def as_error(document: Mapping[str, Any], note: str) -> ChannelRequestError:
    """
    Make the error that a remembered refusal stands for.

    :param note: a sentence to add, such as until when it is remembered.
    """
    cls = _CLASSES.get(str(document.get("class")), ChannelRequestError)
    status, texts = document.get("http_status"), {name: document.get(name) for name in _TEXTS}
    return cls(
        f"{document.get('message') or 'The service refused a token.'} {note}".strip(),
        http_status=status if isinstance(status, int) else None,
        code=document.get("code"),
        **{name: text if isinstance(text, str) else None for name, text in texts.items()},
    )


def cached_error(
    failure: Failure,
    now: float,
    label: str,
    scope: str,
    cause: ChannelError | None = None,
    *,
    dialect: Dialect = CHANNEL_TALK,
) -> ChannelError:
    """
    Turn what is noted of a failed token request into the error that every task raises.

    :param cause: the failure itself, in the process that met it.
    :param dialect: of the service that refused.
    """
    until = wall_time_in(failure.until - now)
    if failure.error is not None:
        return as_error(
            failure.error,
            f"The refusal is remembered for all tasks until {until:%H:%M:%S} UTC, so that they do not all ask in vain; "
            f"another {dialect.credentials} is tried at once.",
        )
    reason = f": {cause.message.removesuffix('.')}" if cause is not None else ""
    return ChannelNotSentError(
        f"{label}: no token for scope {scope} can be had for now{reason}. After {failure.count} failed token "
        f"request{'s' if failure.count > 1 else ''} in a row the next may be sent at {until:%H:%M:%S} UTC.",
        method=cause.method if cause is not None else None,
        http_status=cause.http_status if cause is not None else None,
        retry_at=until,
    )
