"""
How a document is written down, the same in every store: its format by name, the store's clock, the state.

What does not parse, or is of another format, is no document of ours: its store counts it as lost, never as a reason to
crash. Where the store has no clock of its own, the host's seconds since boot are written down too and carry the time
on, so that stepping the host's clock grants no extra request.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_channel_provider.tokens.clock import boot_id

__all__ = ["FORMAT", "Envelope", "pack", "unpack"]

FORMAT = "airflow-channel-provider/1"


@dataclass(frozen=True, slots=True)
class Envelope:
    """
    A document as it was written last.

    :param saved_at: the store's clock when it was written, seconds.
    :param boot: the boot of the host that wrote it; None where the store has a clock of its own.
    :param steady: seconds since that boot when it was written.
    """

    state: dict[str, Any]
    saved_at: float
    boot: str | None = None
    steady: float = 0.0

    def now_by(self, clock: float) -> float:
        """
        Tell the time of a store that has a clock of its own; it never goes back behind what was written.

        :param clock: that clock, seconds.
        """
        return max(clock, self.saved_at)

    def now_on_this_host(self, looked_at: float) -> float:
        """
        Tell the time of a store that has none.

        :param looked_at: seconds since boot of this host.
        """
        if self.boot is not None and self.boot == boot_id():
            return self.saved_at + max(0.0, looked_at - self.steady)
        return max(time.time(), self.saved_at)


def pack(state: Mapping[str, Any], now: float, *, looked_at: float | None = None) -> bytes:
    """
    Write a document.

    :param now: the store's clock, seconds.
    :param looked_at: seconds since boot at that moment, where the store has no clock of its own.
    """
    steady = {"boot": None, "steady": 0.0} if looked_at is None else {"boot": boot_id(), "steady": looked_at}
    envelope = {"format": FORMAT, "clock": {**steady, "now": now}, "state": state}
    return json.dumps(envelope, separators=(",", ":")).encode()


def unpack(content: bytes | str) -> Envelope | None:
    """
    Read a document.

    :return: None where it is none of ours.
    """
    try:
        document = json.loads(content)
        state, clock = document["state"], document["clock"]
        found = Envelope(state, float(clock["now"]), clock["boot"], float(clock["steady"]))
        ours = document["format"] == FORMAT and isinstance(state, dict)
        return found if ours and math.isfinite(found.saved_at + found.steady) else None
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
