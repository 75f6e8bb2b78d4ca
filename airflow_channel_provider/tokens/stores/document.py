"""
The format of a document, the same in every store: the name of the format, the store's clock, the state.

Content that does not parse, or has another format, counts as a lost document and never causes a crash. No two documents
are equal: a writer whose answer was lost recognises its own. If the store has no clock of its own, the document also
has the host's seconds since boot. They carry the time on, so that a change of the host's clock allows no extra request.

A time that is far in the future would do harm for ever: the store's clock would stand still until then, and no charge
would end. Such a document counts as lost too, but its state is returned, since the charges in it may be real.
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
    Return the document as text. The history, which is only for people, is left out if the document would become too
    large to be read again.

    :param now: the store's clock, seconds.
    :param looked_at: seconds since boot at that moment, if the store has no clock of its own.
    """
    steady = {"boot": None, "steady": 0.0} if looked_at is None else {"boot": boot_id(), "steady": looked_at}
    clock, nonce = {**steady, "now": now}, os.urandom(8).hex()
    envelope = {"format": FORMAT, "nonce": nonce, "clock": clock, "state": state}
    try:
        return _ENCODER.encode(envelope).encode()
    except (ValueError, RecursionError):  # such as 1e999, which is read as infinite
        return _ENCODER.encode({**envelope, "state": {**state, "history": ()}}).encode()


def read(
    content: bytes | str | None, *, clock: float | None = None, looked_at: float | None = None
) -> Snapshot:
    """
    Read a document.

    :param content: None if there is something that can't be read at all.
    :param clock: the store's own clock, seconds; None: it has none and uses the host's.
    :param looked_at: seconds since boot of this host, if documents have them.
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
