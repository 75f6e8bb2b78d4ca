"""
Items as lines of JSON, in a file that is there as a whole or not at all.

On a disk they are written aside, beside the target, and moved to it when the last one is written. A process that is
killed on the way leaves a file whose name ends with ``.part``; the next try of its task removes it. An object store
makes an object of them when it has the last one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from airflow_channel_provider.bulk.files import atomic_write
from airflow_channel_provider.exceptions import ChannelResponseError
from airflow_channel_provider.xcom import utf8

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

__all__ = ["as_line", "write_lines"]


def as_line(item: Any) -> bytes:
    """
    Return an item as one line of JSON.

    :raises ChannelResponseError: it is nested too deeply.
    """
    try:
        text = json.dumps(item, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        raise ChannelResponseError(
            "An item of the list is nested too deeply to be written as JSON."
        ) from None
    return utf8(text) + b"\n"


def write_lines(target: ObjectStoragePath, items: Iterable[Any], *, mark: str) -> int:
    """
    Write all items, and replace the target by them.

    :param target: file of lines of JSON; its directory is made, where it is on this host.
    :param mark: tells the part of this writer from those of others.
    :return: how many there were.
    """
    count = 0
    with atomic_write(target, mark=mark) as stream:
        for item in items:
            stream.write(as_line(item))
            count += 1
    return count
