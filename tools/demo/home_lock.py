"""One run at a time in a directory."""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class HomeInUseError(Exception):
    """Another run works in the same home."""


@contextmanager
def alone_in(path: Path) -> Iterator[None]:
    """
    Lock a directory for this process; the kernel releases it however the process ends.

    :param path: created if missing.
    :raises HomeInUseError: another process holds it.
    """
    path.mkdir(parents=True, exist_ok=True)
    with (path / "lock").open("a+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HomeInUseError(
                f"another run is using {path}; stop it first (Ctrl-C where it runs)"
            ) from None
        yield
