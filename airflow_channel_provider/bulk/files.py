"""
Files of a task: written atomically, and readable by its user alone.

On a local disk a file is written to a temporary file with mode 0600 and a random name, which replaces the old one when
it is complete. Symbolic links are not followed, neither in writing nor in reading what an earlier try wrote, and a file
of another user is not read: in a shared folder a name proves nothing. The path of the folder may contain links. In an
object store an object is written in place, and exists when its last byte is there. In other stores a temporary file is
used as well. No name is taken for a glob pattern.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import posixpath
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from airflow_channel_provider.bulk.storage_errors import NO_PLACE, is_refusal, storage_error, translated
from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

LOCAL = ("", "file", "local")
ASIDE = ".part"
READ_BYTES = 2**16
MOST_KEY_BYTES = 1024
"""The longest name of an object, its folders included: at S3, at Google and at Azure."""
MOST_STEM_BYTES = 160
"""So much of a name begins those that are made of it, so that none is longer than the 255 bytes of a file's."""
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def check_place(path: ObjectStoragePath, *, argument: str) -> None:
    """
    Refuse a path where no file can be written.

    :param argument: names the path in the message.
    :raises ChannelConfigurationError: it is a link, a folder or a device, or not a valid path.
    """
    if not path.name:
        raise ChannelConfigurationError(
            f"{argument} names {path}, which is a folder; give the path of a file."
        )
    if not is_local(path):
        if len(_in_store(path).encode("utf-8", "replace")) > MOST_KEY_BYTES:
            raise ChannelConfigurationError(
                f"{argument} names an object whose name has more than {MOST_KEY_BYTES:,} bytes; use a shorter one."
            )
        return
    try:
        found = _on_disk(path).lstat()
    except FileNotFoundError:
        return
    except ValueError:
        raise ChannelConfigurationError(
            f"{argument} is not a valid file name; remove what no file name can hold (a zero, half of a surrogate "
            "pair)."
        ) from None
    except OSError as error:
        if error.errno not in NO_PLACE:
            raise storage_error(error, path, "looked at") from error
        raise ChannelConfigurationError(
            f"{argument} names {path}, where a file can't exist ({error.strerror}); give the path of a file."
        ) from None
    if stat.S_ISLNK(found.st_mode):
        raise ChannelConfigurationError(
            f"{argument} names {path}, which is a symbolic link, and links are not followed; set the path of the file "
            "itself, or remove the link."
        )
    if not stat.S_ISREG(found.st_mode):
        raise ChannelConfigurationError(
            f"{argument} names {path}, which is a folder or a device; give the path of a file."
        )


def is_local(path: ObjectStoragePath) -> bool:
    """Return whether a file is on a disk of this host, or on one that is mounted here."""
    return path.protocol in LOCAL


def is_same_file(one: ObjectStoragePath, other: ObjectStoragePath) -> bool:
    """Return whether two addresses name the same file."""
    if is_local(one) and is_local(other):
        first, second = _on_disk(one), _on_disk(other)
        try:
            with contextlib.suppress(OSError):
                return first.samefile(second)
            return first.resolve() == second.resolve()
        except (ValueError, RuntimeError):  # no name that a file can have, or a circle of links
            return False
    # Whose connection it is does not matter: two of them mostly lead to one bucket.
    return type(one.fs) is type(other.fs) and _in_store(one) == _in_store(other)


class Output(Protocol):
    """A file that is being written."""

    def write(self, content: bytes, /) -> object:
        """Append bytes."""


@contextlib.contextmanager
def atomic_write(path: ObjectStoragePath, *, mark: str = "") -> Iterator[Output]:
    """
    Write a file; it replaces the old one when the block ends, and is removed if the block fails.

    :param path: of the file; a local folder is created.
    :param mark: part of the temporary file's name, by which :func:`remove_temporary_files` finds it after a kill.
    """
    elsewhere = _as_object if _holds_objects(path) else _aside_in_store
    opened = _aside_on_disk if is_local(path) else elsewhere
    with opened(path, mark) as stream:
        yield stream


def write_file(path: ObjectStoragePath, content: bytes) -> None:
    """Write a small file atomically."""
    if _holds_objects(path):
        with translated(path, "written"):
            path.fs.pipe_file(path.path, content)
        return
    with atomic_write(path) as stream:
        stream.write(content)


