"""What is known of a native function: which token it wants, whether it may be repeated, what it takes, how it lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

from airflow_channel_provider.contract.shapes import Violation
from airflow_channel_provider.contract.structures import Record


class RetryClass(Enum):
    """Whether a call whose fate is unknown may be repeated."""

    READ = "read"
    """Changes nothing."""
    IDEMPOTENT = "idempotent"
    """Writes, but twice leaves the same as once."""
    REQUEST_ID = "request_id"
    """A message: only with the same ``dto.requestId``."""
    UNSAFE = "unsafe"
    """Never."""

    @property
    def is_harmless(self) -> bool:
        """Whether twice is the same as once, whatever the call carries."""
        return self in (RetryClass.READ, RetryClass.IDEMPOTENT)

    @property
    def is_message(self) -> bool:
        """Whether a request id is what makes twice the same as once."""
        return self is RetryClass.REQUEST_ID


class TokenScope(Enum):
    """Which token a function wants."""

    NONE = "none"
    """None: it hands them out."""
    APP = "app"
    """The app's own, whatever channel the call is about."""
    CHANNEL = "channel"
    """The one of a channel."""
    ANY = "any"
    """As the caller says."""


class Paging(Enum):
    """How one page leads to the next."""

    SINCE = "since"
    """``pagination`` has ``since`` and ``limit``; the answer's ``next`` is the next ``since``."""
    CURSOR = "cursor"
    """``cursor`` and ``limit`` are parameters of their own; the answer has ``nextCursor``."""
    QUERY = "query"
    """``since`` and ``limit`` are parameters of their own; the answer's ``next`` is the next ``since``."""
    WHOLE = "whole"
    """One answer holds everything."""


class Listing(NamedTuple):
    """
    What a list-like function answers.

    :param items: field of the result that holds the items.
    :param paging: how one page leads to the next.
    """

    items: str
    paging: Paging = Paging.SINCE

    @property
    def next_field(self) -> str:
        """Field of the result that leads to the next page."""
        return "nextCursor" if self.paging is Paging.CURSOR else "next"


class NativeFunction(NamedTuple):
    """
    A function of the service.

    :param name: the ``method`` on the wire.
    :param scope: token that it needs.
    :param retry: whether it may be repeated.
    :param params: what it takes.
    :param listing: how it lists, where it does.
    """

    name: str
    scope: TokenScope
    retry: RetryClass
    params: Record
    listing: Listing | None = None

    @property
    def wants_app_token(self) -> bool:
        """Whether it takes the app's own token, whatever channel the call is about."""
        return self.scope is TokenScope.APP

    @property
    def wants_channel_token(self) -> bool:
        """Whether it can't do without a channel."""
        return self.scope is TokenScope.CHANNEL

    @property
    def is_message(self) -> bool:
        """Whether it writes a message, which a request id makes unique."""
        return self.retry.is_message

    def needs(self, name: str) -> bool:
        """Return whether it can't do without a parameter."""
        known = self.params.fields.get(name)
        return known is not None and known.required is not None

    def violations(self, params: Mapping[str, Any]) -> Sequence[Violation]:
        """
        Return the rules that a call breaks; none is what a good call costs.

        :param params: complete.
        """
        return self.params.check(params, self.params.by)
