"""
Normalises the address of a service: equal services get equal base URLs, however a connection writes them.

Tokens are shared by base URL, and messages quote it. So it is in lower case, without default port, trailing slash and
the dot that ends a name, an IPv6 address is in its shortest form, and it never contains a user, a password, a path or a
query.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

from airflow_channel_provider.exceptions import ChannelConfigurationError

_T = TypeVar("_T")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?")


def normalise_base_url(host: str, *, schema: str | None, port: int | None) -> str:
    """
    Build ``scheme://host[:port]`` from the three fields of a connection.

    :param host: name or address, with or without scheme, port and trailing slash.
    :param schema: ``http`` or ``https``; None or empty: the host's own scheme, else https.
    :param port: 1 to 65535; None: the host's own port, else the scheme's default.
    :raises ChannelConfigurationError: a field is wrong, or two of them contradict each other. The value is
        not quoted: it may hold a password.
    """
    parts = _split(host)
    scheme = _agree("schema", parts.scheme.lower(), (schema or "").strip().lower()) or "https"
    if scheme not in _DEFAULT_PORTS:
        raise ChannelConfigurationError("The schema of the connection must be http or https.")
    number = _agree("port", _port_of(parts), _checked_port(port))
    suffix = "" if number in (None, _DEFAULT_PORTS[scheme]) else f":{number}"
    return f"{scheme}://{_checked_name(parts)}{suffix}"


def is_unencrypted(base_url: str) -> bool:
    """
    Return whether requests travel unencrypted: without TLS, and to another machine.

    :param base_url: from :func:`normalise_base_url`.
    """
    parts = urlsplit(base_url)
    return parts.scheme == "http" and not _is_this_machine(parts.hostname or "")


def _is_this_machine(name: str) -> bool:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name.rpartition(".")[2] == "localhost"
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _split(host: str) -> SplitResult:
    text = host.strip() if isinstance(host, str) else ""
    if not text:
        raise ChannelConfigurationError("The host of the connection is empty.")
    if "://" not in text:
        text = f"//[{text}]" if _is_ipv6(text) else f"//{text}"
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ChannelConfigurationError("The host of the connection is not a valid address.") from None
    if parts.username is not None or parts.password is not None:
        raise ChannelConfigurationError("The host of the connection must not hold a user or a password.")
    if parts.path.strip("/") or parts.query or parts.fragment or any(sign in text for sign in "?#\\"):
        raise ChannelConfigurationError(
            "The host of the connection must be a host only, without path or query."
        )
    return parts


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _checked_name(parts: SplitResult) -> str:
    name = parts.hostname or ""
    if _is_ipv6(name):
        return f"[{ipaddress.IPv6Address(name).compressed}]"
    try:
        name = name.encode("idna").decode("ascii") if not name.isascii() else name
    except UnicodeError:
        name = ""
    if len(name) > 253 or not _NAME.fullmatch(name):
        raise ChannelConfigurationError("The host of the connection is not a valid host name or address.")
    return name.removesuffix(".")


def _port_of(parts: SplitResult) -> int | None:
    try:
        return _checked_port(parts.port)
    except ValueError:
        raise ChannelConfigurationError("The port in the host of the connection is not a number.") from None


def _checked_port(port: int | None) -> int | None:
    if port is None:
        return None
    if isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= 65_535:
        raise ChannelConfigurationError("The port of the connection must be a number from 1 to 65535.")
    return port


def _agree(field: str, in_host: _T, in_field: _T) -> _T:
    if in_host and in_field and in_host != in_field:
        raise ChannelConfigurationError(
            f"The {field} of the connection contradicts the one in its host: leave one of them out."
        )
    return in_host or in_field
