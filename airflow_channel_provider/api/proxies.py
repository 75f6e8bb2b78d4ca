"""
The proxy that the environment names for a service, and the connections through it, by the rules of ``requests``.

Imported only where the environment names a proxy: ``requests`` costs a new process as much as the rest of a call.
"""

from __future__ import annotations

import base64

from requests.adapters import SOCKSProxyManager
from requests.exceptions import InvalidProxyURL
from requests.utils import get_auth_from_url, get_environ_proxies, prepend_scheme_if_needed, select_proxy
from urllib3.poolmanager import PoolManager, proxy_from_url
from urllib3.util.url import parse_url


def proxy_before(base_url: str) -> str | None:
    """Return the address of the proxy before a service; None where ``NO_PROXY`` excepts it."""
    return select_proxy(base_url, get_environ_proxies(base_url, no_proxy=None))


def manager_behind(proxy: str, *, connections: int) -> PoolManager:
    """
    Return what connects through a proxy.

    :param proxy: its address; user and password may have letters of any language.
    :param connections: so many are kept.
    :raises InvalidSchema: of ``requests``: it is a SOCKS proxy, and the package PySocks is not installed.
    :raises InvalidProxyURL: of ``requests``: the address has no host.
    """
    address = prepend_scheme_if_needed(proxy, "http")  # type: ignore[no-untyped-call]
    if not parse_url(address).host:
        raise InvalidProxyURL("no host")
    user, password = get_auth_from_url(address)
    manager: PoolManager
    if address.lower().startswith("socks"):
        manager = SOCKSProxyManager(address, username=user, password=password, maxsize=connections)
    else:
        login = base64.b64encode(f"{user}:{password}".encode("utf-8", "replace")).decode()
        headers = {"Proxy-Authorization": f"Basic {login}"} if user else {}
        manager = proxy_from_url(address, proxy_headers=headers, maxsize=connections)
    return manager
