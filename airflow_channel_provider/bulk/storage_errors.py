"""Errors of file stores, translated into errors of this provider.

Each store has its own library with its own errors. The translated message names the file, the operation and, where
there is one, the remedy. An error that may pass is left to the retries of the task.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

NO_PLACE = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.EROFS)
# By name: their packages are not there on every machine.
_REFUSALS = (
    "ClientAuthenticationError",
    "DefaultCredentialsError",
    "NoAuthTokenError",
    "NoCredentialsError",
    "PartialCredentialsError",
)


@contextmanager
def translated(path: ObjectStoragePath, doing: str) -> Iterator[None]:
    """
    Translate what a store or its library raises.

    :param path: of the file.
    :param doing: the operation: ``read``, ``written``, ``removed``.
    :raises ChannelConfigurationError: the error is permanent.
    :raises ChannelError: the error may pass.
    """
    try:
        yield
    except ChannelError:
        raise
    except Exception as error:
        raise storage_error(error, path, doing) from error


def is_refusal(error: BaseException) -> bool:
    """Return whether the store denied access."""
    return isinstance(error, PermissionError) or type(error).__name__ in _REFUSALS


def storage_error(error: Exception, path: ObjectStoragePath, doing: str) -> ChannelError:
    """Return the translated error; parameters as in :func:`translated`."""
    if is_refusal(error):
        return ChannelConfigurationError(
            f"{path} can't be {doing}: permission denied ({_named(error)}). Give the user of this task, or of the "
            "connection in the address, access to it. An object store without list permission reports a missing file "
            "in the same way."
        )
    if isinstance(error, IsADirectoryError) or (isinstance(error, OSError) and error.errno in NO_PLACE):
        return ChannelConfigurationError(
            f"{path} can't be {doing}: it can't be a file ({_named(error)}); give the path of a file."
        )
    if isinstance(error, FileNotFoundError):
        return ChannelError(
            f"{path} can't be {doing}: it does not exist, or its folder or bucket does not. Check the address."
        )
    return ChannelError(f"{path} can't be {doing} ({_named(error)}).")


def _named(error: Exception) -> str:
    # The text of the error may hold secrets; its class and the system's text for its number do not.
    number = error.errno if isinstance(error, OSError) else None
    return f"{type(error).__name__}: {os.strerror(number)}" if number else type(error).__name__
