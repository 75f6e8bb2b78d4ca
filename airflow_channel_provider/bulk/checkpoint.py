"""The checkpoint of a bulk task: what the next try has to know, and where it is stored.

It is a few kilobytes, however many items there are, and holds no item and no secret. It is written as a whole, so that
a kill leaves either the old or the new one. A checkpoint that can't be read is an error, never a fresh start: items
could be sent twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from airflow_channel_provider.bulk import files
from airflow_channel_provider.bulk.outcomes import ItemOutcome
from airflow_channel_provider.exceptions import ChannelConfigurationError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

JSON = Any
VERSION = 1
MAX_COUNT = 1 << 53
MAX_BEYOND = 100_000
"""Far more than the ``span`` of a run allows; a stored checkpoint with more is damaged."""
STATE_KEY = "channel_talk_bulk"
DIGEST_BYTES = 16
MAX_FILE_BYTES = 1 << 24


@dataclass
class CommittedOffsets:
    """
    Which positions of the source are done. The size does not grow with the work.

    :param taken: number of items read from the source so far, in its order.
    :param digest: chained hash of their keys; shows whether a source gives the same items in the next try.
    :param watermark: all positions below it are committed.
    :param beyond: committed positions from the watermark on.
    """

    taken: int = 0
    digest: bytes = b""
    watermark: int = 0
    beyond: set[int] = field(default_factory=set)

    def take(self, key: str) -> None:
        """Count the next item of the source."""
        # A key may hold half of a surrogate pair, as a text in JSON may.
        content = self.digest + key.encode("utf-8", "surrogatepass")
        self.digest = hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest()
        self.taken += 1

    def commit(self, position: int) -> None:
        """Mark a position as done."""
        if position >= self.watermark:
            self.beyond.add(position)
        while self.watermark in self.beyond:
            self.beyond.remove(self.watermark)
            self.watermark += 1

    def is_committed(self, position: int) -> bool:
        """Return whether a position is done."""
        return position < self.watermark or position in self.beyond

    @property
    def pending(self) -> int:
        """Number of items that were read and are not done."""
        return self.taken - self.watermark - len(self.beyond)

    @property
    def span(self) -> int:
        """Distance from the first item that is not done to the last one read."""
        return self.taken - self.watermark


@dataclass
class Checkpoint:
    """
    How far the work is, and the outcomes so far.

    :param offsets: which items are done.
    :param counts: items by outcome.
    :param errors: the first errors, for the summary.
    :param parts: number of parts of the dead-letter file that are complete.
    :param idle: no call was in flight when it was written, so an item that was read and is not done was not sent.
    :param seconds: working time of all tries.
    :param finished: all items are done, and the dead-letter file is complete.
    """

    offsets: CommittedOffsets = field(default_factory=CommittedOffsets)
    counts: dict[str, int] = field(default_factory=dict)
    errors: list[dict[str, str]] = field(default_factory=list)
    parts: int = 0
    idle: bool = True
    seconds: float = 0.0
    finished: bool = False

    def to_json(self) -> dict[str, JSON]:
        """Return the checkpoint as JSON."""
        return {
            "version": VERSION,
            "taken": self.offsets.taken,
            "digest": self.offsets.digest.hex(),
            "mark": self.offsets.watermark,
            "beyond": [list(pair) for pair in joined_ranges(self.offsets.beyond)],
            "counts": self.counts,
            "errors": self.errors,
            "parts": self.parts,
            "at_rest": self.idle,
            "seconds": round(self.seconds, 3),
            "finished": self.finished,
        }

    @classmethod
    def from_json(cls, stored: JSON) -> Checkpoint | None:
        """
        Read a stored checkpoint; None where nothing is stored.

        :raises ChannelConfigurationError: it is damaged, or was written by another version of this package.
        """
        if stored is None:
            return None
        try:
            return cls._read(stored)
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError):
            raise ChannelConfigurationError(
                "The checkpoint of the previous try can't be read, so it is unknown which items are done. Check in "
                "Channel Talk what was done. To start again with all items, set resume=False."
            ) from None

    @classmethod
    def _read(cls, stored: JSON) -> Checkpoint:
        if stored["version"] != VERSION:
            raise ValueError(VERSION)
        counts = {ItemOutcome(name).value: _count(number) for name, number in stored["counts"].items()}
        return cls(
            offsets=_offsets(stored),
            counts=counts,
            errors=[{str(name): str(text) for name, text in error.items()} for error in stored["errors"]],
            parts=_count(stored["parts"]),
            idle=stored["at_rest"] is True,
            seconds=_seconds(stored["seconds"]),
            finished=stored["finished"] is True,
        )


def joined_ranges(positions: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the positions as ranges of (first, last + 1)."""
    start = end = None
    for position in sorted(positions):
        if start is not None and position == end:
            end += 1
            continue
        if start is not None and end is not None:
            yield start, end
        start, end = position, position + 1
    if start is not None and end is not None:
        yield start, end