def size_of(path: ObjectStoragePath) -> int | None:
    """Return the size of a file in bytes; None where there is none."""
    with translated(path, "looked at"), contextlib.suppress(FileNotFoundError):
        if is_local(path):
            return _on_disk(path).lstat().st_size
        path.fs.invalidate_cache(path.path)  # another process may have written it
        return int(path.fs.size(path.path))
    return None


def remove(path: ObjectStoragePath) -> None:
    """Remove one file, if it exists."""
    with translated(path, "removed"), contextlib.suppress(FileNotFoundError):
        if is_local(path):
            _on_disk(path).unlink()
        else:
            path.fs.rm_file(path.path)


def remove_or_empty(path: ObjectStoragePath) -> None:
    """Remove one file; where only writing is allowed, empty it."""
    try:
        remove(path)
    except ChannelConfigurationError as error:
        if not is_refusal(error.__cause__ or error):
            raise
        write_file(path, b"")


def remove_temporary_files(path: ObjectStoragePath, *, mark: str) -> None:
    """Remove what a killed :func:`atomic_write` has left, as far as possible."""
    if _holds_objects(path):
        return
    with contextlib.suppress(OSError, ChannelError):
        if not is_local(path):
            remove(_store_aside(path, mark))
            return
        target = _on_disk(path)
        start = _aside_start(target.name, mark)
        for found in target.parent.iterdir():
            if found.name.startswith(start) and found.name.endswith(ASIDE):
                found.unlink(missing_ok=True)


@contextlib.contextmanager
def open_own(path: ObjectStoragePath, *, argument: str) -> Iterator[IO[bytes]]:
    """
    Read a file that an earlier try of this task has written.

    :param argument: of the operator, which says where the file is.
    :raises FileNotFoundError: there is none.
    :raises ChannelConfigurationError: what is there is no file of this user.
    """
    try:
        if is_local(path):
            with _stored_on_disk(_on_disk(path), argument) as stream:
                yield stream
        else:
            # As a whole: what a store says of the size of an object may be older than the object.
            yield io.BytesIO(path.fs.cat_file(path.path))
    except (ChannelError, FileNotFoundError):
        raise
    except Exception as error:
        raise storage_error(error, path, "read") from error


@contextlib.contextmanager
def _stored_on_disk(place: Path, argument: str) -> Iterator[IO[bytes]]:
    with open(_opened(place, argument), "rb") as stream:
        if os.fstat(stream.fileno()).st_uid != _user_in(place.parent):
            raise _not_ours(place, argument)
        yield stream


def read_first_line(path: ObjectStoragePath, size: int) -> bytes:
    """Return the first line of a file, or about so many bytes of it; nothing where there is none."""
    line = bytearray()
    with translated(path, "read"), contextlib.suppress(FileNotFoundError):
        path.fs.invalidate_cache(path.path)  # another process may have written it
        with path.fs.open(path.path, "rb") as stream:
            # What a store opens knows no limit of a line.
            while b"\n" not in line[-READ_BYTES:] and len(line) < size and (piece := stream.read(READ_BYTES)):
                line += piece
    return b"".join(line.partition(b"\n")[:2])


def short_name(name: str) -> str:
    """Return a name that others can be made of: the name itself, or its beginning and a digest of it."""
    content = name.encode("utf-8", "surrogateescape")
    if len(content) <= MOST_STEM_BYTES:
        return name
    digest = hashlib.blake2b(content, digest_size=5).hexdigest()
    return f"{content[:MOST_STEM_BYTES].decode(errors='ignore')}~{digest}"


def make_private_folder(path: ObjectStoragePath) -> None:
    """
    Make a folder that nobody else may look into, where it is on this host and not there yet.

    :raises ChannelConfigurationError: what is there is no folder of this user.
    """
    if not is_local(path):
        return
    folder = _on_disk(path)
    with translated(path, "made"):
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            found = folder.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != _user_in(folder):
                raise _not_ours(folder, "dead_letter") from None


def remove_folder(path: ObjectStoragePath) -> None:
    """Remove an empty folder, where there are folders."""
    if is_local(path):
        with translated(path, "removed"), contextlib.suppress(FileNotFoundError):
            _on_disk(path).rmdir()


