"""
The files of a window: parts, their states while the window is being extracted, and the manifest at its end.

A part is there as a whole or not at all, and counts once its state is written. The names depend on the window and the
number alone, so a try that runs again replaces what is there. Nothing is listed: numbers go up without a gap, and are
removed from the highest down, so that a kill leaves no gap either. Loaders wait for the manifest; it is removed before
anything else changes, and written last.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_channel_provider.bulk import files
from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.extract.formats import FORMATS, RowWriter, row_writer
from airflow_channel_provider.extract.schema import Found, Layout
from airflow_channel_provider.extract.windows import Window
from airflow_channel_provider.times import iso

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

JSON = Any
VERSION = 1
MARK = "extract"
MANIFEST = "_manifest.json"
DIGEST_BYTES = 8
MAX_STATE_BYTES = 1 << 28
HELD_ROWS = 5_000
"""So many rows of a chat are held back until it is complete; of a longer one they are written as they come."""


@dataclass
class Part:
    """
    A part that is complete.

    :param first_id: the least id in it, as text.
    :param last_id: the greatest.
    """

    name: str
    rows: int
    size_bytes: int
    sha256: str
    first_id: str | None
    last_id: str | None

    def to_json(self) -> dict[str, JSON]:
        """Return what the manifest says of it."""
        return {
            "name": self.name,
            "rows": self.rows,
            "bytes": self.size_bytes,
            "sha256": self.sha256,
            "first_id": self.first_id,
            "last_id": self.last_id,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, JSON]) -> Part:
        """Read what :meth:`to_json` returned."""
        return cls(*(stored[name] for name in ("name", "rows", "bytes", "sha256", "first_id", "last_id")))


@dataclass
class Progress:
    """
    How far an extraction is; written with each part.

    :param position: where reading goes on.
    :param counts: what is counted beside rows.
    :param found: what the columns do not foresee.
    :param started_ms: when the first try began; epoch milliseconds.
    """

    started_ms: int
    position: dict[str, JSON] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    found: Found = field(default_factory=Found)

    def count(self, name: str, number: int = 1) -> None:
        """Count something."""
        self.counts[name] = self.counts.get(name, 0) + number


class _CheckedOutput:
    """Counts and hashes what is written."""

    def __init__(self, output: files.Output) -> None:
        self._output = output
        self._hash = hashlib.sha256()
        self.size_bytes = 0

    def write(self, content: bytes, /) -> None:
        self._hash.update(content)
        self.size_bytes += len(content)
        self._output.write(content)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


class Parts:
    """
    Writes the files of one window.

    :param folder: for the files of this stream and window alone.
    :param file_format: ``jsonl`` or ``parquet``.
    :param layout: what is written.
    :param window: which rows.
    :param channel_id: whose.
    :param most_rows: so many rows end a part, at the next border between chats or pages.
    :param resume: whether to go on after the parts of an earlier try.
    :param now_ms: when this try began.
    """

    def __init__(
        self,
        folder: ObjectStoragePath,
        file_format: str,
        layout: Layout,
        window: Window,
        *,
        channel_id: str,
        most_rows: int,
        resume: bool,
        now_ms: int,
    ) -> None:
        self.folder = folder
        self._format = file_format
        self._layout = layout
        self._window = window
        self._channel_id = channel_id
        self._most_rows = most_rows
        self.parts: list[Part] = []
        self.progress = Progress(now_ms)
        self.done: set[bytes] = set()
        self._done_since: list[bytes] = []
        self._open = contextlib.ExitStack()
        self._output: _CheckedOutput | None = None
        self._writer: RowWriter | None = None
        self._held: list[tuple[Sequence[dict[str, JSON]], int]] = []
        self._rows = 0
        self._first: str | None = None
        self._last: str | None = None
        self._is_at_border = True
        files.check_place(self.manifest, argument="path")
        files.remove(self.manifest)
        if resume:
            self._resume()
        files.remove_temporary_files(self._part(len(self.parts) + 1), mark=MARK)
        self._remove_states(len(self.parts))

    @property
    def manifest(self) -> ObjectStoragePath:
        """Where the manifest is."""
        path: ObjectStoragePath = self.folder / MANIFEST
        return path

    @property
    def rows(self) -> int:
        """Rows in complete parts and in the open one."""
        return sum(part.rows for part in self.parts) + self._rows

    # ---- writing

    def digest_of(self, key: str) -> bytes:
        """
        Return what stands for a chat, user or row that is done: 8 bytes, of which a channel has no two alike.

        Where fields are hidden, nobody can try out without their key what it stands for.
        """
        mask = self._layout.mask
        secret = mask.key if mask is not None else b""
        return hashlib.blake2b(
            key.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES, key=secret
        ).digest()

    def write(self, rows: Sequence[dict[str, JSON]], at_ms: int) -> None:
        """
        Write rows, in which what is to be hidden is hidden from now on.

        :param at_ms: when they were asked for; epoch milliseconds.
        """
        if not rows:
            return
        if self._layout.mask is not None:
            self._layout.mask.apply(rows)
        self._held.append((rows, at_ms))
        if sum(len(held) for held, _ in self._held) > HELD_ROWS:
            self._is_at_border = False
            self._write_held()

    def _write_held(self) -> None:
        for rows, at_ms in self._held:
            writer = self._writer or self._begin()
            writer.write(rows, at_ms)
            self._rows += len(rows)
            self._note_ids(rows)
        self._held = []

    def _note_ids(self, rows: Sequence[Mapping[str, JSON]]) -> None:
        name = self._layout.stream.key[0]
        ids = [value for row in rows if (value := row.get(name))]
        if set(map(type, ids)) - {str}:
            ids = [str(value) for value in ids]
        if not ids:
            return
        first, last = min(ids), max(ids)
        self._first = first if self._first is None or first < self._first else self._first
        self._last = last if self._last is None or last > self._last else self._last

    def border(self, done: Iterable[bytes], position: Mapping[str, JSON]) -> None:
        """
        Note that all rows of some chats, users or pages are written; the part ends here if it is full.

        :param done: their digests.
        :param position: where reading goes on.
        """
        self._write_held()
        new = [digest for digest in done if digest not in self.done]
        self.done.update(new)
        self._done_since += new
        self.progress.position = dict(position)
        self._is_at_border = True
        if self._rows >= self._most_rows:
            self.end_part()

    def end_part(self) -> None:
        """End the open part, at a border, without what is held back; behind it, discard nothing and do nothing."""
        if self._writer is None or self._output is None or not self._is_at_border:
            return
        self._writer.close()
        output = self._output
        self._open.close()
        number = len(self.parts) + 1
        name = self._part(number).name
        self.parts.append(Part(name, self._rows, output.size_bytes, output.sha256, self._first, self._last))
        files.write_file(self._state(number), json.dumps(self._to_json()).encode())
        self._writer = self._output = self._first = self._last = None
        self._rows, self._done_since = 0, []

    def discard(self) -> None:
        """Leave the open part: as if it had not begun."""
        self._held = []
        if self._writer is None:
            return
        self._writer = None
        stack, self._open = self._open, contextlib.ExitStack()
        with contextlib.suppress(_Discarded):
            stack.__exit__(_Discarded, _Discarded(), None)

    def finish(self, said: Mapping[str, JSON]) -> None:
        """
        End the last part, write the manifest and remove what is left of this run and of longer ones before it.

        :param said: what the manifest says beside parts and columns.
        """
        self._write_held()
        self._is_at_border = True
        self.end_part()
        self._remove_parts_behind()
        firsts = [part.first_id for part in self.parts if part.first_id is not None]
        lasts = [part.last_id for part in self.parts if part.last_id is not None]
        manifest = {
            "version": VERSION,
            **said,
            "rows": self.rows,
            "first_id": min(firsts, default=None),
            "last_id": max(lasts, default=None),
            "files": [part.to_json() for part in self.parts],
            "columns": self._layout.described(),
        }
        files.write_file(self.manifest, json.dumps(manifest, indent=1, ensure_ascii=False).encode())
        self._remove_states(0)

    def _begin(self) -> RowWriter:
        path = self._part(len(self.parts) + 1)
        files.check_place(path, argument="path")
        self._output = _CheckedOutput(self._open.enter_context(files.atomic_write(path, mark=MARK)))
        writer = row_writer(self._format, self._output, self._layout, self._window, self.progress.found)
        self._writer = writer
        return writer

    # ---- going on

    def _to_json(self) -> dict[str, JSON]:
        progress = self.progress
        return {
            "version": VERSION,
            "fingerprint": self._fingerprint,
            "part": self.parts[-1].to_json(),
            "started_ms": progress.started_ms,
            "position": progress.position,
            "counts": progress.counts,
            "unknown": progress.found.unknown,
            "unfit": progress.found.unfit,
            "done": base64.b64encode(b"".join(self._done_since)).decode(),
        }

    @property
    def _fingerprint(self) -> str:
        """Stands for all that the files depend on; parts of another one are not gone on with."""
        layout, window = self._layout, self._window
        what = [
            self._channel_id,
            layout.stream.name,
            window.start_ms,
            window.end_ms,
            window.lookback_ms,
            self._format,
            list(layout.custom_fields),
            layout.mask.fingerprint if layout.mask else None,
        ]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]

    def _resume(self) -> None:
        while (stored := self._stored(len(self.parts) + 1)) is not None:
            part = Part.from_json(stored["part"])
            if files.size_of(self._part(len(self.parts) + 1)) != part.size_bytes:
                return
            self.parts.append(part)
            done = base64.b64decode(stored["done"])
            self.done.update(done[at : at + DIGEST_BYTES] for at in range(0, len(done), DIGEST_BYTES))
            self.progress = Progress(stored["started_ms"], stored["position"], stored["counts"])
            self.progress.found.unknown.update(stored["unknown"])
            self.progress.found.unfit.update(stored["unfit"])

    def _stored(self, number: int) -> JSON:
        """Return the state of a part; None where there is none, or one of another kind of run."""
        try:
            with files.open_own(self._state(number), argument="path") as stream:
                stored = json.loads(stream.read(MAX_STATE_BYTES))
        except FileNotFoundError:
            return None
        except (ValueError, RecursionError):
            raise ChannelConfigurationError(
                f"{self._state(number)}, the state of an earlier try, can't be read. To extract the window anew, set "
                "resume=False."
            ) from None
        is_ours = isinstance(stored, Mapping) and stored.get("fingerprint") == self._fingerprint
        return stored if is_ours and stored.get("version") == VERSION else None

    # ---- names, and what is removed

    def _part(self, number: int, file_format: str | None = None) -> ObjectStoragePath:
        path: ObjectStoragePath = self.folder / f"part-{number:05d}.{file_format or self._format}"
        return path

    def _state(self, number: int) -> ObjectStoragePath:
        path: ObjectStoragePath = self.folder / f"_state-{number:05d}.json"
        return path

    def _remove_states(self, kept: int) -> None:
        self._remove_behind(kept, lambda number: self._state(number))

    def _remove_parts_behind(self) -> None:
        for file_format in FORMATS:
            kept = len(self.parts) if file_format == self._format else 0
            self._remove_behind(kept, lambda number, of=file_format: self._part(number, of))

    @staticmethod
    def _remove_behind(kept: int, path_of: Any) -> None:
        last = kept
        while files.size_of(path_of(last + 1)) is not None:
            last += 1
        for number in range(last, kept, -1):
            files.remove(path_of(number))


class _Discarded(Exception):  # noqa: N818 - no error
    """Leaves a block of writing without its file."""


def times_said(window: Window, progress: Progress, until_ms: int) -> dict[str, JSON]:
    """Return what a manifest says of the times of a run."""
    return {
        "window_start": iso(window.start_ms),
        "window_end": iso(window.end_ms),
        "lookback_seconds": window.lookback_ms / 1000,
        "extracted_from": iso(progress.started_ms),
        "extracted_until": iso(until_ms),
    }
