"""A hook for many threads at once: each request goes through one gate, and a limit is nobody's own.

What the hook of a single call would sit out by itself, a rate limit, is left to whoever paces all of them. The other
repetitions are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from airflow_channel_provider.exceptions import ChannelRateLimitError
from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook

if TYPE_CHECKING:
    from airflow_channel_provider.contract.model import RetryClass
    from airflow_channel_provider.retry import CallPolicy

__all__ = ["PacedHook"]


class Gate(Protocol):
    """What lets requests through."""

    def turn(self) -> None:
        """Wait until a request may be sent."""

    def sleep(self, seconds: float) -> None:
        """Wait for a while."""


class _Quiet:
    """Thousands of calls are many repetitions; they are counted, and told only to who looks closely."""

    def __init__(self, log: Any) -> None:
        self.warning = log.debug


class PacedHook(ChannelTalkHook):
    """
    Calls native functions from several threads.

    :param channel_talk_conn_id: connection of the type ``channel_talk``.
    :param gate: what each request goes through.
    :param retry_class: whether a call may be repeated, where the caller knows better than the catalogue.
    """

    def __init__(
        self, channel_talk_conn_id: str, *, gate: Gate, retry_class: RetryClass | None = None, **kwargs: Any
    ) -> None:
        super().__init__(channel_talk_conn_id, **kwargs)
        self._gate = gate
        self._retry_class = retry_class
        self._sleep = gate.sleep

    def _new_policy(self) -> CallPolicy:
        policy = super()._new_policy()

        def repeatable(error: BaseException, retry_class: RetryClass, has_request_id: bool) -> bool:
            limited = isinstance(error, ChannelRateLimitError)
            return not limited and policy.repeatable(error, retry_class, has_request_id)

        return replace(policy, repeatable=repeatable, log=_Quiet(self.log))

    def _carry_through(
        self,
        method: str,
        retry_class: RetryClass,
        channel: str | None,
        send: Callable[[str], Any],
        **how: Any,
    ) -> Any:
        def in_turn(token: str) -> Any:
            self._gate.turn()
            return send(token)

        return super()._carry_through(method, self._retry_class or retry_class, channel, in_turn, **how)
