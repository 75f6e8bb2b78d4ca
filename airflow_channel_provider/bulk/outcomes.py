"""What became of an item, and which errors are nobody's item but everybody's.

An error that every other item would meet as well - a wrong secret, a service that is not there - is no item's failure:
it stops the work, and all that is left is as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

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
from airflow_channel_provider.retry import is_outcome_unclear

if TYPE_CHECKING:
    from airflow_channel_provider.bulk.items import Item

__all__ = [
    "Loss",
    "Outcome",
    "SkipItem",
    "StoppedError",
    "is_refusal_of_the_item",
    "loss_of",
    "loss_of_item",
    "stops_all",
]

JSON = Any


class Outcome(Enum):
    """What became of an item."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """It had no effect, and repeating it would have none."""
    UNCERTAIN = "uncertain"
    """It was sent, and whether it took effect is unknown."""
    SKIPPED = "skipped"
    """Its parameters were None: it was not to be sent."""


class SkipItem(Exception):  # noqa: N818 - no error
    """Raised for an item that is not to be sent."""


class StoppedError(Exception):
    """The work has been stopped; what was about to be sent was not."""


class Loss(NamedTuple):
    """
    An item that did not succeed.

    :param request_id: under which it was sent, if it was a message.
    :param weight: what it counts as.
    """

    value: JSON
    key: str
    outcome: Outcome
    error: str
    message: str
    request_id: str | None = None
    weight: int = 1


def loss_of(
    error: ChannelError, value: JSON, key: str, *, request_id: str | None = None, weight: int = 1
) -> Loss:
    """Describe what an error made of a value."""
    doubtful = isinstance(error, ChannelAmbiguousResultError) or is_outcome_unclear(error)
    outcome = Outcome.UNCERTAIN if doubtful else Outcome.FAILED
    return Loss(value, key, outcome, type(error).__name__, str(error), request_id, weight)


def loss_of_item(error: ChannelError, item: Item) -> Sequence[Loss]:
    """Describe what an error made of an item that is one value."""
    return [loss_of(error, item.value, item.key, request_id=item.request_id, weight=item.weight)]


def stops_all(error: ChannelError, *, any_succeeded: bool) -> bool:
    """
    Tell whether an error is one that all other items would meet as well.

    :param any_succeeded: whether an item has succeeded; a missing permission, or what stands between and lets nothing
        through, concerns all of them only if none has.
    """
    kept_between = isinstance(error, ChannelResponseError) and 300 <= (error.http_status or 0) < 500
    if kept_between or isinstance(error, ChannelPermissionError):
        return not any_succeeded
    return isinstance(error, (ChannelAuthenticationError, ChannelNotSentError, ChannelRateLimitError))


def is_refusal_of_the_item(error: ChannelError) -> bool:
    """Tell whether the service, or the check before it, found something wrong with what was sent."""
    if isinstance(error, ChannelConfigurationError):
        return True
    return isinstance(error, ChannelRequestError) and not (
        is_outcome_unclear(error) or stops_all(error, any_succeeded=False)
    )
