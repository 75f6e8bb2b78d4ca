"""
Tokens in a bucket of S3 or a compatible server: it serves all processes of all hosts, without another server.

One object per app, ``<app>.json``, has two lines: the document, and the sealed tokens with the nonces of the last
writes. So a task with a living token costs one GET. ``<app>.unreadable`` is unknown content that was in its place.

``update`` is compare-and-swap with a conditional PUT: ``If-None-Match: *`` creates, ``If-Match`` replaces. An ETag
comes from the content, so each write has a nonce, and no content ever repeats. A write whose answer was lost is
recognised by its nonce at the next read. A server that ignores the conditions is refused before anything depends on
them.

The clock is the ``Date`` of the answers, in whole seconds. If an answer took more than 5 s, the request is sent again,
so that a time is at most 6 s old; charges are held that much longer. A ``Date`` that jumps is accepted when the next
answer agrees.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import random
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from airflow_channel_provider.exceptions import ChannelNotSentError
from airflow_channel_provider.tokens.clock import steady
from airflow_channel_provider.tokens.stores import document as document_format
from airflow_channel_provider.tokens.stores.base import Anew, CachedToken, Change, HostLock, Snapshot
from airflow_channel_provider.tokens.stores.s3_bucket import Answer, Bucket
from airflow_channel_provider.tokens.validation import AHEAD_SECONDS, MOST_BYTES

T = TypeVar("T")

_PATIENCE_SECONDS, _READ_PATIENCE_SECONDS = 45.0, 15.0
_PAUSE_SECONDS, _PAUSE_MAX_SECONDS = 0.02, 2.0
_TRIES = 4
_SLOW_SECONDS = 5.0
_JUMP_SECONDS = 60.0
_REMEMBERED_SECONDS = 1.0
_NONCES = 32
_STRAY_SECONDS = 86_400.0
_NO_ETAG = '"00000000000000000000000000000000"'


class S3Store:
    """
    A store in a bucket.

    :param connect: see :class:`.Bucket`.
    :param bucket: its name.
    :param prefix: of the keys; may be empty.
    :param address: as configured; for messages.
    """

    poll_seconds = (0.1, 2.0)
    margin_seconds = _SLOW_SECONDS + 1.0  # its dates have whole seconds

    def __init__(
        self, connect: Callable[[], Any], bucket: str, prefix: str = "", *, address: str = "s3://"
    ) -> None:
        self.address = address
        self.host = "any"  # without a host lock, a lease is never taken over early
        self.local_cache: dict[str, CachedToken] = {}
        self._bucket = Bucket(connect, bucket, prefix, address)
        self._clock = _Clock()
        self._checked: set[str] = set()
        self._remembered = threading.local()

    def load(self, document: str) -> Snapshot:
        """Read the document; the token that is read next comes from the same object."""
        found = self._read(document)
        self._remembered.last = (document, steady(), found)
        return found.snapshot

    def update(self, document: str, change: Change[T]) -> T:

        def written(found: _Found) -> tuple[bytes | None, dict[str, _Sealed], T]:
            state, result = change(found.snapshot)
            if state is None:
                return None, {}, result
            if found.line and (found.snapshot.lost or isinstance(state, Anew)):
                self._bucket.put(f"{document}.unreadable", found.line)
            return document_format.pack(state, found.snapshot.now), found.tokens, result

        return self._replace(document, written)

    def documents(self) -> Collection[str]:
        """Return the names of the documents; only this needs the permission to list."""
        return [name.removesuffix(".json") for name in self._bucket.names() if name.endswith(".json")]

    def read_blob(self, document: str, name: str) -> bytes | None:
        last, self._remembered.last = getattr(self._remembered, "last", None), None
        if last is not None and last[0] == document and steady() - last[1] < _REMEMBERED_SECONDS:
            found: _Found = last[2]
        else:
            found = self._read(document)
        token = found.tokens.get(name)
        return None if token is None else token.content

    def write_blob(self, document: str, name: str, blob: bytes, keep_seconds: float) -> None:
        """Write a sealed token, and drop those of the same app that ended long ago."""

        def written(found: _Found) -> tuple[bytes | None, dict[str, _Sealed], None]:
            now = found.snapshot.now
            tokens = {key: kept for key, kept in found.tokens.items() if kept.drop_at > now - _STRAY_SECONDS}
            return found.line, {**tokens, name: _Sealed(blob, now + keep_seconds)}, None

        self._replace(document, written)

    def drop_blob(self, document: str, name: str) -> None:

        def written(found: _Found) -> tuple[bytes | None, dict[str, _Sealed], None]:
            kept = {key: token for key, token in found.tokens.items() if key != name}
            return (found.line if name in found.tokens else None), kept, None

        self._replace(document, written)

    @contextlib.contextmanager
    def host_lock(self, document: str, scope: str) -> Iterator[HostLock]:
        """The death of a process can't be seen, so the lease has to end by itself."""
        yield HostLock.UNKNOWN

    def rest(self) -> None:
        """Nothing to release: an idle connection costs nothing."""
        self._remembered.last = None

    # ---------------------------------------------------------------------------------------- compare and swap

    def _replace(
        self, document: str, change: Callable[[_Found], tuple[bytes | None, dict[str, _Sealed], T]]
    ) -> T:
        """
        Replace the object of a document once, whoever else writes.

        :param change: returns the first line, or None to write nothing; the tokens; and what to return.
        """
        results: dict[str, T] = {}
        failures = 0
        self._remembered.last = None
        for number, pause in enumerate(_pauses()):
            found = self._read(document)
            if nonce := next((nonce for nonce in found.nonces if nonce in results), None):
                return results[nonce]  # written, only the answer was lost
            try:
                line, tokens, result = change(found)
                if line is None:
                    return result
                # The process that has just created the object is probably checking the server now.
                wait = found.is_new and number < _TRIES
                ready = None if wait else self._checked_to_write(document, found)
                if ready is not None:
                    content, nonce = ready.followed_by(line, tokens)
                    results[nonce] = result
                    if self._put(document, content, ready):
                        return result
            except ChannelNotSentError:
                failures += 1
                if failures == _TRIES:
                    raise
            time.sleep(pause)
        raise ChannelNotSentError(
            f"The token store {self.address} could not be changed for {_PATIENCE_SECONDS:.0f} s, because other "
            "processes changed it each time. No token request was sent."
        )

    def _put(self, document: str, content: bytes, found: _Found) -> str | None:
        etag = found.answer.etag
        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        return self._bucket.put(f"{document}.json", content, **condition)

    def _checked_to_write(self, document: str, found: _Found) -> _Found | None:
        """
        Check that the server refuses a condition that can't hold: once for each document, which then says that it was
        checked.

        :return: the object to replace, an empty one if there was none; None if another process was faster.
        :raises ChannelConfigurationError: it ignores them.
        """
        answer = found.answer
        if answer.etag is None:
            content, _ = found.followed_by(b"", {})
            etag = self._put(document, content, found)
            if answer.forbidden and (etag is None or self._bucket.get(f"{document}.json").forbidden):
                raise self._bucket.forbidden("read")  # it exists and can't be read
            if etag is None:
                return None
            found = _Found(replace(answer, etag=etag, content=content), found.snapshot.now)
        elif found.checked or answer.endpoint in self._checked:
            return found
        for header, condition in (
            ("If-None-Match", {"IfNoneMatch": "*"}),
            ("If-Match", {"IfMatch": _NO_ETAG}),
        ):
            if self._bucket.put(f"{document}.json", found.answer.content, **condition):
                raise self._bucket.ignoring(f"ignores the header {header}")
        self._checked.add(answer.endpoint)
        return found

    def _read(self, document: str) -> _Found:
        """Return the object of a document, with a date that is plausible."""
        trouble: ChannelNotSentError | None = None
        give_up_at = steady() + _READ_PATIENCE_SECONDS
        for number in range(_TRIES + 1):
            asked_at = steady()
            try:
                answer = self._bucket.get(f"{document}.json")
            except ChannelNotSentError as error:
                trouble = error
            else:
                if steady() - asked_at > _SLOW_SECONDS:
                    trouble = self._bucket.trouble("its answers take too long.")
                elif self._clock.believes(answer.date):
                    return _Found(answer, self._clock.now(answer.date))
                else:
                    trouble = self._bucket.trouble("the clock of its answers jumps.")
            if steady() > give_up_at:
                break
            time.sleep(random.uniform(0.5, 1.0) * _PAUSE_SECONDS * 4**number)
        raise trouble or self._bucket.trouble("it was not asked.")


