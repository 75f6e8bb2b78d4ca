"""What the next try of a task has to know, and where it is kept.

A few kilobytes, however many items there are. It is written as a whole, so that a kill leaves the one before or the one
after. It holds no item and no secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from airflow_channel_provider.bulk.ledger import Ledger, joined_ranges

__all__ = ["Checkpoint", "CheckpointStore", "MemoryCheckpoints", "TaskStateCheckpoints"]

JSON = Any
VERSION = 1
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
        """Read what :meth:`to_json` made; None where it is no such thing, or of another version."""
        if not isinstance(stored, Mapping) or stored.get("version") != VERSION:
            return None
        beyond = {position for first, end in stored["beyond"] for position in range(first, end)}
        return cls(
            ledger=Ledger(stored["taken"], bytes.fromhex(stored["digest"]), stored["mark"], beyond),
            counts=dict(stored["counts"]),
            errors=list(stored["errors"]),
            parts=stored["parts"],
            at_rest=stored["at_rest"],
            seconds=stored["seconds"],
            finished=stored["finished"],
        )


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
