"""Opens a file of any store for reading, and decompresses it.

Errors of the store and errors of the content are kept apart. A file with the wrong content stays wrong, so its task
fails at once. A store that does not answer, or a file that was changed while it was read, may work in the next try,
which does not use cached listings.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow_channel_provider.bulk.storage_errors import storage_error
from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

_CHANGED = ("FileExpired",)
"""What a store raises for a replaced file; by name, since its package may not be installed."""


class InputFile(io.RawIOBase):
    """
    An open file that remembers what its store raised, and notices when the file is replaced.

    :param path: of the file.
    :param file: as the store opened it.
    :param size_bytes: of the file, 0 where the store does not know.
    """

    def __init__(self, path: ObjectStoragePath, file: Any, size_bytes: int) -> None:
        super().__init__()
        self.path = path
        self._file = file
        self._version = _version(path, file)
        self.size_bytes = size_bytes
        self.error: Exception | None = None

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return whether the store can seek."""
        return bool(self._file.seekable())

    def tell(self) -> int:
        """Return the position of the next byte."""
        return int(self._file.tell())

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to another position."""
        self._file.seek(offset, whence)
        return self.tell()

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes; fewer only at the end of the file."""
        try:
            found: bytes = self._file.read(size)
        except Exception as error:
            self.error = error
            raise
        return found

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, as :meth:`read` does."""
        found = self.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def is_changed(self) -> bool:
        """Return whether the file was written to since it was opened, as far as the store shows it."""
        now = None if self._file.closed else _version(self.path, self._file)
        return None not in (now, self._version) and now != self._version


@contextlib.contextmanager
def open_input(path: ObjectStoragePath, what: str) -> Iterator[InputFile]:
    """
    Open a file; each error in the block names it.

    :param path: of the file.
    :param what: the format that is expected, such as ``csv``.
    :raises ChannelConfigurationError: the content is wrong, or this task has no access.
    :raises ChannelError: the store does not return the file now, or the file was replaced.
    """
    file: InputFile | None = None
    try:
        path.fs.invalidate_cache(path.path)
        size_bytes = path.fs.info(path.path).get("size") or 0
        with path.fs.open(path.path, "rb", cache_type="none") as raw:
            file = InputFile(path, raw, size_bytes)
            with _unchanged(file):
                yield file
    except Exception as error:
        described = _described(error, path, what, file)
        if described is error:
            raise
        raise described from error


@contextlib.contextmanager
def _unchanged(file: InputFile) -> Iterator[None]:
    """Check that a file was not changed while the block read it."""
    try:
        yield
    except Exception as error:
        if file.error is None and file.is_changed():
            raise _changed(file.path) from error
        raise
    if file.is_changed():
        raise _changed(file.path)


def _version(path: ObjectStoragePath, file: Any) -> object:
    """Return a value that changes when the content of the file changes; None where the store has none."""
    try:
        found = os.fstat(file.fileno())
    except (OSError, AttributeError):
        path.fs.invalidate_cache(path.path)
        with contextlib.suppress(Exception):
            return path.fs.ukey(path.path)
        return None
    # On a disk, a replaced file stays readable while it is open.
    return found.st_size, found.st_mtime_ns


def _changed(path: ObjectStoragePath) -> ChannelError:
    return ChannelError(
        f"{path} was changed while it was read, so its rows may come from two versions; the next try reads the current "
        "one. Write a file under another name, and rename it when it is complete."
    )


def _described(error: Exception, path: ObjectStoragePath, what: str, file: InputFile | None) -> Exception:
    of_store = error if file is None else file.error
    if of_store is not None and not isinstance(of_store, ChannelError):
        return (
            _changed(path) if type(of_store).__name__ in _CHANGED else storage_error(of_store, path, "read")
        )
    if isinstance(error, ChannelError) or type(error) is MemoryError:
        return error
    return ChannelConfigurationError(
        f"{path} can't be read as {what} ({type(error).__name__}); correct the file, or set file_format."
    )


# ---- compression

_NOT_READ = frozenset(("7z", "br", "lz4", "lzo", "rar", "snappy", "sz", "tar", "tgz", "z"))
_ZSTD_MODULES = ("compression.zstd", "backports.zstd")


def name_without_compression(name: str) -> str:
    """
    Return a file's name in lower case, without the suffix of its compression.

    :raises ChannelConfigurationError: the compression is not supported.
    """
    bare, _, suffix = name.lower().rpartition(".")
    if bare and suffix in _NOT_READ:
        raise ChannelConfigurationError(
            f"{name} has a compression that is not supported; decompress it, or use one of {', '.join(SUFFIXES)}."
        )
    return bare if bare and suffix in SUFFIXES else name.lower()


def decompressed(file: Any, name: str) -> Any:
    """
    Return a decompressing reader of a file.

    :param file: as it is stored.
    :param name: its suffix names the compression, if there is one.
    :raises ChannelConfigurationError: the compression is not supported, or its package is not installed.
    """
    is_plain = name_without_compression(name) == name.lower()
    return file if is_plain else SUFFIXES[name.lower().rpartition(".")[2]](file)


def _gzip(file: Any) -> Any:
    import gzip

    if not file.peek(1):  # an empty file; gzip alone would accept it
        raise EOFError
    return gzip.GzipFile(fileobj=file)


def _bz2(file: Any) -> Any:
    return _built_in("bz2").BZ2File(file)


def _xz(file: Any) -> Any:
    return _built_in("lzma").LZMAFile(file)


def _built_in(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ChannelConfigurationError(
            f"The Python of this task was built without the module {name}, which decompresses this file; decompress it "
            "beforehand, or use another Python."
        ) from error


def _zstd(file: Any) -> Any:
    for module in _ZSTD_MODULES:
        try:
            return importlib.import_module(module).ZstdFile(file)
        except ImportError:
            continue
    raise ChannelConfigurationError(
        "Files that end with .zst need the package backports.zstd, which is not installed where this task runs: pip "
        "install 'airflow-channel-provider[zstd]'. Python 3.14 includes it."
    )


def _zip(file: Any) -> Any:
    import zipfile

    archive = zipfile.ZipFile(file)
    names = [info.filename for info in archive.infolist() if not info.is_dir()]
    names = [name for name in names if not name.startswith("__MACOSX/")]
    if len(names) != 1:
        raise ChannelConfigurationError(
            f"A zip file must contain exactly one file; this one contains {len(names)}. Decompress it, or create one "
            "with a single file."
        )
    return archive.open(names[0])


SUFFIXES: Mapping[str, Callable[[Any], Any]] = {
    "gz": _gzip,
    "bz2": _bz2,
    "xz": _xz,
    "lzma": _xz,
    "zip": _zip,
    "zst": _zstd,
}
"""Suffix -> reader that decompresses it."""
