"""
Conversations into files: chats, messages and what belongs to them, window by window, as JSONL or Parquet.

The rules - which row belongs to which window, and why no union of runs loses one - are in the package ``extract``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.operators._base import OpenApiBaseOperator
from airflow_channel_provider.operators._lineage import WithLineage
from airflow_channel_provider.tasks import is_from_mapped

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context, ObjectStoragePath, TaskGroup
    from typing_extensions import Unpack

    from airflow_channel_provider.arguments import ExtractArguments, OpenApiArguments
    from airflow_channel_provider.lineage import Way
    from airflow_channel_provider.operators._extraction import Extraction

__all__ = ["ExtractOperator", "extract_all"]

DEFAULT_LOOKBACK = timedelta(minutes=10)
PART_ROWS = 50_000


class ExtractOperator(WithLineage, OpenApiBaseOperator):
    """
    Extracts one stream of a channel into files, for one window of time, and returns a summary.

    The files are in a folder of this stream and window: parts, and at the end ``_manifest.json``. A run that is
    repeated replaces them. A try goes on after the last complete part of the try before it.

    :param stream: one of the names in :data:`.assets.EXTRACTED`. (templated)
    :param path: folder for the files of all streams and windows: a path, or an address such as
        ``s3://conn_id@bucket/channel-talk``. (templated)
    :param file_format: ``jsonl`` or ``parquet``.
    :param window: two moments; or the length of the window that begins with the partition of the run, or ends with its
        data interval (or where it has none, with the moment from which it may run). Default: the partition of the run,
        else its data interval. (templated)
    :param lookback: how much before the window reading begins, so that windows overlap. It has to be longer than the
        clocks of the service and the workers may differ.
    :param mask: fields of which only a keyed hash leaves the task: a name stands for the field at any depth, one with
        dots (``profile.phone``) for that place. (templated)
    :param mask_conn_id: connection whose password is the key of the hashes. Default: the access secret of the
        channel; after it was issued anew, all hashes differ. (templated)
    :param custom_fields: names in ``profile`` that get a column of their own, ``profile_NAME``, beside the whole.
        (templated)
    :param channel_id: the channel, if Airflow is to know of the files before the first run: the task then has the
        asset ``channeltalk://CHANNEL/STREAM`` as an outlet. The keys must be those of this channel. Neither it nor
        ``stream`` can be a template then, since Airflow reads outlets before any run.
    :param part_rows: so many rows end a part, at the next border between two chats.
    :param max_failures: how many chats, users or groups may be unreadable before the task fails: a count (int), or a
        share (float) of those that were read, checked from the 100th on and at the end. None: any number. It matters
        with ``dead_letter`` alone: without it, the first fails the task.
    :param dead_letter: file for the chats, users or groups that can't be read, JSON lines. (templated)
    :param resume: whether to go on after the parts of an earlier try; False: extract the window anew.
    :param progress_seconds: time between two lines of progress in the log.
    :param kwargs: the connection, waits and attempts: the fields of ``OpenApiArguments``. Also what every operator of
        Airflow takes.
    """

    template_fields: Sequence[str] = (
        "stream",
        "path",
        "window",
        "mask",
        "mask_conn_id",
        "custom_fields",
        "dead_letter",
        *OpenApiBaseOperator.template_fields,
    )
    _only_reads = True

    def __init__(
        self,
        *,
        stream: str,
        path: str | ObjectStoragePath,
        file_format: str = "jsonl",
        window: Sequence[datetime | str] | timedelta | None = None,
        lookback: timedelta | float = DEFAULT_LOOKBACK,
        mask: Sequence[str] | str | None = None,
        mask_conn_id: str | None = None,
        custom_fields: Sequence[str] | str | None = None,
        channel_id: str | None = None,
        part_rows: int = PART_ROWS,
        max_failures: float | None = 0.5,
        dead_letter: str | None = None,
        resume: bool = True,
        progress_seconds: float = 10.0,
        **kwargs: Unpack[OpenApiArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.stream = stream
        self.path = path
        self.file_format = file_format
        self.window = window
        self.lookback = lookback
        self.mask = mask
        self.mask_conn_id = mask_conn_id
        self.custom_fields = custom_fields
        self.channel_id = None if channel_id is None else str(channel_id)
        self.part_rows = part_rows
        self.max_failures = max_failures
        self.dead_letter = dead_letter
        self.resume = resume
        self.progress_seconds = progress_seconds
        self.extraction: Extraction | None = None
        """What was read and written, once the task has run: for lineage."""
        if self.channel_id and not is_from_mapped(self):
            self.outlets = [*self.outlets, _asset(self.channel_id, stream)]

    def _describe(self) -> str:
        """Name the work for the log."""
        return f"extract {self.stream}"

    def _call_service(self, context: Context) -> dict[str, Any]:
        """Extract the window, and return the summary of all tries."""
        from airflow_channel_provider.operators._extraction import Extraction

        self.extraction = Extraction(self, context)
        return self.extraction.run()

    def _way(self) -> Way:
        from airflow_channel_provider.lineage import Way, channel_dataset, file_dataset

        done = self.extraction
        source = channel_dataset("open_api", str(self.stream), done.channel_id if done else self.channel_id)
        if done is None:
            return Way([source], [file_dataset(f"{str(self.path).rstrip('/')}/{self.stream}")])
        columns = [(column["name"], column["type"]) for column in done.columns]
        same = {name: kind for name, kind in columns if done.layout.is_as_read(name)}
        source = replace(source, columns=list(same.items()))
        files = replace(file_dataset(done.folder), columns=columns, rows=done.rows if done.files else None)
        return Way([source], [files], {name: (source, name) for name in same})

    def on_kill(self) -> None:
        """Leave what is not complete; the next try goes on after the last complete part."""
        self.hook.close()


def extract_all(
    *,
    path: str | ObjectStoragePath,
    streams: Iterable[str] | None = None,
    group_id: str = "extract",
    asset_alias: str = "channel_talk_extract",
    **kwargs: Unpack[ExtractArguments],
) -> TaskGroup:
    """
    Extract several streams: a task group with one task, mapped over the streams.

    :param path: as for :class:`ExtractOperator`.
    :param streams: which; default: all.
    :param group_id: name of the group.
    :param asset_alias: name of the alias through which the tasks update the assets ``channeltalk://CHANNEL/STREAM``.
    :param kwargs: the other arguments of :class:`ExtractOperator`, for all streams alike.
    :return: the group.
    """
    from airflow.providers.common.compat.sdk import AssetAlias, TaskGroup

    from airflow_channel_provider.assets import EXTRACTED

    with TaskGroup(group_id) as group:
        ExtractOperator.partial(
            task_id="stream",
            path=path,
            outlets=[AssetAlias(asset_alias)],
            map_index_template="{{ task.stream }}",
            **kwargs,
        ).expand(stream=list(EXTRACTED if streams is None else streams))
    return group


def _asset(channel_id: str, stream: str) -> Any:
    from airflow.providers.common.compat.sdk import Asset

    from airflow_channel_provider.inbound.webhooks import asset_uri

    for name, value in (("channel_id", channel_id), ("stream", stream)):
        if not isinstance(value, str) or "{" in value:
            raise ChannelConfigurationError(
                f"{name} can't be a template where channel_id is given: both name an outlet, and Airflow reads outlets "
                "before any run. Give it as plain text, or leave channel_id out."
            )
    return Asset(asset_uri(channel_id, stream))
