"""
Errors that come from below name no connection, since nothing below knows of one; a hook adds it on the way out, and
lets them forget what they have seen.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError
from airflow_channel_provider.hooks._forgetting import forget_values

__all__ = ["naming_connection"]


@contextlib.contextmanager
def naming_connection(conn_id: str) -> Iterator[None]:
    """
    Put the connection in front of the message of whatever a service or the way to it raises.

    What a caller's own argument did wrong is left alone: its remedy is not in the connection.
    """
    handled = sys.exc_info()[1]
    try:
        yield
    except BaseException as error:
        forget_values(error, but_of=handled)
        is_named = isinstance(error, ChannelConfigurationError) or repr(conn_id) in str(error)
        if isinstance(error, ChannelError) and not is_named:
            error.add_context(before=f"Connection {conn_id!r}:")
        raise
