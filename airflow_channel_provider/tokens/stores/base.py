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
from typing import Any, Protocol, TypeVar

from airflow_channel_provider.tokens.types import Token
from airflow_channel_provider.values import Values

T = TypeVar("T")

ASIDE_SECONDS = 7 * 86_400.0
ASIDE_BYTES = 60_000
"""How long, and in small stores how many bytes of, an unreadable document is kept for people to look at."""


class Snapshot(Values):
    """
    The document at one moment.

    :param state: the last state that was written; None if there is none.
    :param now: the store's clock, seconds.
    :param lost: there was a document once, and it is gone or unreadable, or its state can't be true.
    """

    state: dict[str, Any] | None
    now: float
    lost: bool = False


class Anew(dict[str, Any]):
    """A state that replaces one that can't be true; the store sets the old one aside."""


Change = Callable[[Snapshot], tuple[dict[str, Any] | None, T]]
"""A pure function from the snapshot to (the state to write, or None for no change; the value to return)."""


class HostLock(Enum):
    """Whether another living process of this host is renewing."""

    OURS = "ours"
    """No other process is; this one may."""
    TAKEN = "taken"
    """Another process is."""
    UNKNOWN = "unknown"
    """The store does not know."""


class CachedToken(Values):
    """
    A token that this process may use without reading the store.

    :param use_until: until when, by :data:`..clock.steady`.
    :param ends_at: when the token itself ends, by the same clock; if the store is down, it is used until then.
    """

    token: Token
    use_until: float
    ends_at: float = 0.0


class TokenStore(Protocol):
    """
    Where the tokens and the ledger live. Names of documents and blobs are of letters, digits, ``-`` and ``_``.

    :ivar address: as configured; for messages.
    :ivar host: identifies this host in the document, the same for all processes of one boot. A process that gets
        :attr:`HostLock.OURS` takes over a lease of the same host at once.
    :ivar poll_seconds: first and longest pause between two reads of a token that another process is renewing.
    :ivar margin_seconds: how far its clock may be behind when a task uses it; charges are held that much longer.
    :ivar local_cache: the tokens that this process remembers, by app and scope.
    """

    address: str
    host: str
    poll_seconds: tuple[float, float]
    margin_seconds: float
    local_cache: dict[str, CachedToken]

    def load(self, document: str) -> Snapshot:
        """Read a document, without waiting for another process, not even for one inside :meth:`update`."""

    def update(self, document: str, change: Change[T]) -> T:
        """
        Change a document atomically and durably. If ``change`` raises, nothing is written, and its error is raised.

        :raises ChannelConfigurationError: the store can't work as configured.
        :raises ChannelNotSentError: the store has a temporary problem.
        """

    def documents(self) -> Collection[str]:
        """Return the names of the documents, to show them to people; no decision uses them."""

    def read_blob(self, document: str, name: str) -> bytes | None:
        """Read a sealed token; None if there is none."""

    def write_blob(self, document: str, name: str, blob: bytes, keep_seconds: float) -> None:
        """Replace a sealed token as a whole; the store may drop it after ``keep_seconds``."""

    def drop_blob(self, document: str, name: str) -> None:
        """Remove a sealed token, if it is still there."""

    def host_lock(self, document: str, scope: str) -> AbstractContextManager[HostLock]:
        """
        Hold a lock that shows, as long as this process lives, that it is renewing a scope.

        A store that can't see the death of a process returns UNKNOWN, and the lease has to end by itself.
        """

    def rest(self) -> None:
        """Release scarce resources, since this process does not need the store for a while."""
