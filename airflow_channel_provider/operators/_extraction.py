"""One extraction of an operator: from its arguments to files, summary and asset event."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timezone, tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from airflow_channel_provider import metrics
from airflow_channel_provider.assets import EXTRACTED
from airflow_channel_provider.bulk.progress import FailureLimit, duration
from airflow_channel_provider.exceptions import (
    ChannelConfigurationError,
    ChannelError,
    ChannelResponseError,
    ChannelTooManyFailuresError,
)
from airflow_channel_provider.extract.formats import FORMATS, arrow_types
from airflow_channel_provider.extract.masks import Mask
from airflow_channel_provider.extract.parts import Parts, times_said
from airflow_channel_provider.extract.reading import Reader
from airflow_channel_provider.extract.schema import Layout
from airflow_channel_provider.extract.streams import STREAMS, Source, Stream
from airflow_channel_provider.extract.windows import Window, window_of
from airflow_channel_provider.inbound.webhooks import asset_uri
from airflow_channel_provider.operators._bulk import owner_of
from airflow_channel_provider.rendered import json_value, names, storage_path
from airflow_channel_provider.times import iso

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context, ObjectStoragePath

    from airflow_channel_provider.bulk.dead_letters import DeadLetterFile
    from airflow_channel_provider.operators.extract import ExtractOperator

_PARENTS = {Source.OF_CHATS: "chatId", Source.OF_GROUPS: "groupId"}


class Extraction:
    """
    What an operator extracts.

    :param operator: with its fields rendered.
    :param context: of the task instance.
    :raises ChannelConfigurationError: an argument is wrong; nothing was read or written.
    """

    def __init__(self, operator: ExtractOperator, context: Context) -> None:
        self._operator = operator
        self._context = context
        self._log = operator.log
        self.stream = _stream(operator.stream)
        self.window = _window(operator, context)
        self.layout = Layout(self.stream, tuple(names("custom_fields", operator.custom_fields)), self._mask())
        if operator.file_format not in FORMATS:
            raise ChannelConfigurationError(f"file_format must be one of {', '.join(FORMATS)}.")
        if operator.file_format == "parquet":
            arrow_types()
        is_whole = isinstance(operator.part_rows, int) and not isinstance(operator.part_rows, bool)
        if not is_whole or operator.part_rows < 1:
            raise ChannelConfigurationError("part_rows must be a whole number of at least 1.")
        self._limit = FailureLimit(operator.max_failures)
        below = f"{self.stream.name}/{self.window.name}"
        self.folder: ObjectStoragePath = storage_path("path", operator.path, below=below)
        self.channel_id = ""
        self.files: list[str] = []
        """Addresses of the parts."""
        self.rows = 0
        self._started = self._told_at = time.monotonic()
        self._counted = 0

    @property
    def columns(self) -> list[dict[str, str]]:
        """Name and type of each column of the files."""
        return self.layout.described()

    @property
    def asset_uri(self) -> str:
        """The asset that this updates."""
        return asset_uri(self.channel_id, self.stream.name)

    def run(self) -> dict[str, Any]:
        """Read and write; return the summary of all tries."""
        self.channel_id = self._checked_channel()
        operator, window = self._operator, self.window
        now_ms = _now_ms()
        is_over = window.end_ms <= now_ms
        if not is_over:
            self._log.warning(
                "The window ends at %s, which is still to come: what changes until then is missing. Extract it again.",
                iso(window.end_ms),
            )
        dead_letters = self._dead_letters()
        parts = Parts(
            self.folder,
            operator.file_format,
            self.layout,
            window,
            channel_id=self.channel_id,
            most_rows=operator.part_rows,
            resume=operator.resume,
            now_ms=now_ms,
        )
        self._log.info(
            "%s: from %s to %s, into %s",
            self.stream.name,
            iso(window.start_ms),
            iso(window.end_ms),
            self.folder,
        )
        if dead_letters is not None:
            dead_letters.check_parts(parts.progress.counts.get("dead_letters", 0))
        if parts.parts:
            self._log.info(
                "%s: going on after %d complete parts, %d rows",
                self.stream.name,
                len(parts.parts),
                parts.rows,
            )
        self._counted = parts.rows
        reader = Reader(
            self.stream,
            window,
            operator.hook,
            parts,
            self._log,
            now_ms=_now_ms,
            on_failure=self._failures(dead_letters, parts),
            on_progress=lambda: self._report(parts),
        )
        try:
            reader.run()
        except BaseException as error:
            # A long wait or an error that may pass costs no more than the chat that was being read, but for a very
            # long one, whose rows are in the part already.
            if isinstance(error, ChannelError):
                parts.end_part()
            parts.discard()
            raise
        return self._finish(parts, reader, dead_letters, is_over=is_over)

    # ---- what comes from the arguments

    def _mask(self) -> Mask | None:
        hidden = names("mask", self._operator.mask)
        if not hidden:
            return None
        if self._operator.mask_conn_id is None:
            return Mask(hidden, self._operator.hook.settings.access_secret)
        from airflow.providers.common.compat.sdk import BaseHook

        from airflow_channel_provider.connections import find_connection

        conn = find_connection("mask_conn_id", self._operator.mask_conn_id, BaseHook.get_connection)
        secret = conn.password
        if not secret:
            raise ChannelConfigurationError(
                f"Connection {self._operator.mask_conn_id!r} has no password, which is the key of the hashes of mask."
            )
        return Mask(hidden, secret)

    def _checked_channel(self) -> str:
        answer = self._operator.hook.get("/channel")
        channel = answer.get("channel") if isinstance(answer, Mapping) else None
        found = channel.get("id") if isinstance(channel, Mapping) else None
        if not isinstance(found, str) or not found:
            raise ChannelResponseError("GET /channel: the answer names no channel.")
        given = self._operator.channel_id
        if given and given != found:
            raise ChannelConfigurationError(
                f"channel_id is {given!r}, and the keys of connection "
                f"{self._operator.channel_talk_open_api_conn_id!r} are those of another channel; correct one of them."
            )
        return found

    def _dead_letters(self) -> DeadLetterFile | None:
        if self._operator.dead_letter is None:
            return None
        from airflow_channel_provider.bulk.dead_letters import DeadLetterFile

        path = storage_path("dead_letter", self._operator.dead_letter)
        attempt = getattr(self._context["ti"], "try_number", None) or 1
        dead_letters = DeadLetterFile(path, owner_of(self._context), attempt)
        dead_letters.check()
        return dead_letters

    def _failures(
        self, dead_letters: DeadLetterFile | None, parts: Parts
    ) -> Callable[[str, ChannelError], None] | None:
        """Return what notes a chat, user or group that can't be read; None where that fails the task."""
        if dead_letters is None:
            return None
        from airflow_channel_provider.bulk.outcomes import failed_item

        counts = parts.progress.counts

        def note(parent_id: str, error: ChannelError) -> None:
            name = _PARENTS.get(self.stream.source, "userId")
            value = {"stream": self.stream.name, name: parent_id}
            if self.layout.mask is not None:
                self.layout.mask.apply([value])
            failure = failed_item(error, value, value[name])
            failure = failure._replace(message=failure.message.replace(parent_id, value[name]))
            self._log.warning("%s of %s can't be read: %s", self.stream.name, failure.key, failure.message)
            parts.progress.count("dead_letters")
            dead_letters.write_part(counts["dead_letters"], [failure])
            self._check_failures(counts["dead_letters"], len(parts.done) + 1, failure.message)

        return note

    def _check_failures(self, failed: int, done: int, why: str, *, at_end: bool = False) -> None:
        """
        Compare what could not be read, in all tries, with ``max_failures``.

        :raises ChannelTooManyFailuresError: it is more.
        """
        done = max(failed, done)
        if self._limit.is_exceeded(failed, done, at_end=at_end):
            raise ChannelTooManyFailuresError(
                f"{self.stream.name}: {failed:,} of {done:,} can't be read, which is more than "
                f"max_failures={self._operator.max_failures} allows. The last error: {why}. To read all of them again, "
                "set resume=False."
            )

    # ---- on the way, and at the end

    def _report(self, parts: Parts) -> None:
        now = time.monotonic()
        if now - self._told_at < self._operator.progress_seconds:
            return
        rows = parts.rows
        rate = (rows - self._counted) / (now - self._told_at)
        lists = parts.progress.counts.get("lists", 0)
        behind = f" of {lists:,} lists" if lists else ""
        self._log.info(
            "%s: %s rows%s, %d parts, %s/s",
            self.stream.name,
            f"{rows:,}",
            behind,
            len(parts.parts),
            f"{rate:,.0f}",
        )
        self._count(rows)
        self._told_at = now

    def _count(self, rows: int) -> None:
        if rows > self._counted:
            metrics.rows_extracted(self.stream.name, rows - self._counted)
        self._counted = rows

    def _finish(
        self, parts: Parts, reader: Reader, dead_letters: DeadLetterFile | None, *, is_over: bool
    ) -> dict[str, Any]:
        progress, found = parts.progress, parts.progress.found
        letters = progress.counts.get("dead_letters", 0)
        if dead_letters is not None:
            self._check_failures(letters, len(parts.done), "see the log", at_end=True)
            dead_letters.merge_parts(letters)
        failed, gone = progress.counts.get("failed", 0), progress.counts.get("gone", 0)
        parts.finish(
            {
                "stream": self.stream.name,
                "channel_id": self.channel_id,
                **times_said(self.window, progress, _now_ms()),
                "complete": is_over and not failed,
                "file_format": self._operator.file_format,
                "key": list(self.stream.key),
                "masked": list(self.layout.mask.names) if self.layout.mask else [],
                "unknown_fields": dict(found.unknown),
                "unfit_values": dict(found.unfit),
                "failed": failed,
                "gone": gone,
                **({"chats_sorted": reader.order.has_held} if self.stream.source in _OF_CHATS else {}),
            }
        )
        if dead_letters is not None:
            dead_letters.remove_parts(letters)
        self.rows = parts.rows
        self.files = [str(self.folder / part.name) for part in parts.parts]
        self._count(self.rows)
        if found.unknown:
            self._log.warning(
                "%s: fields that this version does not know are kept as they are: %s",
                self.stream.name,
                ", ".join(sorted(found.unknown)),
            )
        if found.unfit:
            self._log.warning(
                "%s: values that their columns can't hold are kept in _extra: %s",
                self.stream.name,
                ", ".join(sorted(found.unfit)),
            )
        seconds = round(time.monotonic() - self._started, 1)
        summary = {
            "stream": self.stream.name,
            "channel_id": self.channel_id,
            "window_start": iso(self.window.start_ms),
            "window_end": iso(self.window.end_ms),
            "rows": self.rows,
            "files": len(self.files),
            "bytes": sum(part.size_bytes for part in parts.parts),
            "failed": failed,
            "gone": gone,
            "unknown_fields": sorted(found.unknown),
            "complete": is_over and not failed,
            "seconds": seconds,
            "manifest": str(parts.manifest),
            "dead_letter": self._operator.dead_letter if letters else None,
        }
        self._log.info(
            "%s: %s rows in %d %s, %s",
            self.stream.name,
            f"{self.rows:,}",
            len(self.files),
            "file" if len(self.files) == 1 else "files",
            duration(seconds),
        )
        self._announce(summary)
        return summary

    def _announce(self, summary: Mapping[str, Any]) -> None:
        """Give what is needed to load the files to the asset event."""
        events: Any = self._context.get("outlet_events")
        outlets: Sequence[Any] = self._operator.outlets or ()
        if events is None or not outlets:
            return
        from airflow.providers.common.compat.sdk import Asset

        extra = {
            name: summary[name] for name in ("manifest", "window_start", "window_end", "rows", "complete")
        }
        for outlet in outlets:
            if getattr(outlet, "uri", None) == self.asset_uri:
                events[outlet].extra = extra
            elif type(outlet).__name__ in ("AssetAlias", "DatasetAlias"):
                events[outlet].add(Asset(self.asset_uri), extra=extra)


