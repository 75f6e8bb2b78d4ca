"""Extractions into a folder, and what they have left there."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_channel_provider.extract.masks import Mask
from airflow_channel_provider.extract.parts import MANIFEST, Parts
from airflow_channel_provider.extract.reading import Reader
from airflow_channel_provider.extract.schema import Layout
from airflow_channel_provider.extract.streams import STREAMS
from airflow_channel_provider.extract.windows import Window
from support.chat_service import ChatService

LOG = logging.getLogger("extract")


class KilledError(BaseException):
    """Ends a try in the middle."""


class Files:
    """
    Extractions into one folder, and what they have left there.

    :ivar counts: what the last one has counted beside rows.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.counts: dict[str, int] = {}

    def of(self, stream: str, window: Window) -> Path:
        return self.folder / stream / window.name

    def parts(self, stream: str, window: Window, now_ms: int, **how: Any) -> Parts:
        mask = how.pop("mask", None)
        custom = tuple(how.pop("custom_fields", ()))
        layout = Layout(STREAMS[stream], custom, Mask(mask, "secret") if mask else None)
        how = {"channel_id": "ch-1", "most_rows": 4, "resume": True, "file_format": "jsonl", **how}
        return Parts(
            ObjectStoragePath(str(self.of(stream, window))),
            how.pop("file_format"),
            layout,
            window,
            now_ms=now_ms,
            **how,
        )

    def extract(
        self,
        stream: str,
        window: Window,
        service: ChatService,
        *,
        on_failure: Any = None,
        ahead_ms: int = 0,
        **how: Any,
    ) -> dict[str, Any]:
        """Extract one window by a clock that is so much ahead of the service's, and return its manifest."""
        parts = self.parts(stream, window, service.now_ms + ahead_ms, **how)
        try:
            Reader(
                STREAMS[stream],
                window,
                service,
                parts,
                LOG,
                now_ms=lambda: service.now_ms + ahead_ms,
                on_failure=on_failure,
            ).run()
        except BaseException:
            parts.discard()
            raise
        parts.finish({"stream": stream})
        self.counts = parts.progress.counts
        return self.manifest(stream, window)

    def extract_until_killed(
        self, stream: str, window: Window, service: ChatService, *, requests: int, **how: Any
    ) -> None:
        """Extract one window until the service has had so many requests, and the try is killed."""
        left = iter(range(requests))

        def kill() -> None:
            if next(left, None) is None:
                raise KilledError

        service.between = kill
        with pytest.raises(KilledError):
            self.extract(stream, window, service, **how)
        service.between = lambda: None

    def manifest(self, stream: str, window: Window) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.of(stream, window).joinpath(MANIFEST).read_text("utf-8"))
        return found

    def rows(self, stream: str, window: Window) -> list[dict[str, Any]]:
        return [
            json.loads(line)
            for file in self.manifest(stream, window)["files"]
            for line in self.of(stream, window).joinpath(file["name"]).read_text("utf-8").splitlines()
        ]

    def latest(self, stream: str) -> dict[str, dict[str, Any]]:
        """Return the records that count, of all windows, by id, without what we added."""
        latest: dict[str, dict[str, Any]] = {}
        for manifest in sorted(self.folder.joinpath(stream).glob(f"*/{MANIFEST}")):
            for file in json.loads(manifest.read_text("utf-8"))["files"]:
                for line in manifest.with_name(file["name"]).read_text("utf-8").splitlines():
                    row = json.loads(line)
                    if row["id"] not in latest or row["_extracted_at"] >= latest[row["id"]]["_extracted_at"]:
                        latest[row["id"]] = row
        return {
            name: {field: value for field, value in row.items() if not field.startswith("_")}
            for name, row in latest.items()
        }