class _Clock:
    """The server's clock, by the dates of its answers."""

    def __init__(self) -> None:
        self._offset: float | None = None
        self._suspect: float | None = None
        self._latest = 0.0

    def believes(self, date: float) -> bool:
        """
        Return whether a date continues the dates before it, or the one that was rejected.

        The first is compared with the host's clock.
        """
        offset = date - steady()
        known = time.time() - steady() if self._offset is None else self._offset
        agreeing = (one for one in (known, self._suspect) if one is not None)
        if not any(abs(offset - one) <= _JUMP_SECONDS for one in agreeing):
            self._suspect = offset
            return False
        self._offset, self._suspect = offset, None
        return True

    def now(self, date: float) -> float:
        """Return the time for a date that is plausible; never earlier than before, unless that was far off."""
        self._latest = max(date, self._latest if self._latest <= date + AHEAD_SECONDS else 0.0)
        return self._latest


@dataclass(frozen=True, slots=True)
class _Sealed:
    content: bytes
    drop_at: float


@dataclass(slots=True)
class _Found:
    """
    A document as read.

    :param now: by the store's clock.

    :ivar line: the document as it was written; empty if there is none.
    :ivar nonces: those of the last writes.
    :ivar checked: this server was seen to respect conditions.
    :ivar is_new: only the empty object has been written so far.
    """

    answer: Answer
    now: float
    line: bytes = field(init=False)
    snapshot: Snapshot = field(init=False)
    tokens: dict[str, _Sealed] = field(default_factory=dict, init=False)
    nonces: list[str] = field(default_factory=list, init=False)
    checked: bool = field(default=False, init=False)
    is_new: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.line, _, rest = self.answer.content.partition(b"\n")
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self._look_at(json.loads(rest))
        if self.line:
            too_long = len(self.answer.content) > MOST_BYTES
            self.snapshot = document_format.read(None if too_long else self.line, clock=self.now)
        else:
            self.snapshot = Snapshot(None, self.now, lost=self.answer.etag is not None and not self.is_new)

    def _look_at(self, rest: Mapping[str, Any]) -> None:
        self.nonces = [str(nonce) for nonce in rest["nonces"]][-_NONCES:]
        self.checked = rest["checked"] == self.answer.endpoint
        self.is_new = not rest["checked"] and not rest["tokens"]
        for name, (sealed, drop_at) in rest["tokens"].items():
            self.tokens[str(name)] = _Sealed(base64.b64decode(sealed, validate=True), float(drop_at))

    def followed_by(self, line: bytes, tokens: Mapping[str, _Sealed]) -> tuple[bytes, str]:
        """
        Return the content to write in its place, and the nonce of that write.

        The content says that the server respects conditions, except at the very first write.
        """
        nonce = os.urandom(8).hex()
        rest = {
            "nonces": [*self.nonces[1 - _NONCES :], nonce],
            "checked": "" if self.answer.etag is None else self.answer.endpoint,
            "tokens": {
                name: (base64.b64encode(token.content).decode(), token.drop_at)
                for name, token in tokens.items()
            },
        }
        return line + b"\n" + json.dumps(rest, separators=(",", ":")).encode(), nonce


def _pauses() -> Iterator[float]:
    give_up_at, longest = steady() + _PATIENCE_SECONDS, _PAUSE_SECONDS
    while steady() < give_up_at:
        yield random.uniform(0.0, longest)
        longest = min(longest * 2, _PAUSE_MAX_SECONDS)
