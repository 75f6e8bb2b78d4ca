"""
One hook for all waits of a triggerer over the same connection, however many there are.

Each wait takes its part in the door and gives it back; the first opens it and the last closes it. Looks run in a few
threads, so that the connections to the service are as few, and the triggerer's own loop is never held up. A call sits
out seconds at most: what takes longer is waited for by the trigger, without a thread. A rate limit that one wait has
met is respected by all; the service is not asked by each of them.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async

from airflow_channel_provider.exceptions import (
    ChannelAuthenticationError,
    ChannelRateLimitError,
    ChannelTokenQuotaError,
)

if TYPE_CHECKING:
    from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
    from airflow_channel_provider.triggers._watch import Watch

__all__ = ["THREADS", "Door", "open_doors", "shared_door"]

THREADS = 4
MAX_WAIT_SECONDS = 3.0
CALL_ATTEMPTS = 2

_doors: dict[str, Door] = {}
_counting = threading.Lock()


class Door:
    """
    A hook that many waits share.

    :param conn_id: connection of the type ``channel_talk``.
    """

    def __init__(self, conn_id: str) -> None:
        self.conn_id = conn_id
        self.users = 0
        self._hook: ChannelTalkHook | None = None
        self._limited_until = 0.0
        self._opening = threading.Lock()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=f"channel_talk-{conn_id}")

    def now(self) -> float:
        """Return the time, in seconds since the epoch."""
        return time.time()

    async def look(self, watch: Watch) -> Any:
        """
        Look once, in one of the threads.

        :return: what was found, or None.
        """
        # It knows how a thread may ask Airflow for a connection, in every version.
        return await sync_to_async(self._look, thread_sensitive=False, executor=self._threads)(watch)

    def close(self) -> None:
        """Let the looks under way come to their end, and close what is open."""
        self._threads.submit(self._close)
        self._threads.shutdown(wait=False)

    def _look(self, watch: Watch) -> Any:
        self._respect_the_limit(watch.method)
        hook = self._opened()
        try:
            return watch.look(hook)
        except ChannelAuthenticationError:
            if not self._has_changed(hook):
                raise
        except ChannelRateLimitError as error:
            self._note_limit(error)
            raise
        return watch.look(self._opened())

    def _respect_the_limit(self, method: str) -> None:
        left_seconds = self._limited_until - self.now()
        if left_seconds > 0:
            raise ChannelRateLimitError(
                f"{method} was not sent: the service has limited the calls of another wait for {left_seconds:.0f} s.",
                method=method,
                retry_after_seconds=left_seconds,
            )

    def _note_limit(self, error: ChannelRateLimitError) -> None:
        from airflow_channel_provider.retry import retry_after_seconds

        # The quota of token requests is no matter of those that have a token.
        if not isinstance(error, ChannelTokenQuotaError):
            self._limited_until = self.now() + (retry_after_seconds(error, now=self.now()) or 0.0)

    def _opened(self) -> ChannelTalkHook:
        with self._opening:
            if self._hook is None:
                hook = self._new_hook()
                # Whatever is made on first use is made here, by one thread.
                hook.get_conn()
                hook.manager  # noqa: B018
                self._hook = hook
            return self._hook

    def _has_changed(self, refused: ChannelTalkHook) -> bool:
        """Look the connection up again after a refusal; tell whether it says something else by now."""
        with self._opening:
            if self._hook is refused:
                if self._new_hook().settings == refused.settings:
                    return False
                self._hook = None
            return True

    def _new_hook(self) -> ChannelTalkHook:
        from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook

        return ChannelTalkHook(self.conn_id, call_attempts=CALL_ATTEMPTS, max_wait_seconds=MAX_WAIT_SECONDS)

    def _close(self) -> None:
        if self._hook is not None:
            self._hook.close()


@contextlib.asynccontextmanager
async def shared_door(conn_id: str) -> AsyncIterator[Door]:
    """
    Take part in the door to a connection, for as long as the ``async with`` block.

    :param conn_id: connection of the type ``channel_talk``.
    """
    with _counting:
        if conn_id not in _doors:
            _doors[conn_id] = Door(conn_id)
        door = _doors[conn_id]
        door.users += 1
    try:
        yield door
    finally:
        with _counting:
            door.users -= 1
            is_last = not door.users
            if is_last:
                del _doors[conn_id]
        if is_last:
            door.close()


def open_doors() -> dict[str, int]:
    """Return how many waits share the door to each connection."""
    with _counting:
        return {conn_id: door.users for conn_id, door in _doors.items()}
