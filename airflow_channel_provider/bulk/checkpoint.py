"""What the next try of a task has to know, and where it is kept.

A few kilobytes, however many items there are. It is written as a whole, so that a kill leaves the one before or the one
after. It holds no item and no secret. One that is not plausible is not guessed at: what was done could be done twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from airflow_channel_provider.bulk.ledger import Ledger, joined_ranges
from airflow_channel_provider.bulk.outcomes import Outcome
from airflow_channel_provider.exceptions import ChannelConfigurationError

__all__ = ["Checkpoint", "CheckpointStore", "MemoryCheckpoints", "TaskStateCheckpoints"]

JSON = Any
VERSION = 1
MAX_COUNT = 1 << 53
MAX_BEYOND = 100_000
"""Far more items than there are between the oldest open one and the newest."""
STATE_KEY = "channel_talk_bulk"


@dataclass
class Checkpoint:
    """
    How far the work is, and what came of it.

    :param ledger: which items are settled.
    :param counts: items by outcome.
    :param errors: the first ones, for the summary.
    :param parts: so many parts of the dead-letter file are written and valid.
    :param at_rest: nothing was under way when it was written: what was taken and is not settled was not sent.
    :param seconds: how long the tries have worked altogether.
    :param finished: all items are settled, and the dead-letter file is put together.
    """

    ledger: Ledger = field(default_factory=Ledger)
    counts: dict[str, int] = field(default_factory=dict)
    errors: list[dict[str, str]] = field(default_factory=list)
    parts: int = 0
    at_rest: bool = True
    seconds: float = 0.0
    finished: bool = False

    def to_json(self) -> dict[str, JSON]:
        """Return it as JSON can hold it."""
        return {
            "version": VERSION,
            "taken": self.ledger.taken,
            "digest": self.ledger.digest.hex(),
            "mark": self.ledger.mark,
            "beyond": [list(pair) for pair in joined_ranges(self.ledger.beyond)],
            "counts": self.counts,
            "errors": self.errors,
            "parts": self.parts,
            "at_rest": self.at_rest,
            "seconds": round(self.seconds, 3),
            "finished": self.finished,
        }

    @classmethod
    def from_json(cls, stored: JSON) -> Checkpoint | None:
        """
        Read what :meth:`to_json` made; None where nothing is stored.

        :raises ChannelConfigurationError: something else is, or what another version of this package wrote.
        """
        if stored is None:
            return None
        try:
            return cls._read(stored)
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError):
            raise ChannelConfigurationError(
                "What was noted of the try before can't be read, so that nobody can tell which items are done: check "
                "at the service. resume=False begins anew, with all items."
            ) from None

    @classmethod
    def _read(cls, stored: JSON) -> Checkpoint:
        if stored["version"] != VERSION:
            raise ValueError(VERSION)
        counts = {Outcome(name).value: _count(number) for name, number in stored["counts"].items()}
        return cls(
            ledger=_ledger(stored),
            counts=counts,
            errors=[{str(name): str(text) for name, text in error.items()} for error in stored["errors"]],
            parts=_count(stored["parts"]),
            at_rest=stored["at_rest"] is True,
            seconds=_seconds(stored["seconds"]),
            finished=stored["finished"] is True,
        )


def _ledger(stored: Mapping[str, JSON]) -> Ledger:
    mark, beyond = _count(stored["mark"]), set[int]()
    for first, end in stored["beyond"]:
        if not mark <= _count(first) <= _count(end) or end - first > MAX_BEYOND - len(beyond):
            raise ValueError(end)
        beyond.update(range(first, end))
    return Ledger(_count(stored["taken"]), bytes.fromhex(stored["digest"]), mark, beyond)


def _seconds(value: JSON) -> float:
    return value if isinstance(value, float) and 0 <= value <= MAX_COUNT else float(_count(value))


def _count(value: JSON) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_COUNT:
        raise ValueError(value)
    return value


class CheckpointStore(Protocol):
    """Where the checkpoint of one task instance is kept over its tries."""

    def load(self) -> JSON:
        """Return what was saved last; None where nothing was."""

    def save(self, checkpoint: dict[str, JSON]) -> None:
        """Replace it as a whole; durable when this returns."""


class TaskState(Protocol):
    """Airflow's task state store, as far as it is used here."""

    def get(self, key: str) -> JSON:
        """Return a value, None where there is none."""

    def set(self, key: str, value: JSON) -> None:
        """Replace a value."""


class TaskStateCheckpoints:
    """
    In the task state store of Airflow 3.3 and newer.

    :param state: of the task instance.
    """

    def __init__(self, state: TaskState) -> None:
        self._state = state

    def load(self) -> JSON:
        """See :class:`CheckpointStore`."""
        return self._state.get(STATE_KEY)

    def save(self, checkpoint: dict[str, JSON]) -> None:
        """See :class:`CheckpointStore`."""
        self._state.set(STATE_KEY, checkpoint)


class MemoryCheckpoints:
    """Nowhere: gone with the process."""

    def __init__(self) -> None:
        self._saved: JSON = None

    def load(self) -> JSON:
        """See :class:`CheckpointStore`."""
        return self._saved

    def save(self, checkpoint: dict[str, JSON]) -> None:
        """See :class:`CheckpointStore`."""
        self._saved = checkpoint