def _holds_objects(path: ObjectStoragePath) -> bool:
    """Return whether a file is there only when all of it is written: the stores that fsspec reaches by HTTP calls."""
    from fsspec.asyn import AsyncFileSystem

    return not is_local(path) and isinstance(path.fs, AsyncFileSystem)


def _on_disk(path: ObjectStoragePath) -> Path:
    # As the file system itself reads it where it opens one: relative to here, or to the user's home.
    return Path(path.fs._strip_protocol(path.path))  # noqa: SLF001 - what fsspec has for this


def _in_store(path: ObjectStoragePath) -> str:
    return posixpath.normpath(str(path.fs._strip_protocol(path.path)))  # noqa: SLF001 - as above


def _opened(place: Path, argument: str) -> int:
    """Open a regular file, whoever owns it, and nothing else."""
    try:
        descriptor = os.open(place, _READ)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise _not_ours(place, argument) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _not_ours(place, argument)
    return descriptor


def _user_in(folder: Path) -> int:
    """Return the owner of new files in a folder; on a network file system it may be another user than this one."""
    with tempfile.TemporaryFile(dir=folder) as probe:
        return os.fstat(probe.fileno()).st_uid


def _not_ours(place: Path, argument: str) -> ChannelConfigurationError:
    return ChannelConfigurationError(
        f"{place} is a symbolic link, or does not belong to the user of this task, so it is neither read nor written; "
        f"remove it, or set {argument} to another folder."
    )


class _CheckedOutput:
    """Writes to a stream, and translates its errors."""

    def __init__(self, stream: IO[bytes], path: ObjectStoragePath) -> None:
        self._stream = stream
        self._path = path

    def write(self, content: bytes, /) -> object:
        try:
            return self._stream.write(content)
        except Exception as error:
            raise storage_error(error, self._path, "written") from error


def _aside_start(name: str, mark: str) -> str:
    return f"{short_name(name)}.{mark}." if mark else f"{short_name(name)}."


@contextlib.contextmanager
def _aside_on_disk(path: ObjectStoragePath, mark: str) -> Iterator[Output]:
    target = _on_disk(path)
    with translated(path, "written"):
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, aside = tempfile.mkstemp(ASIDE, _aside_start(target.name, mark), target.parent)
    try:
        with open(descriptor, "wb") as stream:
            yield _CheckedOutput(stream, path)
            with translated(path, "written"):
                stream.close()
        with translated(path, "written"):
            os.replace(aside, target)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _as_object(path: ObjectStoragePath, mark: str) -> Iterator[Output]:
    with translated(path, "written"):
        stream = path.fs.open(path.path, "wb")
    try:
        yield _CheckedOutput(stream, path)
        with translated(path, "written"):
            stream.close()
    except BaseException:
        _let_go(stream)
        raise


def _let_go(stream: Any) -> None:
    """Discard what was written; closing or dropping the stream would create the object."""
    with contextlib.suppress(Exception):
        stream.discard()
    with contextlib.suppress(Exception):
        stream.closed = True


def _store_aside(path: ObjectStoragePath, mark: str) -> ObjectStoragePath:
    return path.parent / f"{_aside_start(path.name, mark).removesuffix('.')}{ASIDE}"


@contextlib.contextmanager
def _aside_in_store(path: ObjectStoragePath, mark: str) -> Iterator[Output]:
    aside = _store_aside(path, mark)
    try:
        with translated(path, "written"):
            stream = aside.fs.open(aside.path, "wb")
        try:
            yield _CheckedOutput(stream, path)
        finally:
            with translated(path, "written"):
                stream.close()
        with translated(path, "written"):
            _rename(path.fs, aside.path, path.path)
    except BaseException:
        remove_temporary_files(path, mark=mark)
        raise


def _rename(fs: Any, old: str, new: str) -> None:
    """Rename a file by the store's own means; where it has none, fsspec's way takes a name for a pattern."""
    from fsspec import AbstractFileSystem

    if type(fs).mv is not AbstractFileSystem.mv:
        fs.mv(old, new)
        return
    fs.cp_file(old, new)
    fs.rm_file(old)
