"""Addresses of files, as a DAG writes them -> Airflow's paths."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow_channel_provider.exceptions import ChannelConfigurationError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

__all__ = ["storage_path"]


def storage_path(argument: str, address: object) -> ObjectStoragePath:
    """
    Return the path of an address.

    :param argument: names it in the message.
    :param address: a path, or anything that ``ObjectStoragePath`` takes.
    :raises ChannelConfigurationError: it is no address, or nothing here reaches it.
    """
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    text = str(address)
    try:
        is_kept = _bare(urlsplit(text).geturl()) == _bare(text)
        path: ObjectStoragePath = ObjectStoragePath(text)
        _ = path.fs
    except Exception as error:
        raise ChannelConfigurationError(
            f"{argument} is no address of a file that can be reached from here ({type(error).__name__}: {error}). Give "
            "a path, or an address such as s3://conn_id@bucket/name.jsonl, whose connection is there and whose "
            "provider package is installed."
        ) from error
    if not is_kept:
        raise ChannelConfigurationError(
            f"{argument} is an address of which Airflow leaves something out, so that another file would be meant: "
            "take out a ? or # that nothing follows, tabs, line breaks and what is blank at the beginning."
        )
    if text.endswith("/"):
        raise ChannelConfigurationError(f"{argument} names a folder ({text}); give the path of a file.")
    return path


def _bare(address: str) -> str:
    return address.replace("/", "").lower()
