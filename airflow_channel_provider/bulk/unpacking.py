"""How a file is compressed, by its name, and what unpacks it: all of it or an error, never a part in silence."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from airflow_channel_provider.exceptions import ChannelConfigurationError

__all__ = ["SUFFIXES", "plain_name", "unpacked"]

_NOT_READ = frozenset(("7z", "br", "lz4", "lzo", "rar", "snappy", "sz", "tar", "tgz", "z"))
_ZSTD_MODULES = ("compression.zstd", "backports.zstd")


def plain_name(name: str) -> str:
    """
    Return a file's name without the suffix of its compression, in small letters.

    :raises ChannelConfigurationError: it has the suffix of a compression that is not read.
    """
    plain, _, suffix = name.lower().rpartition(".")
    if plain and suffix in _NOT_READ:
        raise ChannelConfigurationError(
            f"{name} is packed in a way that is not read; unpack it, or pack it as one of {', '.join(SUFFIXES)}."
        )
    return plain if plain and suffix in SUFFIXES else name.lower()


def unpacked(file: Any, name: str) -> Any:
    """
    Return what reads a file unpacked.

    :param file: as it is stored.
    :param name: its suffix tells how it is compressed; it may be not at all.
    :raises ChannelConfigurationError: it is packed in another way, or what unpacks it is not installed.
    """
    is_plain = plain_name(name) == name.lower()
    return file if is_plain else SUFFIXES[name.lower().rpartition(".")[2]](file)


def _gzip(file: Any) -> Any:
    import gzip

    if not file.peek(1):  # gzip takes it for a file of nothing, and is the only one that does
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
            f"The Python of this task was built without {name}, by which the file is to be unpacked; unpack it before, "
            "or use another Python."
        ) from error


def _zstd(file: Any) -> Any:
    for module in _ZSTD_MODULES:
        try:
            return importlib.import_module(module).ZstdFile(file)
        except ImportError:
            continue
    raise ChannelConfigurationError(
        "Files that end with .zst are unpacked with backports.zstd, which is not installed where this task runs: pip "
        "install 'airflow-channel-provider[zstd]'; Python 3.14 brings it."
    )


def _zip(file: Any) -> Any:
    import zipfile

    archive = zipfile.ZipFile(file)
    names = [info.filename for info in archive.infolist() if not info.is_dir()]
    names = [name for name in names if not name.startswith("__MACOSX/")]
    if len(names) != 1:
        raise ChannelConfigurationError(
            f"A zip file is read that holds one file; this one holds {len(names)}. Unpack it, or pack one alone."
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
"""Suffix -> what unpacks it."""
