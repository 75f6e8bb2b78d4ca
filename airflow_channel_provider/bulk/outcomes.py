"""The outcome of an item, and which errors end the whole run.

An error that every other item would meet as well (a wrong secret, a service that can't be reached) is not a failure of
one item: it stops the run, and the remaining items stay unsent.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple

from airflow_channel_provider.exceptions import (
    ChannelAmbiguousResultError,
    ChannelAuthenticationError,
    ChannelConfigurationError,
    ChannelError,
    ChannelNotSentError,
    ChannelPermissionError,
    ChannelRateLimitError,
    ChannelResponseError,
)
from airflow_channel_provider.retry import is_about_the_call, is_outcome_unclear

JSON = Any


class ItemOutcome(Enum):
    """The outcome of one item, as the summary, the metrics and the dead-letter file call it."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """It was refused or not sent: it had no effect, and sending it again unchanged would have none."""
    UNCERTAIN = "uncertain"
    """It was sent, and whether it took effect is unknown."""
    SKIPPED = "skipped"
    """Its ``params`` were None, so it was not sent."""


class SkipItem(Exception):  # noqa: N818 - no error
    """Raised for an item that should not be sent."""


class RunStoppedError(Exception):
    """The run was stopped before the call was sent."""


class FailedItem(NamedTuple):
    """
    An item, or a row of a batch, that did not succeed: one line of the dead-letter file.

    :param value: the item.
    :param key: identifies the item.
    :param error: class of the error.
    :param request_id: request id it was sent with, if it was a message.
    :param weight: number of items it counts as.
    """

    value: JSON
    key: str
    outcome: ItemOutcome
    error: str
    message: str
    request_id: str | None = None
    weight: int = 1


def failed_item(
    error: ChannelError, value: JSON, key: str, *, request_id: str | None = None, weight: int = 1
) -> FailedItem:
    """Return the failed item for an error: uncertain where the call may have taken effect."""
    doubtful = isinstance(error, ChannelAmbiguousResultError) or is_outcome_unclear(error)
    outcome = ItemOutcome.UNCERTAIN if doubtful else ItemOutcome.FAILED
    return FailedItem(value, key, outcome, type(error).__name__, str(error), request_id, weight)


def is_fatal(error: ChannelError, *, any_succeeded: bool) -> bool:
    """
    Return whether all other items would meet the same error, so that the run has to stop.

    :param any_succeeded: whether an item has succeeded. A missing permission, or a proxy that answers instead of the
        service, counts as fatal only if none has.
    """
    is_from_proxy = isinstance(error, ChannelResponseError) and 300 <= (error.http_status or 0) < 500
    if is_from_proxy or isinstance(error, ChannelPermissionError):
        return not any_succeeded
    return isinstance(error, (ChannelAuthenticationError, ChannelNotSentError, ChannelRateLimitError))


def is_item_error(error: ChannelError) -> bool:
    """Return whether the service, or the check before sending, refused the content of the item."""
    return isinstance(error, ChannelConfigurationError) or is_about_the_call(error)
