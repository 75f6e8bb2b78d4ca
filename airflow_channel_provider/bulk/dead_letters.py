"""The dead-letter file, in any store that fsspec reaches.

Object stores can't append, so the file is written in parts, which are merged when a try ends. A part is valid when a
checkpoint counts it; a part that a killed try left is written again. A file that is not a dead-letter file is never
replaced or removed. Parts are found by their numbers, without listing the folder.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow_channel_provider.bulk import files
from airflow_channel_provider.bulk.items import DEAD_LETTER, FORMAT, is_dead_letter
from airflow_channel_provider.bulk.json_values import json_text
from airflow_channel_provider.bulk.sources import check_json_lines_name
from airflow_channel_provider.bulk.text_files import MAX_ITEM_BYTES
from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError
from airflow_channel_provider.xcom import utf8

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    from airflow_channel_provider.bulk.outcomes import FailedItem

log = logging.getLogger(__name__)

JSON = Any
COPY_BYTES = 1 << 20
MOST_LINE_BYTES = 8 * MAX_ITEM_BYTES
"""Of a line of a dead-letter file: one byte of an item may become six in JSON."""


class DeadLetterFile:
    """
    The items that did not succeed, one JSON object per line; another run can read it as its source.

    :param path: of the complete file.
    :param owner: names the task instance; keeps the parts of two of them apart.
    :param attempt: the try of the task.
    """

    def __init__(self, path: ObjectStoragePath, owner: str, attempt: int) -> None:
        self.path = path
        self._attempt = attempt
        self._owner = owner

    def check(self) -> bool:
        """
        Refuse a path where another kind of file exists, or whose name is that of one; an empty file may be replaced.

        :return: whether dead letters are there.
        :raises ChannelConfigurationError: another file, a link or a folder is there, or the name ends with another
            format.
        """
        check_json_lines_name(self.path, argument="dead_letter")
        files.check_place(self.path, argument="dead_letter")
        files.check_place(self._part(1), argument="dead_letter")
        line = files.read_first_line(self.path, MOST_LINE_BYTES)
        if line and not _is_dead_letter_line(line):
            raise ChannelConfigurationError(
                f"dead_letter names {self.path}, an existing file that is not a dead-letter file and would be "
                "replaced. Set dead_letter to another name, or move that file."
            )
        return bool(line)

    def write_part(self, number: int, failures: Sequence[FailedItem]) -> None:
        """Write one part, durably, over one of the same number that was never counted."""
        at = datetime.now(tz=timezone.utc).isoformat(timespec="seconds")
        lines = [json_text(self._line(failure, at)) for failure in failures]
        files.make_private_folder(self._folder)
        files.write_file(self._part(number), utf8("".join(f"{line}\n" for line in lines)))

    def check_parts(self, parts: int) -> None:
        """
        Look for the parts of an earlier try; those on the disk of another worker are all missing.

        :param parts: number of valid parts.
        :raises ChannelConfigurationError: they are not there.
        """
        for number in {1, parts} if parts else ():
            if files.size_of(self._part(number)) is None:
                raise self._missing(number)

    def merge_parts(self, parts: int) -> None:
        """
        Write the complete file from all parts; without parts, remove the file of an earlier run or try, since what it
        holds would otherwise be taken for what failed now.

        :param parts: number of valid parts.
        :raises ChannelConfigurationError: another file was created there meanwhile; the parts are kept.
        """
        is_there = self.check()
        if not parts:
            if is_there:
                files.remove_or_empty(self.path)
                log.info(
                    "Nothing has failed: the dead letters of an earlier run or try in %s are removed",
                    self.path,
                )
            return
        with files.atomic_write(self.path, mark=self._owner) as whole:
            for number in range(1, parts + 1):
                self._copy(number, whole)

    def remove_parts(self, parts: int) -> None:
        """
        Remove the parts, after the complete file was written and no checkpoint counts them.

        What can't be removed is left with a warning, since the work is done.

        :param parts: number of valid parts; one more may exist that was never counted.
        """
        try:
            for number in range(1, parts + 2):
                files.remove(self._part(number))
            files.remove_folder(self._folder)
        except ChannelError as error:
            log.warning(
                "All items are done, but %s can't be removed; remove it by hand. %s", self._folder, error
            )
        files.remove_temporary_files(self.path, mark=self._owner)

    def _copy(self, number: int, whole: files.Output) -> None:
        try:
            with files.open_own(self._part(number), argument="dead_letter") as stream:
                shutil.copyfileobj(stream, whole, COPY_BYTES)
        except FileNotFoundError as error:
            raise self._missing(number) from error

    def _missing(self, number: int) -> ChannelConfigurationError:
        return ChannelConfigurationError(
            f"{self._part(number)}, a part of the dead-letter file that this task has written, does not exist here. "
            f"Let the worker that has it run the task, or copy {self._folder} from there; for later runs, set "
            "dead_letter to a place that all workers reach. If all items may be sent twice, resume=False starts again "
            "without it."
        )

    def _line(self, failure: FailedItem, at: str) -> dict[str, JSON]:
        return {
            DEAD_LETTER: FORMAT,
            "item": failure.value,
            "key": failure.key,
            "request_id": failure.request_id,
            "outcome": failure.outcome.value,
            "error": failure.error,
            "message": failure.message,
            "attempt": self._attempt,
            "at": at,
        }

    @property
    def _folder(self) -> ObjectStoragePath:
        folder: ObjectStoragePath = (
            self.path.parent / f"{files.short_name(self.path.name)}.{self._owner}.parts"
        )
        return folder

    def _part(self, number: int) -> ObjectStoragePath:
        return self._folder / f"{number:06d}.jsonl"


def _is_dead_letter_line(line: bytes) -> bool:
    try:
        return is_dead_letter(json.loads(line))
    except (ValueError, RecursionError):
        return False
