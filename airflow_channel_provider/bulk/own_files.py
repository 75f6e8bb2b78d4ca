"""
Files of a task: written as a whole or not at all, and for the eyes of its user alone.

On a disk of this host a file is written aside, with mode 0600 and under a name that nobody can foresee, and takes the
place of the old one when it is complete. No link is followed, neither where a file is written nor where one that an
earlier try wrote is read again, and nothing is taken from another user: a name in a folder that many may write to is no
proof. The way to the folder may lead over links. Object stores know none of this; what is written there is a whole
object.
"""

from __future__ import annotations

import contextlib
import errno
import os
import posixpath
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from airflow_channel_provider.exceptions import ChannelConfigurationError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

__all__ = [
    "check_place",
    "is_same_file",
    "make_own_folder",
    "remove_asides",
    "replaced",
    "stored",
    "write_whole",
]

LOCAL = ("", "file", "local")
ASIDE = ".part"
_NO_PLACE = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.ELOOP)
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def check_place(path: ObjectStoragePath, *, argument: str) -> None:
    """
    Refuse to write where something else than a file stands.

    :param argument: names the path in the message.
    :raises ChannelConfigurationError: a link, a folder or a device is there, or no file can be.
    """
    if not _is_local(path):
        return
    try:
        found = _on_disk(path).lstat()
    except FileNotFoundError:
        return
    except ValueError:
        raise ChannelConfigurationError(
            f"{argument} is no name that a file can have; take out what is no character (a zero, half of a surrogate "
            "pair)."
        ) from None
    except OSError as error:
        if error.errno not in _NO_PLACE:
            raise
        raise ChannelConfigurationError(
            f"{argument} names {path}, where no file can be ({error.strerror}); give the path of a file."
        ) from None
    if stat.S_ISLNK(found.st_mode):
        raise ChannelConfigurationError(
            f"{argument} names {path}, which is a link, and none is followed; give the path of the file itself, or "
            "remove the link."
        )
    if not stat.S_ISREG(found.st_mode):
        raise ChannelConfigurationError(
            f"{argument} names {path}, which is a folder or a device; give the path of a file."
        )


def is_same_file(one: ObjectStoragePath, other: ObjectStoragePath) -> bool:
    """Tell whether two addresses, however they are spelled, are one file."""
    if _is_local(one) and _is_local(other):
        first, second = _on_disk(one), _on_disk(other)
        try:
            with contextlib.suppress(OSError):
                return first.samefile(second)
            return first.resolve() == second.resolve()
        except (ValueError, RuntimeError):  # no name that a file can have, or a circle of links
            return False
    # Whose connection it is does not matter: two of them mostly lead to one bucket.
    return type(one.fs) is type(other.fs) and _in_store(one) == _in_store(other)


@contextlib.contextmanager
def replaced(path: ObjectStoragePath, *, mark: str = "") -> Iterator[IO[bytes]]:
    """
    Write a file; it takes the place of the old one when the block ends, and is gone where that fails.

    :param path: of the file; its folder is made, where it is on this host.
    :param mark: tells what this writer would leave behind if it were killed; see :func:`remove_asides`.
    """
    opened = _aside_on_disk if _is_local(path) else _aside_in_store
    with opened(path, mark) as stream:
        yield stream


def write_whole(path: ObjectStoragePath, content: bytes) -> None:
    """Write a small file so that a reader, or a kill, finds the old one or the new one."""
    if not _is_local(path):
        path.write_bytes(content)
        return
    with replaced(path) as stream:
        stream.write(content)


def remove_asides(path: ObjectStoragePath, *, mark: str) -> None:
    """Remove what a writer of :func:`replaced` has left behind that was killed."""
    with contextlib.suppress(OSError):
        if not _is_local(path):
            _store_aside(path, mark).unlink(missing_ok=True)
            return
        target = _on_disk(path)
        start = _aside_start(target.name, mark)
        for found in target.parent.iterdir():
            if found.name.startswith(start) and found.name.endswith(ASIDE):
                found.unlink(missing_ok=True)


@contextlib.contextmanager
def stored(path: ObjectStoragePath) -> Iterator[IO[bytes]]:
    """
    Read a file that an earlier try of this task has written.

    :raises FileNotFoundError: there is none.
    :raises ChannelConfigurationError: what is there is no file of this user.
    """
    if not _is_local(path):
        with path.fs.open(path.path, "rb") as stream:
            yield stream
        return
    place = _on_disk(path)
    with open(_opened(place), "rb") as stream:
        if os.fstat(stream.fileno()).st_uid != _user_in(place.parent):
            raise _not_ours(place)
        yield stream


def make_own_folder(path: ObjectStoragePath) -> None:
    """
    Make a folder that nobody else may look into, where it is on this host and not there yet.

    :raises ChannelConfigurationError: what is there is no folder of this user.
    """
    if not _is_local(path):
        return
    folder = _on_disk(path)
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != _user_in(folder):
            raise _not_ours(folder) from None


def _is_local(path: ObjectStoragePath) -> bool:
    return path.protocol in LOCAL


def _on_disk(path: ObjectStoragePath) -> Path:
    # As the file system itself reads it where it opens one: relative to here, or to the user's home.
    return Path(path.fs._strip_protocol(path.path))  # noqa: SLF001 - what fsspec has for this


def _in_store(path: ObjectStoragePath) -> str:
    return posixpath.normpath(str(path.fs._strip_protocol(path.path)))  # noqa: SLF001 - as above


def _opened(place: Path) -> int:
    """Open a plain file, be it whose it may, and nothing else."""
    try:
        descriptor = os.open(place, _READ)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise _not_ours(place) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _not_ours(place)
    return descriptor


def _user_in(folder: Path) -> int:
    """Return whose a new file is in a folder: behind a network file system another user than this one."""
    with tempfile.TemporaryFile(dir=folder) as probe:
        return os.fstat(probe.fileno()).st_uid


def _not_ours(place: Path) -> ChannelConfigurationError:
    return ChannelConfigurationError(
        f"{place} is a link, or no file or folder of this task's user, so that nothing is read from it or written to "
        "it; remove it, or give dead_letter another folder."
    )


def _aside_start(name: str, mark: str) -> str:
    return f"{name}.{mark}." if mark else f"{name}."


@contextlib.contextmanager
def _aside_on_disk(path: ObjectStoragePath, mark: str) -> Iterator[IO[bytes]]:
    target = _on_disk(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, aside = tempfile.mkstemp(ASIDE, _aside_start(target.name, mark), target.parent)
    try:
        with open(descriptor, "wb") as stream:
            yield stream
        os.replace(aside, target)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise


def _store_aside(path: ObjectStoragePath, mark: str) -> ObjectStoragePath:
    return path.parent / f"{_aside_start(path.name, mark).removesuffix('.')}{ASIDE}"


@contextlib.contextmanager
def _aside_in_store(path: ObjectStoragePath, mark: str) -> Iterator[IO[bytes]]:
    aside = _store_aside(path, mark)
    try:
        with aside.fs.open(aside.path, "wb") as stream:
            yield stream
        path.fs.mv(aside.path, path.path)
    except BaseException:
        remove_asides(path, mark=mark)
        raise
