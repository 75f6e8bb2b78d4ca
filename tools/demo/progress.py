"""Shows progress: one line that is rewritten on a terminal, otherwise a plain line every few seconds."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TextIO

PLAIN_INTERVAL_SECONDS = 5.0


class Progress:
    """
    The progress of the demo.

    :param stream: where to; standard output by default.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._terminal = self._stream.isatty()
        self._started_at = time.monotonic()
        self._updated_at = self._started_at

    @property
    def elapsed_seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started_at

    def update(self, text: str) -> None:
        """Show the present step."""
        if self._terminal:
            width = shutil.get_terminal_size().columns
            self._write(f"\r\x1b[K{self._stamped(text)[: width - 1]}")
        elif time.monotonic() - self._updated_at >= PLAIN_INTERVAL_SECONDS:
            self.step(text)

    def say(self, text: str) -> None:
        """Write a line that stays."""
        clear = "\r\x1b[K" if self._terminal else ""
        self._write(f"{clear}{text}\n")
        self._updated_at = time.monotonic()

    def step(self, text: str) -> None:
        """Write a line that stays, with the time."""
        self.say(self._stamped(text))

    def _stamped(self, text: str) -> str:
        return f"[{self.elapsed_seconds:5.1f} s] {text}"

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
