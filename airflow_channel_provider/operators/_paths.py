"""Addresses of files, as a DAG writes them -> Airflow's paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

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

    try:
        path: ObjectStoragePath = ObjectStoragePath(str(address))
        _ = path.fs
    except ValueError as error:
        raise ChannelConfigurationError(
            f"{argument} is no address of a file that can be reached from here ({error}). Give a path, or an address "
            "such as s3://conn_id@bucket/name.jsonl, whose provider package is installed."
        ) from None
    return path
