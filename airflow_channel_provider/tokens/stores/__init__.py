"""Where the record lives. :func:`open_store` turns the ``[channel_talk] store`` option into one of them."""

from __future__ import annotations

import threading
from urllib.parse import unquote, urlsplit

from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.tokens.stores.base import TokenStore

__all__ = ["TokenStore", "open_store"]

_OPTION = "[channel_talk] store"
_opened: dict[str, TokenStore] = {}
_opening = threading.Lock()


def open_store(address: str) -> TokenStore:
    """
    Open a store by its address; the same address gives the same store within a process. Touches nothing yet.

    :param address: ``file:///absolute/directory`` or ``memory://``.
    :raises ChannelConfigurationError: no such kind of store.
    """
    with _opening:
        if address not in _opened:
            _opened[address] = _open(address)
        return _opened[address]


def _open(address: str) -> TokenStore:
    try:
        url = urlsplit(address)
    except ValueError:
        raise ChannelConfigurationError(f"Option {_OPTION}: {address!r} is no address.") from None
    if url.scheme == "memory":
        from airflow_channel_provider.tokens.stores.memory import MemoryStore

        return MemoryStore()
    if url.scheme == "file":
        directory = unquote(url.path)
        if url.netloc not in ("", "localhost") or not directory.startswith("/") or directory == "/":
            raise ChannelConfigurationError(
                f"Option {_OPTION}: {address!r} names no absolute directory; write file:///absolute/directory "
                "(three slashes)."
            )
        from airflow_channel_provider.tokens.stores.file import FileStore

        return FileStore(directory, address=address)
    # The rest may be the address of a server, password included.
    named = f"{url.scheme}://" if "://" in address else repr(address)
    raise ChannelConfigurationError(
        f"Option {_OPTION}: {named} is no known store; use file:///absolute/directory, redis://CONN_ID, sql://CONN_ID, "
        "variable:// or memory://."
    )
