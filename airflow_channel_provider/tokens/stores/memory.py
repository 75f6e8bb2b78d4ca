"""Tokens in the memory of one process: for tests and single-process work. Each task process would send its own token
request.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator
from typing import TypeVar

from airflow_channel_provider.tokens.stores import document as document_format
from airflow_channel_provider.tokens.stores.base import Anew, CachedToken, Change, HostLock, Snapshot

T = TypeVar("T")


class MemoryStore:
    """
    A store in a dictionary; safe for threads.

    :param clock: its clock, seconds.
    """

    address = "memory://"
    poll_seconds = (0.002, 0.05)
    margin_seconds = 0.0

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.host = f"process-{os.getpid()}"
        self.local_cache: dict[str, CachedToken] = {}
        self._clock = clock
        self._documents: dict[str, str] = {}
        self._blobs: dict[tuple[str, str], bytes] = {}
        self._lock = threading.Lock()
        os.register_at_fork(after_in_child=self._unlock)

    def _unlock(self) -> None:
        self._lock = threading.Lock()

    def load(self, document: str) -> Snapshot:
        written, now = self._documents.get(document), self._clock()
        return Snapshot(None, now) if written is None else document_format.read(written, clock=now)

    def update(self, document: str, change: Change[T]) -> T:
        with self._lock:
            found = self.load(document)
            state, result = change(found)
            if state is not None:
                if isinstance(state, Anew) and document in self._documents:
                    self._blobs[document, "unreadable"] = self._documents[document].encode(errors="replace")
                self._documents[document] = document_format.pack(state, found.now).decode()
            return result

    def documents(self) -> Collection[str]:
        return list(self._documents)

    def read_blob(self, document: str, name: str) -> bytes | None:
        return self._blobs.get((document, name))

    def write_blob(self, document: str, name: str, blob: bytes, keep_seconds: float) -> None:
        self._blobs[document, name] = blob

    def drop_blob(self, document: str, name: str) -> None:
        self._blobs.pop((document, name), None)

    @contextlib.contextmanager
    def host_lock(self, document: str, scope: str) -> Iterator[HostLock]:
        """A thread does not die unseen: it releases its lease itself."""
        yield HostLock.UNKNOWN

    def rest(self) -> None:
        """Nothing to release."""