def _offsets(stored: Mapping[str, JSON]) -> CommittedOffsets:
    watermark, beyond = _count(stored["mark"]), set[int]()
    for first, end in stored["beyond"]:
        if not watermark <= _count(first) <= _count(end) or end - first > MAX_BEYOND - len(beyond):
            raise ValueError(end)
        beyond.update(range(first, end))
    return CommittedOffsets(_count(stored["taken"]), bytes.fromhex(stored["digest"]), watermark, beyond)


def _seconds(value: JSON) -> float:
    return value if isinstance(value, float) and 0 <= value <= MAX_COUNT else float(_count(value))


def _count(value: JSON) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_COUNT:
        raise ValueError(value)
    return value


class CheckpointStore(Protocol):
    """Stores the checkpoint of one task instance over its tries."""

    def load(self) -> JSON:
        """Return what was saved last; None where nothing was."""

    def save(self, checkpoint: dict[str, JSON]) -> None:
        """Replace the checkpoint as a whole; durable when this returns."""


class TaskState(Protocol):
    """The part of Airflow's task state store that is used here."""

    def get(self, key: str) -> JSON:
        """Return a value, None where there is none."""

    def set(self, key: str, value: JSON) -> None:
        """Replace a value."""


class TaskStateCheckpoints:
    """
    Stores the checkpoint in the task state store of Airflow 3.3 and newer.

    :param state: the store of the task instance.
    """

    def __init__(self, state: TaskState) -> None:
        self._state = state

    def load(self) -> JSON:
        """Return the checkpoint saved last; None where there is none."""
        return self._state.get(STATE_KEY)

    def save(self, checkpoint: dict[str, JSON]) -> None:
        """Replace the checkpoint."""
        self._state.set(STATE_KEY, checkpoint)


class FileCheckpoints:
    """
    Stores the checkpoint in a file beside the dead-letter file, for an Airflow without a task state store.

    :param path: of the dead-letter file.
    :param owner: names the task instance.
    """

    def __init__(self, path: ObjectStoragePath, owner: str) -> None:
        self._path = path.parent / f"{files.short_name(path.name)}.{owner}.checkpoint.json"

    def load(self) -> JSON:
        """Return what was saved last, None where nothing was; a text where it is no JSON, which no checkpoint is."""
        with (
            contextlib.suppress(FileNotFoundError),
            files.open_own(self._path, argument="dead_letter") as stream,
        ):
            content = stream.read(MAX_FILE_BYTES)
            try:
                return json.loads(content)
            except (ValueError, RecursionError):
                return content.decode(errors="replace")
        return None

    def save(self, checkpoint: dict[str, JSON]) -> None:
        """Replace the file as a whole."""
        files.write_file(self._path, json.dumps(checkpoint).encode())


class MemoryCheckpoints:
    """Keeps the checkpoint in memory: it is lost when the process ends."""

    def __init__(self) -> None:
        self._saved: JSON = None

    def load(self) -> JSON:
        """Return the checkpoint saved last; None where there is none."""
        return self._saved

    def save(self, checkpoint: dict[str, JSON]) -> None:
        """Replace the checkpoint."""
        self._saved = checkpoint
