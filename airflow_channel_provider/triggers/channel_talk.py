"""
Waits in the triggerer until an answer of Channel Talk meets a condition.

A trigger holds nothing but its arguments, so that a restarted triggerer goes on where the other one was. Airflow
serializes them into its database, so they name the connection by its id, and the triggerer looks the connection up: no
secret is in a trigger. It only reads, so that two of them at once do no harm. Triggers that start together do not poll
together: each starts at a random moment of its interval.

All triggers of a process over the same connection share one hook, however many there are. The first opens it and the
last closes it. Polls run in a few threads, so that few connections to the service are open and the event loop of the
triggerer is never blocked. A call waits for seconds at most; for longer, the trigger sleeps without a thread. A rate
limit that one trigger has met holds for all of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from airflow_channel_provider.exceptions import (
    ChannelAuthenticationError,
    ChannelRateLimitError,
    ChannelTokenQuotaError,
)
from airflow_channel_provider.triggers.polling import (
    FailureTolerance,
    Poll,
    failure_event,
    pause_seconds,
    success_event,
)

if TYPE_CHECKING:
    from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook

__all__ = ["NativeFunctionTrigger"]

THREADS = 4
MAX_WAIT_SECONDS = 3.0
CALL_ATTEMPTS = 2


class NativeFunctionTrigger(BaseTrigger):
    """
    Calls a native function that reads, again and again, until its answer meets a condition.

    Fires one event: what was found, or the error that ended the wait. The task that defers limits the wait as a whole
    (``timeout``).

    :param method: name of the native function.
    :param params: its parameters.
    :param channel_id: the channel to act in; None: the connection's.
    :param expect: the expected values, by dotted path into the answer.
    :param predicate: instead of ``expect``: dotted path of a function that is called with the answer.
    :param predicate_kwargs: further arguments of that function.
    :param repeatable: the caller's word that the function may be called again and again.
    :param channel_talk_conn_id: connection of the type ``channel_talk``.
    :param poke_interval: seconds between two polls.
    :param tolerated_failures: how many polls in a row may fail; one that says when to try again does not count.
    :param backoff_since: when the wait began (seconds since the epoch); ``poke_interval`` doubles from then on. None:
        it stays as it is.
    :param max_interval: the longest interval with backoff, in seconds; None: no limit.
    :param silent_fail: whether the wait goes on whatever a poll raises.
    """

    def __init__(
        self,
        *,
        method: str,
        params: Mapping[str, Any] | None = None,
        channel_id: str | None = None,
        expect: Mapping[str, Any] | None = None,
        predicate: str | None = None,
        predicate_kwargs: Mapping[str, Any] | None = None,
        repeatable: bool = False,
        channel_talk_conn_id: str = "channel_talk_default",
        poke_interval: float = 60.0,
        tolerated_failures: int = 10,
        backoff_since: float | None = None,
        max_interval: float | None = None,
        silent_fail: bool = False,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.poll = Poll.deserialize(
            method=method,
            params=params or {},
            channel_id=channel_id,
            expect=expect,
            predicate=predicate,
            predicate_kwargs=predicate_kwargs,
            repeatable=repeatable,
        )
        self.channel_talk_conn_id = channel_talk_conn_id
        self.poke_interval = poke_interval
        self.tolerated_failures = tolerated_failures
        self.backoff_since = backoff_since
        self.max_interval = max_interval
        self.silent_fail = silent_fail
        self._sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
        self._random: Callable[[], float] = random.random
        self._now: Callable[[], float] = time.time

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and its arguments; newer arguments only where they are used, for an older triggerer."""
        growth = {"backoff_since": self.backoff_since, "max_interval": self.max_interval}
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            **self.poll.serialize(),
            "channel_talk_conn_id": self.channel_talk_conn_id,
            "poke_interval": self.poke_interval,
            "tolerated_failures": self.tolerated_failures,
            **(growth if self.backoff_since is not None else {}),
            **({"silent_fail": True} if self.silent_fail else {}),
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait; fire the event that ends the wait."""
        try:
            async with acquire_shared_hook(self.channel_talk_conn_id) as hook:
                event = success_event(await self._wait(hook))
        except Exception as error:
            self.log.warning("%s: the wait is over: %s: %s", self.poll.method, type(error).__name__, error)
            event = failure_event(error)
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def _wait(self, hook: SharedHook) -> Any:
        from airflow_channel_provider.retry import jitter_seconds

        tolerance = FailureTolerance(self.tolerated_failures, unlimited=self.silent_fail)
        await self._sleep(self.poke_interval * self._random())
        while True:
            wait_seconds, pause = 0.0, self._pause_seconds()
            try:
                found = await hook.run(self.poll)
            except Exception as error:
                wait_seconds = tolerance.wait_seconds(error, now=time.time())
                self._report(error, max(wait_seconds, pause))
                wait_seconds += jitter_seconds(wait_seconds, self._random) if wait_seconds else 0.0
            else:
                tolerance.reset()
                if found is not None:
                    return found
            await self._sleep(max(wait_seconds, pause))

    def _pause_seconds(self) -> float:
        waited = None if self.backoff_since is None else self._now() - self.backoff_since
        return pause_seconds(self.poke_interval, waited_seconds=waited, max_seconds=self.max_interval)

    def _report(self, error: Exception, wait_seconds: float) -> None:
        self.log.warning(
            "%s: the poll failed, the next one follows in %.0f s (%s: %s)",
            self.poll.method,
            wait_seconds,
            type(error).__name__,
            error,
        )


class SharedHook:
    """
    A hook that all triggers over one connection share.

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

    async def run(self, poll: Poll) -> Any:
        """
        Poll once, in one of the threads.

        :return: what was found, or None.
        """
        # It knows how a thread may ask Airflow for a connection, in every version.
        return await sync_to_async(self._run, thread_sensitive=False, executor=self._threads)(poll)

    def close(self) -> None:
        """Close what is open, once the polls under way have ended."""
        self._threads.submit(self._close)
        self._threads.shutdown(wait=False)

    def _run(self, poll: Poll) -> Any:
        self._raise_while_limited(poll.method)
        hook = self._open()
        try:
            return poll.run_once(hook)
        except ChannelAuthenticationError:
            if not self._reopen_if_changed(hook):
                raise
        except ChannelRateLimitError as error:
            self._note_limit(error)
            raise
        return poll.run_once(self._open())

    def _raise_while_limited(self, method: str) -> None:
        left_seconds = self._limited_until - self.now()
        if left_seconds > 0:
            raise ChannelRateLimitError(
                f"{method} was not sent: the service limits calls for another {left_seconds:.0f} s, as another trigger "
                "of this connection has found.",
                method=method,
                retry_after_seconds=left_seconds,
            )

    def _note_limit(self, error: ChannelRateLimitError) -> None:
        from airflow_channel_provider.retry import retry_after_seconds

        # The quota of token requests does not concern those that have a token.
        if not isinstance(error, ChannelTokenQuotaError):
            self._limited_until = self.now() + (retry_after_seconds(error, now=self.now()) or 0.0)

    def _open(self) -> ChannelTalkHook:
        with self._opening:
            if self._hook is None:
                hook = self._new_hook()
                # Whatever is made on first use is made here, by one thread.
                hook.get_conn()
                hook.manager  # noqa: B018
                self._hook = hook
            return self._hook

    def _reopen_if_changed(self, refused: ChannelTalkHook) -> bool:
        """Look the connection up again after a refusal; return whether it has changed since."""
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


_shared_hooks: dict[str, SharedHook] = {}
_counting = threading.Lock()


@contextlib.asynccontextmanager
async def acquire_shared_hook(conn_id: str) -> AsyncIterator[SharedHook]:
    """
    Use the shared hook of a connection, for as long as the ``async with`` block.

    :param conn_id: connection of the type ``channel_talk``.
    """
    with _counting:
        if conn_id not in _shared_hooks:
            _shared_hooks[conn_id] = SharedHook(conn_id)
        hook = _shared_hooks[conn_id]
        hook.users += 1
    try:
        yield hook
    finally:
        with _counting:
            hook.users -= 1
            is_last = not hook.users
            if is_last:
                del _shared_hooks[conn_id]
        if is_last:
            hook.close()


def shared_hook_users() -> dict[str, int]:
    """Return how many triggers share the hook of each connection."""
    with _counting:
        return {conn_id: hook.users for conn_id, hook in _shared_hooks.items()}
