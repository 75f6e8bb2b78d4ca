"""Files at any place that fsspec reaches, written as a whole or not at all.

Object stores can't append, so the dead-letter file is written in parts, and put together when a try ends. A part is
valid once a checkpoint counts it; one that a killed try left behind is written again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_channel_provider.bulk.items import DEAD_LETTER

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    from airflow_channel_provider.bulk.outcomes import Loss

__all__ = ["DeadLetterFile", "FileCheckpoints", "write_whole"]

JSON = Any
FORMAT = 1
LOCAL = ("", "file", "local")
COPY_BYTES = 1 << 20


def write_whole(path: ObjectStoragePath, content: bytes) -> None:
    """Write a file so that a reader, or a kill, finds the old one or the new one."""
    if path.protocol not in LOCAL:
        path.write_bytes(content)
        return
    target = Path(path.path)
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    aside.write_bytes(content)
    aside.replace(target)


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
        return json.loads(self._path.read_bytes()) if self._path.exists() else None

    def save(self, checkpoint: dict[str, JSON]) -> None:
        """See :class:`.checkpoint.CheckpointStore`."""
        write_whole(self._path, json.dumps(checkpoint).encode())


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

    def write_part(self, number: int, losses: Sequence[Loss]) -> None:
        """Write one part, durably, over one of the same number that was never counted."""
        at = datetime.now(tz=timezone.utc).isoformat(timespec="seconds")
        lines = [json.dumps(self._line(loss, at), ensure_ascii=False) for loss in losses]
        write_whole(self._part(number), "".join(f"{line}\n" for line in lines).encode())

    def put_together(self, parts: int) -> None:
        """
        Make the one file of all parts; without any, one that an earlier try has left goes.

        :param parts: so many are valid.
        """
        if not parts:
            self.path.unlink(missing_ok=True)
            return
        aside = self.path.parent / f"{self.path.name}.{self._owner}.tmp" if self._is_local() else self.path
        with aside.fs.open(aside.path, "wb") as whole:
            for number in range(1, parts + 1):
                part_path = self._part(number)
                with part_path.fs.open(part_path.path, "rb") as part:
                    while chunk := part.read(COPY_BYTES):
                        whole.write(chunk)
        if self._is_local():
            Path(aside.path).replace(self.path.path)

    def drop_parts(self) -> None:
        """Remove the parts, once the one file is there and no checkpoint counts them any more."""
        folder = self._part(1).parent
        if folder.exists():
            folder.fs.rm(folder.path, recursive=True)

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

    def _part(self, number: int) -> ObjectStoragePath:
        part: ObjectStoragePath = (
            self.path.parent / f"{self.path.name}.{self._owner}.parts" / f"{number:06d}.jsonl"
        )
        return part

    def _is_local(self) -> bool:
        return self.path.protocol in LOCAL
