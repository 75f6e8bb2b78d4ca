"""
Reads a list of any length: into XCom where it is short, into a file of lines of JSON where it is not.

Reading begins anew in each try, and after a wait without a worker slot. On a disk the lines are written to a file
beside the target whose name ends with ``.part``. It replaces the target when the last line is written; after a kill,
the next try of the task removes it. An object store makes an object of the lines when it has the last one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelResponseError
from airflow_channel_provider.ids import optional_id
from airflow_channel_provider.operators._base import ChannelTalkBaseOperator
from airflow_channel_provider.operators._lineage import WithLineage
from airflow_channel_provider.rendered import params_mapping
from airflow_channel_provider.tasks import function_params_of
from airflow_channel_provider.xcom import utf8

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context, ObjectStoragePath
    from typing_extensions import Unpack

    from airflow_channel_provider.arguments import CallArguments
    from airflow_channel_provider.lineage import Way

__all__ = ["PagedReadOperator"]

MAX_XCOM_BYTES = 1_000_000
REPORT_SECONDS = 10.0


class PagedReadOperator(WithLineage, ChannelTalkBaseOperator):
    """
    Reads all items of a list-like function, page by page, and returns them, or writes them to a file.

    :param method: name of the native function, such as ``searchManagers``. (templated)
    :param function_params: the function's parameters, as for :class:`.NativeFunctionOperator`; ``pagination.sortOrder``
        (default: ascending) and ``pagination.since`` are kept. (templated)
    :param path: file that the items are written to, one line of JSON each: a path, or the address of an
        ``ObjectStoragePath`` such as ``s3://conn_id@bucket/managers.jsonl``. It is replaced as a whole. The task then
        returns ``path`` and ``count``; default: the task returns the items. (templated)
    :param page_size: how many items to ask for at once, at most 500; default: as many as it may be.
    :param limit: how many items to read at most; default: all.
    :param items_field: the field of the function's result that holds the items; default: what is known of the function.
        (templated)
    :param max_xcom_bytes: most that the items may be together, as JSON, without ``path``.
    :param kwargs: the connection and channel, waits and attempts: the fields of ``CallArguments``. Also what every
        operator of Airflow takes.
    """

    template_fields: Sequence[str] = (
        "method",
        "function_params",
        "path",
        "items_field",
        *ChannelTalkBaseOperator.template_fields,
    )
    template_fields_renderers = {"function_params": "json"}
    _only_reads = True

    def __init__(
        self,
        *,
        method: str,
        function_params: Mapping[str, Any] | str | None = None,
        path: str | ObjectStoragePath | None = None,
        page_size: int | None = None,
        limit: int | None = None,
        items_field: str | None = None,
        max_xcom_bytes: int = MAX_XCOM_BYTES,
        **kwargs: Unpack[CallArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.method = method
        self.function_params = function_params_of(self, function_params)
        self.path = path
        self.page_size = page_size
        self.limit = limit
        self.items_field = items_field
        self.max_xcom_bytes = max_xcom_bytes
        self._written: int | None = None
        self._lineage_channel: str | None = None

    def _describe(self) -> str:
        """Name the call for the log."""
        return self.method

    def _call_service(self, context: Context) -> Any:
        """Read the list."""
        target = self._target()
        self._lineage_channel = optional_id("channel_id", self.channel_id) or self.hook.settings.channel_id
        items = self._reported(
            self.hook.iterate(
                self.method,
                params_mapping(self.function_params),
                channel_id=self.channel_id,
                page_size=self.page_size,
                limit=self.limit,
                items_field=self.items_field,
            )
        )
        if target is None:
            return list(self._small_enough(items))
        return self._write(target, items, context)

    def _target(self) -> ObjectStoragePath | None:
        """Return the file to write, checked before anything is asked for; None where the items are returned."""
        if self.path is None:
            return None
        from airflow_channel_provider.bulk.files import check_place
        from airflow_channel_provider.bulk.sources import check_json_lines_name
        from airflow_channel_provider.rendered import storage_path

        target = storage_path("path", self.path)
        check_json_lines_name(target, argument="path")
        check_place(target, argument="path")
        return target

    def _write(self, target: ObjectStoragePath, items: Iterator[Any], context: Context) -> dict[str, Any]:
        from airflow_channel_provider.bulk.files import remove_temporary_files

        try_number = int(getattr(context["ti"], "try_number", 1) or 1)
        marks = [f"{self._request_id(context)}-{number}" for number in range(1, try_number + 1)]
        for mark in marks[:-1]:
            remove_temporary_files(target, mark=mark)
        self._written = write_json_lines(target, items, mark=marks[-1])
        return {"path": str(self.path), "count": self._written}

    def _way(self) -> Way:
        from airflow_channel_provider.lineage import Way, channel_dataset, file_dataset

        source = channel_dataset("function", self.method, self._lineage_channel)
        if self.path is None:
            return Way([source])
        return Way([source], [replace(file_dataset(self.path), rows=self._written)])

    def _reported(self, items: Iterator[Any]) -> Iterator[Any]:
        count, told_at = 0, time.monotonic()
        for count, item in enumerate(items, start=1):
            if time.monotonic() - told_at >= REPORT_SECONDS:
                self.log.info("%s: %d items so far", self.method, count)
                told_at = time.monotonic()
            yield item
        self.log.info("%s: %d items", self.method, count)

    def _small_enough(self, items: Iterator[Any]) -> Iterator[Any]:
        size = 0
        for count, item in enumerate(items, start=1):
            size += len(json_line(item))
            if size > self.max_xcom_bytes:
                raise ChannelConfigurationError(
                    f"{self.method}: the first {count} items are {size:,} bytes as JSON, and XCom stores them in "
                    f"Airflow's database. Give path, which writes them to a file, or a limit; or raise "
                    f"max_xcom_bytes ({self.max_xcom_bytes:,}).",
                    method=self.method,
                )
            yield item


def json_line(item: Any) -> bytes:
    """
    Return an item as one line of JSON.

    :raises ChannelResponseError: it is nested too deeply.
    """
    try:
        text = json.dumps(item, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        raise ChannelResponseError(
            "An item of the list is nested too deeply to be written as JSON."
        ) from None
    return utf8(text) + b"\n"


def write_json_lines(target: ObjectStoragePath, items: Iterable[Any], *, mark: str) -> int:
    """
    Write all items, and replace the target by them.

    :param target: file of lines of JSON; its directory is made, where it is on this host.
    :param mark: distinguishes the part of this writer from those of others.
    :return: how many there were.
    """
    from airflow_channel_provider.bulk.files import atomic_write

    count = 0
    with atomic_write(target, mark=mark) as stream:
        for item in items:
            stream.write(json_line(item))
            count += 1
    return count
