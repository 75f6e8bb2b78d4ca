"""What is known about a native function: which token it needs, whether it may be repeated, its parameters, its
pages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from airflow_channel_provider.contract.shapes import Violation
from airflow_channel_provider.contract.structures import Record
from airflow_channel_provider.values import Values


class RetryClass(Enum):
    """Whether a call with an unknown outcome may be repeated."""

    READ = "read"
    """Changes nothing."""
    IDEMPOTENT = "idempotent"
    """Writes, and a second time has no further effect."""
    REQUEST_ID = "request_id"
    """A message: may be repeated with the same ``dto.requestId``."""
    UNSAFE = "unsafe"
    """May never be repeated."""

    @property
    def is_harmless(self) -> bool:
        """Whether a repetition has no further effect, whatever the call contains."""
        return self in (RetryClass.READ, RetryClass.IDEMPOTENT)

    @property
    def is_message(self) -> bool:
        """Whether a repetition is safe because of the request id."""
        return self is RetryClass.REQUEST_ID


class TokenScope(Enum):
    """Which token a function needs."""

    NONE = "none"
    """None: it issues tokens."""
    APP = "app"
    """The app token, whatever the channel of the call."""
    CHANNEL = "channel"
    """The token of a channel."""
    ANY = "any"
    """Either; the caller decides."""


class Paging(Enum):
    """How one page leads to the next."""

    SINCE = "since"
    """``pagination`` has ``since`` and ``limit``; the answer's ``next`` is the next ``since``."""
    CURSOR = "cursor"
    """``cursor`` and ``limit`` are parameters of their own; the answer has ``nextCursor``."""
    QUERY = "query"
    """``since`` and ``limit`` are parameters of their own; the answer's ``next`` is the next ``since``."""
    WHOLE = "whole"
    """One answer has all items."""


class Listing(Values):
    """
    The answer of a function that lists.

    :param items: field of the result that holds the items.
    :param paging: how one page leads to the next.
    """

    items: str
    paging: Paging = Paging.SINCE


class NativeFunction(Values):
    """
    A function of the service.

    :param name: the ``method`` on the wire.
    :param scope: token that it needs.
    :param retry: whether it may be repeated.
    :param params: its parameters.
    :param listing: its pages, if it lists.
    """

    name: str
    scope: TokenScope
    retry: RetryClass
    params: Record
    listing: Listing | None = None

    @property
    def wants_app_token(self) -> bool:
        """Whether it needs the app token, whatever the channel of the call."""
        return self.scope is TokenScope.APP

    @property
    def wants_channel_token(self) -> bool:
        """Whether it needs a channel."""
        return self.scope is TokenScope.CHANNEL

    @property
    def is_message(self) -> bool:
        """Whether it writes a message, which a request id makes unique."""
        return self.retry.is_message

    def needs(self, name: str) -> bool:
        """Return whether a parameter is required."""
        known = self.params.fields.get(name)
        return known is not None and known.required is not None

    def violations(self, params: Mapping[str, Any]) -> Sequence[Violation]:
        """
        Return the rules that a call breaks; a valid call costs nothing more.

        :param params: complete.
        """
        return self.params.check(params, self.params.by)
