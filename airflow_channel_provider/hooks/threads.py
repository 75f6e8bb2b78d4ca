"""
The root messages of threads, kept in the shared store from one process to the next.

A reply needs the id of the message that it replies to, and the process that has it is gone by then. Airflow has no
place for it that lasts from a failed try to the next one, and that the dag-processor, which runs some callbacks,
reaches as well. The store of the tokens is such a place: every process that sends a message reaches it.

A thread is a help for its readers, so nothing here raises: where the root is not known, there is no thread.
"""

from __future__ import annotations

import hashlib
import json
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
    from airflow_channel_provider.tokens.repository import TokenRepository

log = logging.getLogger(__name__)

KEEP_SECONDS = 7 * 86_400.0
"""A thread is continued for so long."""

SUFFIX = "-threads"
"""Ends the name under which the threads of an app are stored, apart from its record and tokens."""

_MOST_BYTES = 1_000


class Thread:
    """
    One thread of a chat.

    :param parts: distinguish it from all other threads of the app.
    """

    def __init__(self, hook: ChannelTalkHook, *parts: object) -> None:
        repository: TokenRepository = hook.manager.repository
        self._store, self._document = repository.store, f"{repository.app}{SUFFIX}"
        written = json.dumps(list(map(str, parts)))
        self._name = f"thread-{hashlib.sha256(written.encode()).hexdigest()[:32]}"

    def root(self) -> str | None:
        """Return the id of its first message; None where it is not known."""
        try:
            found = self._store.read_blob(self._document, self._name)
            return found.decode() if found and len(found) <= _MOST_BYTES else None
        except Exception as error:  # whatever a store in trouble raises
            log.warning("The thread is not known, so the message begins a new one: %s", type(error).__name__)
            return None

    def open(self, message_id: str) -> None:
        """Keep the id of its first message."""
        try:
            self._store.write_blob(self._document, self._name, message_id.encode(), KEEP_SECONDS)
        except Exception as error:
            log.warning("The thread is not kept, so what follows is no reply: %s", type(error).__name__)

    def close(self) -> None:
        """Forget it: what comes later begins a new one."""
        try:
            self._store.drop_blob(self._document, self._name)
        except Exception as error:
            log.warning("The thread could not be closed: %s", type(error).__name__)
