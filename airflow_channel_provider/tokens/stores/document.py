"""
How a document is written down, the same in every store: its format by name, the store's clock, the state.

What does not parse, or is of another format, is no document of ours: its store counts it as lost, never as a reason to
crash. No two documents are alike: a writer whose answer was lost knows its own, and takes no other's for it. Where the
store has no clock of its own, the host's seconds since boot are written down too and carry the time on, so that
stepping the host's clock grants no extra request.

A clock that can't be believed is the one thing that would hurt for ever: time stands still until it has caught up with
what was written far ahead of it, and no charge comes to an end. Such a document is lost too, but its state is handed
on, since the charges in it may have been spent all the same.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from typing import Any, NoReturn

from airflow_channel_provider.tokens.clock import boot_id
from airflow_channel_provider.tokens.stores.base import Snapshot
from airflow_channel_provider.tokens.validation import AHEAD_SECONDS, MOST_BYTES, check_times

FORMAT = "airflow-channel-provider/1"


def pack(state: Mapping[str, Any], now: float, *, looked_at: float | None = None) -> bytes:
    """
    Write a document that can be read again: its history, which nobody has looked at, is left out where it would stop
    that.

    :param now: the store's clock, seconds.
    :param looked_at: seconds since boot at that moment, where the store has no clock of its own.
    """
    steady = {"boot": None, "steady": 0.0} if looked_at is None else {"boot": boot_id(), "steady": looked_at}
    clock, nonce = {**steady, "now": now}, os.urandom(8).hex()
    envelope = {"format": FORMAT, "nonce": nonce, "clock": clock, "state": state}
    try:
        return _ENCODER.encode(envelope).encode()
    except (ValueError, RecursionError):  # 1e999, say, which is read as infinite
        return _ENCODER.encode({**envelope, "state": {**state, "history": ()}}).encode()


def read(
    content: bytes | str | None, *, clock: float | None = None, looked_at: float | None = None
) -> Snapshot:
    """
    Read a document.

    :param content: None where something stands in its place that can't be read at all.
    :param clock: the store's own clock, seconds; None: it has none, and goes by the host's.
    :param looked_at: seconds since boot of this host, where hosts write down theirs.
    """
    wall = time.time() if clock is None else clock
    try:
        state, saved_at, boot, steady = _parsed(content)
    except (ValueError, KeyError, TypeError, RecursionError):
        return Snapshot(None, wall, lost=True)
    now = max(wall, saved_at)
    ahead_seconds = saved_at - wall
    if looked_at is not None and boot is not None and boot == boot_id():
        now = saved_at + max(0.0, looked_at - steady)
        ahead_seconds = steady - looked_at
    if ahead_seconds > AHEAD_SECONDS:
        return Snapshot(state, wall, lost=True)
    return Snapshot(state, now)


def _parsed(content: bytes | str | None) -> tuple[dict[str, Any], float, str | None, float]:
    if content is None or len(content) > MOST_BYTES:
        raise ValueError("too much")
    document = _DECODER.decode(content if isinstance(content, str) else content.decode())
    state, clock, boot = document["state"], document["clock"], document["clock"]["boot"]
    if document["format"] != FORMAT or not isinstance(state, dict) or not isinstance(boot, str | None):
        raise ValueError("not ours")
    saved_at, steady = clock["now"], clock["steady"]
    check_times((saved_at, steady))
    if steady < 0:
        raise ValueError("before its boot")
    return state, saved_at, boot, steady


def _no_number(text: str) -> NoReturn:
    raise ValueError("no JSON")


_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
_DECODER = json.JSONDecoder(parse_constant=_no_number)
