"""
What a store is: one atomic read-modify-write of a small document, blobs, and a clock of its own. No decisions.

The state machine is written once, in :mod:`..policy`; a store only promises that ``update`` is atomic among all the
processes that it serves, that what it returned from is durable, and that its clock is one for all of them and is never
set back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from enum import Enum
from typing import Any, NamedTuple, Protocol, TypeVar

from airflow_channel_provider.tokens.types import Token

T = TypeVar("T")

ASIDE_SECONDS = 7 * 86_400.0
ASIDE_BYTES = 60_000
"""So long, and where there is little room so much, is kept of what could not be read, for people to look at."""


class Snapshot(NamedTuple):
    """
    The document at one moment.

    :param state: as it was written last; None where there is none.
    :param now: the store's clock, seconds.
    :param lost: there was a document once, and it is gone or unreadable, or its state is not to be believed.
    """

    state: dict[str, Any] | None
    now: float
    lost: bool = False


class Anew(dict[str, Any]):
    """A state that takes the place of one that is not to be believed: its store sets that one aside."""


Change = Callable[[Snapshot], tuple[dict[str, Any] | None, T]]
"""A pure function from what is there to (what is to be written, or None for nothing; what to return)."""


class HostLock(Enum):
    """Whether another living process of this host is renewing."""

    OURS = "ours"
    """None is, and this one may."""
    TAKEN = "taken"
    """Another one is."""
    UNKNOWN = "unknown"
    """The store can't see it."""


class CachedToken(NamedTuple):
    """
    A token that this process may use without looking.

    :param use_until: for so long (:data:`..clock.steady`).
    :param ends_at: when the token itself ends, by the same clock; if the store is down, it is used until then.
    """

    token: Token
    use_until: float
    ends_at: float = 0.0


class TokenStore(Protocol):
    """
    Where the tokens and the ledger live. Names of documents and blobs are of letters, digits, ``-`` and ``_``.

    :ivar address: as configured; for messages.
    :ivar host: names this host towards the other users of the store, the same for all processes of one boot. Who gets
        :attr:`HostLock.OURS` takes over a lease of the same host at once.
    :ivar poll_seconds: first and longest pause between two looks at a token that another process is renewing.
    :ivar margin_seconds: how far its clock may be behind when a task acts by it; charges are held longer by as much.
    :ivar local_cache: what this process remembers, by app and scope.
    """

    address: str
    host: str
    poll_seconds: tuple[float, float]
    margin_seconds: float
    local_cache: dict[str, CachedToken]

    def load(self, document: str) -> Snapshot:
        """Look at a document, without waiting for anyone."""

    def update(self, document: str, change: Change[T]) -> T:
        """
        Change a document atomically and durably. If ``change`` raises, nothing is written, and its error is raised.

        :raises ChannelConfigurationError: the store can't work as configured.
        :raises ChannelNotSentError: the store is in trouble that may pass.
        """

    def documents(self) -> Collection[str]:
        """Name the documents that there are, for people to look at; no decision asks for them."""

    def read_blob(self, document: str, name: str) -> bytes | None:
        """Read a sealed token; None where there is none."""

    def write_blob(self, document: str, name: str, blob: bytes, keep_seconds: float) -> None:
        """Replace a sealed token as a whole; it may be dropped after ``keep_seconds``."""

    def drop_blob(self, document: str, name: str) -> None:
        """Let a sealed token be no more; it may be gone already."""

    def host_lock(self, document: str, scope: str) -> AbstractContextManager[HostLock]:
        """
        Show that this process is renewing a scope, for as long as it lives.

        A store without a way to see the death of a process answers UNKNOWN, and the lease has to run out.
        """

    def rest(self) -> None:
        """Take note that this process needs the store no more for a while: give back what is scarce."""
