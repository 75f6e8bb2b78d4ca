"""The dead-letter file and the checkpoint, at any place that fsspec reaches.

Object stores can't append, so the dead-letter file is written in parts, and put together when a try ends. A part is
valid once a checkpoint counts it; one that a killed try left behind is written again. Nothing but a dead-letter file is
ever replaced or removed by one.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow_channel_provider.bulk import own_files
from airflow_channel_provider.bulk.items import DEAD_LETTER, FORMAT, json_text
from airflow_channel_provider.exceptions import ChannelConfigurationError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    from airflow_channel_provider.bulk.outcomes import Loss

__all__ = ["DeadLetterFile", "FileCheckpoints"]

JSON = Any
COPY_BYTES = 1 << 20
MAX_CHECKPOINT_BYTES = 1 << 24
_OURS = re.compile(rb'\s*\{\s*"%s"\s*:\s*\d+\s*,\s*"item"\s*:' % DEAD_LETTER.encode())
_OURS_WITHIN_BYTES = 128


class FileCheckpoints:
    """
    Beside the dead-letter file, where Airflow has no task state store.

    :param path: of the dead-letter file.
    :param owner: names the task instance.
    """

    def __init__(self, path: ObjectStoragePath, owner: str) -> None:
        self._path = path.parent / f"{path.name}.{owner}.checkpoint.json"

    def load(self) -> JSON:
        """See :class:`.checkpoint.CheckpointStore`."""
        with contextlib.suppress(FileNotFoundError), own_files.stored(self._path) as stream:
            return _json_of(stream.read(MAX_CHECKPOINT_BYTES))
        return None

    def save(self, checkpoint: dict[str, JSON]) -> None:
        """See :class:`.checkpoint.CheckpointStore`."""
        own_files.write_whole(self._path, json.dumps(checkpoint).encode())


def _json_of(content: bytes) -> JSON:
    """Return what a file holds; where that is no JSON, nothing that a checkpoint could be."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return content.decode(errors="replace")


class DeadLetterFile:
    """
    The items that did not succeed, a line of JSON each; valid input of another run.

    :param path: where it is put together.
    :param owner: names the task instance; keeps the parts of two of them apart.
    :param attempt: the try of the task.
    """

    def __init__(self, path: ObjectStoragePath, owner: str, attempt: int) -> None:
        self.path = path
        self._attempt = attempt
        self._owner = owner

    def check(self) -> None:
        """
        Refuse a place where something else than a dead-letter file is; an empty file may be replaced.

        :raises ChannelConfigurationError: there is such a thing.
        """
        own_files.check_place(self.path, argument="dead_letter")
        head = self._head()
        if head and not _OURS.match(head):
            raise ChannelConfigurationError(
                f"dead_letter names {self.path}, which is there and is no dead-letter file; it would be replaced. Give "
                "dead_letter another name, or move that file away."
            )

    def write_part(self, number: int, losses: Sequence[Loss]) -> None:
        """Write one part, durably, over one of the same number that was never counted."""
        at = datetime.now(tz=timezone.utc).isoformat(timespec="seconds")
        lines = [json_text(self._line(loss, at)) for loss in losses]
        own_files.make_own_folder(self._folder)
        # Half of a surrogate pair is escaped, since UTF-8 can't hold it.
        content = "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace")
        own_files.write_whole(self._part(number), content)

    def put_together(self, parts: int) -> None:
        """
        Make the one file of all parts; without any, one that an earlier try has left goes.

        :param parts: so many are valid.
        :raises ChannelConfigurationError: something else has come to stand there; the parts are left as they are.
        """
        self.check()
        if not parts:
            self.path.unlink(missing_ok=True)
            return
        with own_files.replaced(self.path, mark=self._owner) as whole:
            for number in range(1, parts + 1):
                with own_files.stored(self._part(number)) as part:
                    shutil.copyfileobj(part, whole, COPY_BYTES)

    def drop_parts(self) -> None:
        """Remove the parts, once the one file is there and no checkpoint counts them any more."""
        if self._folder.exists():
            self._folder.fs.rm(self._folder.path, recursive=True)
        own_files.remove_asides(self.path, mark=self._owner)

    def _line(self, loss: Loss, at: str) -> dict[str, JSON]:
        return {
            DEAD_LETTER: FORMAT,
            "item": loss.value,
            "key": loss.key,
            "request_id": loss.request_id,
            "outcome": loss.outcome.value,
            "error": loss.error,
            "message": loss.message,
            "attempt": self._attempt,
            "at": at,
        }

    def _head(self) -> bytes:
        with contextlib.suppress(FileNotFoundError), self.path.fs.open(self.path.path, "rb") as stream:
            head: bytes = stream.read(_OURS_WITHIN_BYTES)
            return head
        return b""

    @property
    def _folder(self) -> ObjectStoragePath:
        folder: ObjectStoragePath = self.path.parent / f"{self.path.name}.{self._owner}.parts"
        return folder

    def _part(self, number: int) -> ObjectStoragePath:
        return self._folder / f"{number:06d}.jsonl"
