"""The lines of a file, whatever it holds.

A file is not trusted to have lines of a sensible length, nor to unpack to a sensible size: only so much is held as one
item may be, and what is wrong with a file is told with its name and line.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow_channel_provider.exceptions import ChannelConfigurationError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

__all__ = ["MOST_ITEM_BYTES", "Lines"]

MOST_ITEM_BYTES = 32 * 2**20
"""The longest line of a JSONL file, and the largest row of a CSV file; the service takes far less in one call."""

_BROKEN = (EOFError, IndexError, UnicodeDecodeError, zlib.error)
# Their modules are not there on every machine, or not worth importing for a name.
_BROKEN_NAMES = ("BadGzipFile", "BadZipFile", "LZMAError", "ZstdError")
_BROKEN_BZ2 = ("Invalid data stream",)


class Lines:
    """
    Yields the lines; those of one item together are no longer than an item may be.

    :param path: of the file; its suffix tells how it is compressed.
    :param raw: the file as it is.
    :param text: how bytes become text, as :class:`io.TextIOWrapper` takes it; empty: they stay bytes.
    """

    def __init__(self, path: ObjectStoragePath, raw: Any, text: Mapping[str, Any]) -> None:
        self._path = path
        self._number = 0
        self._left = MOST_ITEM_BYTES
        try:
            stream = io.BufferedReader(_unpacked(raw, path.name))
        except Exception as error:
            self._tell_broken(error)
            raise
        self._stream: Any = io.TextIOWrapper(stream, **text) if text else stream

    def __iter__(self) -> Iterator[Any]:
        read_line = self._stream.readline
        while True:
            self._number += 1
            try:
                line = read_line(self._left + 1)
            except Exception as error:
                self._tell_broken(error)
                raise
            if not line:
                return
            self._left -= len(line)
            if self._left < 0:
                raise self.wrong(f"makes an item of more than {MOST_ITEM_BYTES:,} bytes")
            yield line

    def begin_item(self) -> None:
        """From the next line on, they belong to another item than those before."""
        self._left = MOST_ITEM_BYTES

    def close(self) -> None:
        """Close the stream, and the file where that is all there is."""
        self._stream.close()

    def wrong(self, what: str) -> ChannelConfigurationError:
        """
        Describe what is wrong with the line that was read last.

        :param what: completes the sentence that begins with the line.
        """
        return ChannelConfigurationError(f"Line {self._number} of {self._path} {what}; correct the file.")

    def _tell_broken(self, error: Exception) -> None:
        if isinstance(error, UnicodeDecodeError):
            raise self.wrong("is no UTF-8") from error
        is_broken = isinstance(error, _BROKEN) or type(error).__name__ in _BROKEN_NAMES
        if is_broken or error.args == _BROKEN_BZ2:
            raise self.wrong(f"can't be unpacked ({type(error).__name__})") from error


def _unpacked(raw: Any, name: str) -> Any:
    from fsspec.compression import compr
    from fsspec.utils import infer_compression

    compression = infer_compression(name)
    return compr[compression](raw, mode="rb") if compression else raw