_OF_CHATS = (Source.CHATS, Source.USERS, Source.OF_CHATS, Source.OF_USERS)


def _stream(name: object) -> Stream:
    found = STREAMS.get(str(name))
    if found is None:
        raise ChannelConfigurationError(f"stream must be one of {', '.join(EXTRACTED)}.")
    return found


def _window(operator: ExtractOperator, context: Context) -> Window:
    known: Mapping[str, Any] = context
    run = known.get("dag_run")

    def of_run(name: str) -> Any:
        value = known.get(name)
        return getattr(run, name, None) if value is None else value

    given = operator.window
    return window_of(
        json_value("window", given) if isinstance(given, str) else given,
        lookback=operator.lookback,
        interval=(of_run("data_interval_start"), of_run("data_interval_end")),
        run_after=of_run("run_after"),
        partition_key=of_run("partition_key"),
        partition_date=of_run("partition_date"),
        zone=_zone_of(known.get("dag")),
    )


def _zone_of(dag: Any) -> tzinfo:
    """Return the time zone of a cron schedule; UTC for any other, whose steps have one length everywhere."""
    timetable = getattr(dag, "timetable", None)
    zone = getattr(timetable, "timezone", None) or getattr(timetable, "_timezone", None)  # before Airflow 3.0
    if isinstance(zone, str):
        return ZoneInfo(zone)
    return zone if isinstance(zone, tzinfo) else timezone.utc


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
