"""
Tokens in Airflow Variables, for deployments that have nothing but Airflow: one keeper writes, all others only read.

Variables know no compare-and-set, so there is no way to elect who renews: a DAG with ``KeepTokensOperator`` does, ahead
of need. A write waits a moment and reads itself back, which finds a second keeper out before it sends anything; that is
a safety net, not a licence to run two.

``channel_talk_token__<app>``         the document; its name makes Airflow hide the value, which holds no secret anyway
``channel_talk_token__<app>__<name>`` one sealed token

The clock is the hosts' wall clock, carried on by the seconds since boot on the host that wrote last and never behind
what was written last. Hosts may be off by :attr:`VariableStore.skew_seconds`: tokens are renewed long before that
matters, and each charge is held longer by twice as much. A document that is further off is not believed.
"""

from __future__ import annotations

import base64
import contextlib
import json
import time
from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timezone
from typing import Any, Protocol, TypeVar

from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError, ChannelNotSentError
from airflow_channel_provider.tokens.clock import boot_id, steady
from airflow_channel_provider.tokens.plausible import shown
from airflow_channel_provider.tokens.stores import envelope
from airflow_channel_provider.tokens.stores.base import Beacon, CachedToken, Change, Snapshot

__all__ = ["NO_KEEPER", "VariableStore", "Variables"]

T = TypeVar("T")

PREFIX = "channel_talk_token__"
NO_KEEPER = "a DAG with KeepTokensOperator (none has written yet)"

SETTLE_SECONDS = 2.0
"""A write takes less than this from its read on; whoever sees its own write after another such pause is alone."""

OFF_SECONDS = 120.0
"""A document that differs from this host's clock by more was written by a clock that is not to be believed."""

_TRIES = 3


class Variables(Protocol):
    """Airflow's Variables, as far as they are used here. Anything may be raised where they can't be had."""

    def get(self, name: str) -> str | None:
        """Read one; None where there is none, and perhaps where Airflow can't tell."""

    def set(self, name: str, value: str, about: str) -> None:
        """Write one, over whatever is there."""

    def names(self, prefix: str) -> Collection[str] | None:
        """List those that exist; None where this Airflow can't list them."""

    def writer(self) -> str:
        """Name what writes, for people to find it: the DAG of the running task."""


