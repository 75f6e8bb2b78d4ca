"""
Tokens in files: one directory serves all processes of one host. This is the default.

Four kinds of file per app, all 0600 in a directory of mode 0700:

``<app>.json``          the document, with the store's clock; replaced as a whole (temporary file, fsync, rename)
``<app>.<name>.token``  one sealed token, replaced as a whole
``<app>.*.lock``        empty; kernel locks on them end with their process, so a ``kill -9`` blocks no one
``<app>.*.unreadable``  what stood in the place of one of them and was none of ours, kept for a week

The clock is wall time, continued by the seconds since boot: a change of the host's clock allows no extra request.
Kernel locks are not reliable on network file systems.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import logging
import os
import random
import re
import stat
import time
import uuid
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, TypeVar

from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError, ChannelNotSentError
from airflow_channel_provider.tokens.clock import boot_id, steady
from airflow_channel_provider.tokens.stores import document as document_format
from airflow_channel_provider.tokens.stores.base import (
    ASIDE_SECONDS,
    Anew,
    CachedToken,
    Change,
    HostLock,
    Snapshot,
)
from airflow_channel_provider.tokens.validation import MOST_BYTES
from airflow_channel_provider.values import Values

T = TypeVar("T")

log = logging.getLogger(__name__)

_LOCK_PATIENCE_SECONDS = 10.0
_STRAY_SECONDS = {".token": 86_400.0, ".tmp": 86_400.0, ".unreadable": ASIDE_SECONDS}
_OWN_NAME = re.compile(
    r"(?:pace-)?[0-9a-f]{32,40}(?:\.[0-9a-f]{12,32})?\.(?:json|token|lock)(?:\.[0-9a-f]+\.(?:tmp|unreadable))?"
)
"""Document (an app, or the pace of a channel), token or lock; the directory may have files of others as well."""
_CONFIGURATION_ERRNOS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENAMETOOLONG}
_FOREIGN_ERRNOS = {errno.ELOOP, errno.EISDIR, errno.ENXIO}
"""A link, a directory, a pipe or a socket is in the place of the file."""

# A lock belongs to the open file, which a forked child shares: without this, the lock would outlive a killed holder.
_held_fds: set[int] = set()


def _close_inherited_locks() -> None:
    for fd in _held_fds:
        with contextlib.suppress(OSError):
            os.close(fd)
    _held_fds.clear()


os.register_at_fork(after_in_child=_close_inherited_locks)


class FileStore:
    """
    A store in a directory, for all processes of one host.

    :param directory: created with mode 0700 at the first write.
    :param address: as configured; for messages.
    """

    poll_seconds = (0.02, 0.25)
    margin_seconds = 0.0

    def __init__(self, directory: str | os.PathLike[str], *, address: str | None = None) -> None:
        self._directory = Path(directory)
        self.address = address or f"file://{self._directory}"
        self.host = boot_id() or "host"
        self.local_cache: dict[str, CachedToken] = {}
        self._directory_made = False

    def load(self, document: str) -> Snapshot:
        with self._honest_errors("read"):
            return self._load(document).snapshot

    def update(self, document: str, change: Change[T]) -> T:
        with self._honest_errors("written"):
            self._make_directory()
            with self._locked(document):
                found = self._load(document)
                state, result = change(found.snapshot)
                if found.present and (found.snapshot.lost or isinstance(state, Anew)):
                    self._set_aside(self._document_path(document))
                if state is not None:
                    self._write_document(document, state, found)
                return result

    def documents(self) -> Collection[str]:
        with self._honest_errors("read"):
            try:
                paths = list(
                    self._directory.iterdir()
                )  # glob() finds nothing in a directory that it may not read
            except FileNotFoundError:
                return []
            return [path.stem for path in paths if path.suffix == ".json"]

    def read_blob(self, document: str, name: str) -> bytes | None:
        with self._honest_errors("read"):
            try:
                return _read(f"{self._directory}/{document}.{name}.token")
            except OSError as error:
                if error.errno in _FOREIGN_ERRNOS:
                    return None
                raise

    def write_blob(self, document: str, name: str, blob: bytes, keep_seconds: float) -> None:
        with self._honest_errors("written"):
            self._make_directory()
            path = self._blob_path(document, name)
            if path.is_dir():
                self._set_aside(path)
            self._replace(path, blob, keep_seconds=keep_seconds)
            self._sweep()

    def drop_blob(self, document: str, name: str) -> None:
        with self._honest_errors("written"), contextlib.suppress(FileNotFoundError, IsADirectoryError):
            self._blob_path(document, name).unlink()

    @contextlib.contextmanager
    def host_lock(self, document: str, scope: str) -> Iterator[HostLock]:
        """A kernel lock, which ends with its process."""
        label = hashlib.sha256(scope.encode()).hexdigest()[:12]
        with self._honest_errors("written"):
            self._make_directory()
            fd = self._open_lock(self._directory / f"{document}.{label}.lock")
        try:
            yield HostLock.OURS if _try_lock(fd) else HostLock.TAKEN
        finally:
            _close_lock(fd)

    def rest(self) -> None:
        """Nothing to release: no file stays open between two calls."""

    # ---------------------------------------------------------------------------------------- document and clock

    def _document_path(self, document: str) -> Path:
        return self._directory / f"{document}.json"

    def _blob_path(self, document: str, name: str) -> Path:
        return self._directory / f"{document}.{name}.token"

    def _load(self, document: str) -> _Found:
        looked_at = steady()
        try:
            content = _read(f"{self._directory}/{document}.json")
        except OSError as error:
            if error.errno not in _FOREIGN_ERRNOS:
                raise
            return _Found(document_format.read(None, looked_at=looked_at), looked_at)
        if content is None:
            lost = any(self._directory.glob(f"{document}.*.token"))
            return _Found(Snapshot(None, time.time(), lost=lost), looked_at, present=False)
        return _Found(document_format.read(content, looked_at=looked_at), looked_at)

    def _write_document(self, document: str, state: dict[str, Any], found: _Found) -> None:
        content = document_format.pack(state, found.snapshot.now, looked_at=found.looked_at)
        self._replace(self._document_path(document), content)

    # ---------------------------------------------------------------------------------------- files

    def _make_directory(self) -> None:
        if self._directory_made and self._directory.is_dir():
            return
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except FileNotFoundError as error:  # of a parent that holds no directories of others, as /proc
            raise self._wrong_directory("made", error) from error
        self._close_to_others()
        self._directory_made = True

    def _close_to_others(self) -> None:
        found = self._directory.stat()
        mine, mode = found.st_uid == os.geteuid(), stat.S_IMODE(found.st_mode)
        if mine and not mode & 0o077:
            return
        if mine and not any(self._directory.iterdir()):
            self._directory.chmod(0o700)  # made by hand, with the usual umask
            return
        log.warning(
            "The directory %s of the token store %s. Its content is encrypted, but a user who may write there can "
            "reset the count of token requests. Its owner must be the user who runs the tasks, and its mode 700.",
            self._directory,
            f"is open to other users (mode {mode:03o})"
            if mine
            else f"belongs to another user ({found.st_uid})",
        )

    def _open_lock(self, path: Path) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            fd = os.open(path, flags, 0o600)
        except OSError as error:
            if error.errno not in _FOREIGN_ERRNOS:
                raise
            self._set_aside(path)
            fd = os.open(path, flags, 0o600)
        _held_fds.add(fd)
        return fd

    def _replace(self, path: Path, content: bytes, *, keep_seconds: float = 0.0) -> None:
        """Replace a file as a whole; its time of modification says until when it must be kept."""
        temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex[:12]}.tmp")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(temporary, flags, 0o600)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(content)
                file.flush()
                kept_until = time.time() + keep_seconds
                os.utime(file.fileno(), (kept_until, kept_until))
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        _sync_directory(self._directory)

    def _set_aside(self, path: Path) -> None:
        """
        Keep a copy of unknown content for people to look at; the file stays in its place until it is replaced, and
        counts as lost.
        """
        found = path.lstat()
        aside = path.with_name(f"{path.name}.{found.st_ino:x}.unreadable")
        if not stat.S_ISREG(found.st_mode):
            os.replace(path, aside)
            return
        with contextlib.suppress(OSError):  # it exists already, or the file system has no hard links
            os.link(path, aside)
            os.utime(aside)  # the time that it is kept begins now

    def _sweep(self) -> None:
        """Remove sealed tokens of any app that ended long ago, and files that interrupted writers left behind."""
        for path in self._directory.iterdir():
            if path.suffix in _STRAY_SECONDS and _OWN_NAME.fullmatch(path.name):
                with contextlib.suppress(OSError):
                    if time.time() - path.lstat().st_mtime > _STRAY_SECONDS[path.suffix]:
                        path.unlink()

    @contextlib.contextmanager
    def _locked(self, document: str) -> Iterator[None]:
        fd = self._open_lock(self._directory / f"{document}.lock")
        try:
            give_up_at = steady() + _LOCK_PATIENCE_SECONDS
            while not _try_lock(fd):
                if steady() > give_up_at:
                    raise ChannelNotSentError(
                        f"The token store {self.address} has been locked by another process for "
                        f"{_LOCK_PATIENCE_SECONDS:.0f} s. A process normally locks it for milliseconds; check "
                        "whether that one is stopped."
                    )
                time.sleep(random.uniform(0.001, 0.005))
            yield
        finally:
            _close_lock(fd)

    @contextlib.contextmanager
    def _honest_errors(self, done: str) -> Iterator[None]:
        try:
            yield
        except ChannelError:
            raise
        except OSError as error:
            if error.errno in _CONFIGURATION_ERRNOS:
                raise self._wrong_directory(done, error) from error
            raise ChannelNotSentError(
                f"The token store {self.address} can't be {done}: {_reason(error)}. No token request was sent."
            ) from error

    def _wrong_directory(self, done: str, error: OSError) -> ChannelConfigurationError:
        return ChannelConfigurationError(
            f"Option [channel_talk] store: {self._directory} can't be {done}: {_reason(error)}. Name a local directory "
            "that the user who runs the tasks may write to; no token request was sent."
        )


def _reason(error: OSError) -> str:
    return f"{error.strerror} ({errno.errorcode.get(error.errno or 0, error.errno)})"


class _Found(Values):
    """A document as read, when it was read by the host's clock, and whether there is a file in its place."""

    snapshot: Snapshot
    looked_at: float
    present: bool = True


def _read(path: str) -> bytes | None:
    """Read a file of this store; of one that is too large, only enough to see that."""
    try:
        # Without O_NONBLOCK, the call would wait for a writer if the file is a pipe.
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        chunks, left = [], min(found.st_size, MOST_BYTES + 1)  # files are replaced and never grow
        while left > 0 and (chunk := os.read(fd, left)):
            chunks.append(chunk)
            left -= len(chunk)
        return b"".join(chunks)
    finally:
        os.close(fd)


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _close_lock(fd: int) -> None:
    # A forked child has closed its copies, so only the process that took the lock comes here. It unlocks, since a child
    # that was forked between opening and registering may still share the file.
    if fd in _held_fds:
        _held_fds.discard(fd)
        with contextlib.suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_UN)
        os.close(fd)
