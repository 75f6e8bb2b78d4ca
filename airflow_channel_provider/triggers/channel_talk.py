"""
Waits in the triggerer until Channel Talk says what is awaited.

A trigger holds nothing but its arguments, which say everything: one that is started again, after a triggerer has died,
goes on where the other was. It only reads, so that two of them at once do no harm either. Triggers that start together
do not look together: each begins at a random moment of its interval.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_channel_provider.triggers import _events
from airflow_channel_provider.triggers._doors import Door, shared_door
from airflow_channel_provider.triggers._patience import Patience, pause_seconds
from airflow_channel_provider.triggers._watch import Watch

__all__ = ["NativeFunctionTrigger"]


class NativeFunctionTrigger(BaseTrigger):
    """
    Reads with a native function, again and again, until its answer says what is awaited.

    Fires one event: what was found, or the error that ended the wait. How long it waits altogether is the business of
    whoever defers (``timeout``).

    :param method: name of the native function.
    :param params: its parameters.
    :param channel_id: the channel to act in; None: the connection's.
    :param expect: what is awaited, by dotted path into the answer.
    :param predicate: instead of it: dotted path of a function that is given the answer.
    :param predicate_kwargs: further arguments of that function.
    :param repeatable: the caller's word that the function may be called again and again.
    :param channel_talk_conn_id: connection of the type ``channel_talk``.
    :param poke_interval: seconds between two looks.
    :param tolerated_failures: how many looks in a row may fail, if they do not say for how long.
    :param backoff_since: when the wait began (seconds since the epoch): ``poke_interval`` doubles from there on; None:
        it stays as it is.
    :param max_interval: the longest that it may grow to, in seconds; None: no limit.
    :param silent_fail: whether the wait goes on whatever a look raises.
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
        self.watch = Watch.of(
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
        """Return the class and its arguments; of those that are of a newer version, only what is used."""
        growth = {"backoff_since": self.backoff_since, "max_interval": self.max_interval}
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            **self.watch.portable(),
            "channel_talk_conn_id": self.channel_talk_conn_id,
            "poke_interval": self.poke_interval,
            "tolerated_failures": self.tolerated_failures,
            **(growth if self.backoff_since is not None else {}),
            **({"silent_fail": True} if self.silent_fail else {}),
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and tell how it ended."""
        try:
            async with shared_door(self.channel_talk_conn_id) as door:
                event = _events.met(await self._found(door))
        except Exception as error:
            self.log.warning("%s: the wait is over: %s: %s", self.watch.method, type(error).__name__, error)
            event = _events.failed(error)
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def _found(self, door: Door) -> Any:
        from airflow_channel_provider.retry import jitter_seconds

        patience = Patience(self.tolerated_failures, endless=self.silent_fail)
        await self._sleep(self.poke_interval * self._random())
        while True:
            wait_seconds, pause = 0.0, self._pause_seconds()
            try:
                found = await door.look(self.watch)
            except Exception as error:
                wait_seconds = patience.seconds_after(error, now=time.time())
                self._report(error, max(wait_seconds, pause))
                wait_seconds += jitter_seconds(wait_seconds, self._random) if wait_seconds else 0.0
            else:
                patience.restore()
                if found is not None:
                    return found
            await self._sleep(max(wait_seconds, pause))

    def _pause_seconds(self) -> float:
        waited = None if self.backoff_since is None else self._now() - self.backoff_since
        return pause_seconds(self.poke_interval, waited_seconds=waited, most_seconds=self.max_interval)

    def _report(self, error: Exception, wait_seconds: float) -> None:
        self.log.warning(
            "%s: could not look, the next look follows in %.0f s (%s: %s)",
            self.watch.method,
            wait_seconds,
            type(error).__name__,
            error,
        )