class VariableStore:
    """
    A store in Airflow Variables.

    :param variables: how to reach them.
    :param settle_seconds: see :data:`SETTLE_SECONDS`.
    :param sleep: takes seconds.
    :param clock: wall clock of this host, seconds since the epoch.
    :param steady: seconds since boot of this host.

    :ivar keeper: who renews the tokens; known once a document was read.
    :ivar history_rows: a Variable may hold as little as 64 KiB, encrypted.
    :ivar skew_seconds: how far a host's clock may be off without any harm.
    """

    address = "variable://"
    poll_seconds = (1.0, 5.0)
    history_rows = 60
    skew_seconds = 30.0

    def __init__(
        self,
        variables: Variables,
        *,
        settle_seconds: float = SETTLE_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = steady,
    ) -> None:
        self.host = boot_id() or "host"
        self.local_cache: dict[str, CachedToken] = {}
        self.keeper = NO_KEEPER
        self._variables = _Honest(variables)
        self._settle_seconds = settle_seconds
        self._sleep = sleep
        self._clock = clock
        self._steady = steady

    def load(self, document: str) -> Snapshot:
        """See :class:`.base.TokenStore`."""
        return self._snapshot(self._variables.get(PREFIX + document), self._steady())

    def update(self, document: str, change: Change[T]) -> T:
        """See :class:`.base.TokenStore`; only the keeper comes here."""
        for _ in range(_TRIES):
            looked_at = self._steady()
            found = self._loaded_to_write(document, looked_at)
            state, result = change(found)
            if state is None or self._written(document, state, found.now, looked_at):
                return result
        raise ChannelNotSentError(
            f"The token store {self.address} was written by something else at the same moment, {_TRIES} times in a "
            "row: is a second keeper running? One DAG with max_active_runs=1 and one KeepTokensOperator has to keep "
            "all tokens of an app. No token request was sent."
        )

    def documents(self) -> Collection[str]:
        """See :class:`.base.TokenStore`; none before Airflow 3.3, which can't list Variables."""
        names = (name.removeprefix(PREFIX) for name in self._variables.names(PREFIX) or ())
        return [name for name in names if "__" not in name]

    def read_blob(self, document: str, name: str) -> bytes | None:
        """See :class:`.base.TokenStore`."""
        text = self._variables.get(_blob_name(document, name))
        try:
            return None if text is None else base64.b64decode(text, validate=True)
        except ValueError:
            return None

    def write_blob(self, document: str, name: str, blob: bytes, keep_seconds: float) -> None:
        """See :class:`.base.TokenStore`."""
        text = base64.b64encode(blob).decode("ascii")
        self._variables.set(_blob_name(document, name), text, f"A sealed token. {_ABOUT}")

    def drop_blob(self, document: str, name: str) -> None:
        """See :class:`.base.TokenStore`; nobody but the keeper writes here, and it drops nothing."""

    @contextlib.contextmanager
    def beacon(self, document: str, scope: str) -> Iterator[Beacon]:
        """See :class:`.base.TokenStore`; here a lease has to run out."""
        yield Beacon.UNKNOWN

    def rest(self) -> None:
        """See :class:`.base.TokenStore`; nothing is held."""

    def _snapshot(self, text: str | None, looked_at: float) -> Snapshot:
        wall = self._clock()
        if text is None:
            return Snapshot(None, wall)
        found = envelope.read(text, clock=wall, looked_at=looked_at)
        if found.state is not None:
            self.keeper = _keeper_in(text)
        return found if abs(found.now - wall) <= OFF_SECONDS else Snapshot(found.state, wall, lost=True)

    def _loaded_to_write(self, document: str, looked_at: float) -> Snapshot:
        name = PREFIX + document
        text = self._variables.get(name)
        found = self._snapshot(text, looked_at)
        if text is not None:
            return found
        # Airflow says "there is none" as well where its API server is in trouble. No ledger is begun anew on that.
        names = self._variables.names(name)
        if names is not None and name in names:
            raise ChannelNotSentError(
                f"The token store {self.address}: Variable {name} exists and can't be read now. No token request was "
                "sent."
            )
        return Snapshot(None, found.now, lost=names is None or bool(names))

    def _written(self, document: str, state: dict[str, Any], now: float, looked_at: float) -> bool:
        """
        Write the document and see that it stands.

        :return: False where another writer came in between, so that the change has to be decided anew.
        """
        text = _with_keeper(envelope.pack(state, now, looked_at=looked_at), self._variables.writer())
        self._variables.set(PREFIX + document, text, f"The count of token requests. {_ABOUT}")
        if self._steady() - looked_at > SETTLE_SECONDS:
            raise ChannelNotSentError(
                f"The token store {self.address} took longer than {SETTLE_SECONDS:.0f} s for a write, so that another "
                "one may have been lost: the API server is overloaded. No token request was sent."
            )
        self._sleep(self._settle_seconds)
        return self._variables.get(PREFIX + document) == text


_ABOUT = "Kept by KeepTokensOperator for the connections of Channel Talk; do not edit."


class _Honest:
    """Variables whose errors say what it means for a token."""

    def __init__(self, variables: Variables) -> None:
        self._variables = variables

    def get(self, name: str) -> str | None:
        with _honest_errors("read"):
            return self._variables.get(name)

    def set(self, name: str, value: str, about: str) -> None:
        with _honest_errors("written"):
            self._variables.set(name, value, about)

    def names(self, prefix: str) -> Collection[str] | None:
        with _honest_errors("listed"):
            return self._variables.names(prefix)

    def writer(self) -> str:
        return self._variables.writer()


@contextlib.contextmanager
def _honest_errors(done: str) -> Iterator[None]:
    try:
        yield
    except ChannelError:
        raise
    except PermissionError as error:
        raise ChannelConfigurationError(
            f"Option [channel_talk] store: Airflow refuses to have Variables {done} here; allow those that begin with "
            f"{PREFIX}. No token request was sent."
        ) from error
    except Exception as error:
        raise ChannelNotSentError(
            f"The token store {VariableStore.address} can't be {done}: {type(error).__name__}. No token request was "
            "sent."
        ) from error


def _blob_name(document: str, name: str) -> str:
    return f"{PREFIX}{document}__{name}"


def _with_keeper(content: bytes, keeper: str) -> str:
    return json.dumps({**json.loads(content), "keeper": keeper}, separators=(",", ":"))


def _keeper_in(text: str) -> str:
    document = json.loads(text)
    keeper = shown(document.get("keeper"), 250) or "the keeper"
    wrote_at = datetime.fromtimestamp(document["clock"]["now"], tz=timezone.utc)
    return f"{keeper} (last wrote on {wrote_at:%Y-%m-%d at %H:%M:%S} UTC)"
