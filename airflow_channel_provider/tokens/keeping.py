"""
Renewing tokens ahead of need, for the one who is there for nothing else: the keeper.

It decides nothing about a request that the policy has not decided for everyone: it only asks earlier, and once more
where the policy says that waiting a little helps. A scope that keeps its old token is a warning, not a failure.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone

from airflow_channel_provider.exceptions import ChannelError
from airflow_channel_provider.tokens.manager import TokenManager
from airflow_channel_provider.tokens.search import AHEAD_SECONDS, Kept
from airflow_channel_provider.tokens.token import scope_of

__all__ = ["AHEAD_SECONDS", "Kept", "keep_tokens"]


def keep_tokens(
    manager: TokenManager,
    channel_ids: Sequence[str | None],
    *,
    ahead_seconds: float = AHEAD_SECONDS,
    wait_seconds: float = 120.0,
    ask_again: bool = False,
) -> list[Kept]:
    """
    Renew the tokens that are due, and try again what may go better within the time that is left.

    :param channel_ids: the channels; None stands for the app token.
    :param ahead_seconds: a token is due when it has less than this left.
    :param wait_seconds: how long to wait at most, over all of them: for the quota, for a passing trouble, or for the
        lease of a keeper that died.
    :param ask_again: ask the service in spite of a remembered refusal.
    :return: what became of each, in the order of ``channel_ids``.
    """
    give_up_at = manager.clock() + wait_seconds
    kept: dict[str | None, Kept] = {}
    due = list(dict.fromkeys(channel_ids))
    at_once = True
    while due:
        for channel_id in due:
            kept[channel_id] = _keep(
                manager, channel_id, ahead_seconds, give_up_at, ask_again=ask_again and at_once
            )
        due = [channel_id for channel_id in due if kept[channel_id].problem is not None]
        pause = _pause(manager, [kept[channel_id] for channel_id in due], give_up_at, at_once=at_once)
        at_once = False
        if pause is None:
            break
        if pause > 0:
            manager.sleep(pause)
    return list(kept.values())


def _keep(
    manager: TokenManager, channel_id: str | None, ahead_seconds: float, give_up_at: float, *, ask_again: bool
) -> Kept:
    left = max(0.0, give_up_at - manager.clock())
    try:
        return manager.keep(channel_id, ahead_seconds=ahead_seconds, wait_seconds=left, ask_again=ask_again)
    except ChannelError as error:
        return Kept(scope_of(channel_id), "missing", 0.0, error)


def _pause(
    manager: TokenManager, troubled: Sequence[Kept], give_up_at: float, *, at_once: bool
) -> float | None:
    """
    Tell how long to wait before the troubled scopes are tried again; None: no more of it.

    :param at_once: whether a trouble that names no time may be tried again at once, which costs a request only where
        there is something else to try: to issue, after a refresh was refused.
    """
    pauses = []
    for kept in troubled:
        retry_at: datetime | None = getattr(kept.problem, "retry_at", None)
        if retry_at is not None:
            pauses.append(max(0.5, (retry_at - datetime.now(timezone.utc)).total_seconds() + 0.5))
        elif at_once:
            return 0.0
    soon = [pause for pause in pauses if manager.clock() + pause < give_up_at]
    return min(soon, default=None)
