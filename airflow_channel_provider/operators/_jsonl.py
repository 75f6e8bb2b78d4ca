"""
Items as lines of JSON, in a file that is there as a whole or not at all.

They are written aside, beside the target, and moved to it when the last one is written. A process that is killed on the
way leaves a file whose name ends with ``.part``; the next try of its task removes it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

__all__ = ["as_line", "remove_part", "write_whole"]


def as_line(item: Any) -> bytes:
    """Return an item as one line of JSON. Half of a surrogate pair is escaped, since UTF-8 can't hold it."""
    text = json.dumps(item, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace") + b"\n"


def write_whole(target: ObjectStoragePath, items: Iterable[Any], *, mark: str) -> int:
    """
    Write all items, and replace the target by them.

    :param target: file of lines of JSON; its directory is made, where it is on this host.
    :param mark: tells the part of this writer from those of others.
    :return: how many there were.
    """
    count = 0
    with _aside(target, mark) as stream:
        for item in items:
            stream.write(as_line(item))
            count += 1
    return count


def remove_part(target: ObjectStoragePath, mark: str) -> None:
    """Remove what a writer has left behind that was killed; do nothing where it has left nothing."""
    with contextlib.suppress(OSError):
        _part(target, mark).unlink(missing_ok=True)


def _part(target: ObjectStoragePath, mark: str) -> ObjectStoragePath:
    return target.parent / f"{target.name}.{mark}.part"


@contextlib.contextmanager
def _aside(target: ObjectStoragePath, mark: str) -> Iterator[IO[bytes]]:
    part = _part(target, mark)
    if target.protocol in ("", "file", "local"):
        target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with part.open("wb") as stream:  # type: ignore[no-untyped-call]
            yield stream
        target.fs.mv(part.path, target.path)
    except BaseException:
        remove_part(target, mark)
        raise
