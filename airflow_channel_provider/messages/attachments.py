"""Files and buttons of a message.

The vendor has published the ``action`` of a button in three shapes, and does not say which of them it takes. This
module builds the newest: a type and its attributes, as the server's own contract and the Open API show it. A caller's
own action is passed on unchanged, after its addresses were checked.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from airflow_channel_provider.contract.parts import BUTTON_TITLE, BUTTONS, FILES, MESSAGE_COLOR
from airflow_channel_provider.exceptions import ChannelConfigurationError

MAX_BUTTONS = BUTTONS.most or 0
MAX_FILES = FILES.most or 0
TITLE_LENGTH = BUTTON_TITLE.most or 0
COLORS = tuple(sorted(MESSAGE_COLOR.names))
COLOR_PREFIX = MESSAGE_COLOR.prefix
UNKNOWN_MIME = "application/octet-stream"

LINK_SCHEMES = ("http", "https", "mailto", "tel")
"""Schemes that a link in a message may have; none of them runs a script or opens a file."""

_ADDRESS_NAMES = ("url", "uri", "href", "link")
# Arguments of a command or a web app; nobody is sent there.
_ARGUMENTS = frozenset({"params", "wamargs"})
# A browser overlooks these: line breaks and tabs anywhere, spaces and controls in front.
_OVERLOOKED = {ord(character): None for character in "\t\r\n"}
_SCHEME = re.compile(r"[\x00-\x20]*([a-zA-Z][a-zA-Z0-9+.-]*):")


def check_link(where: str, url: str) -> None:
    """
    Refuse an address with an unsafe scheme; one without a scheme is left to the service.

    :param where: names it in the message.
    :raises ChannelConfigurationError: the scheme is none of :data:`LINK_SCHEMES`, as a browser reads it.
    """
    found = _SCHEME.match(url.translate(_OVERLOOKED))
    if found is not None and found[1].lower() not in LINK_SCHEMES:
        raise ChannelConfigurationError(
            f"{where} has an address that does not begin with one of {', '.join(LINK_SCHEMES)}. Other addresses are "
            "not sent, since they may open anything on the reader's device. Use a complete http or https URL."
        )


def check_addresses(where: str, value: object) -> None:
    """
    Refuse the addresses in a structure of the service's, however deep, as :func:`check_link` does.

    :raises ChannelConfigurationError: one of them is refused, or the structure is nested too deeply.
    """
    try:
        for url in _addresses(value):
            check_link(where, url)
    except RecursionError:
        raise ChannelConfigurationError(f"{where} is nested too deeply, or contains itself.") from None


def _addresses(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            lower = str(name).lower()
            if isinstance(inner, str) and lower.endswith(_ADDRESS_NAMES):
                yield inner
            elif lower not in _ARGUMENTS:
                yield from _addresses(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _addresses(inner)


def is_web_url(value: object) -> bool:
    """Return whether this is an absolute ``http`` or ``https`` URL."""
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
        return parts is not None and parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def message_file(given: object) -> dict[str, Any]:
    """
    Return a file as the service takes it.

    :param given: its URL, or a mapping with ``url`` and, where they are not to be guessed from it, ``fileName`` and
        ``mime``.
    :raises ChannelConfigurationError: it has no URL that the service could fetch.
    """
    file = {"url": given} if isinstance(given, str) else given
    if not isinstance(file, Mapping):
        raise ChannelConfigurationError(
            f"A file must be its URL, or a mapping with url, not {type(given).__name__}."
        )
    if not is_web_url(file.get("url")):
        raise ChannelConfigurationError("The url of a file must be a complete http or https URL.")
    name = file.get("fileName") or _name_of(file["url"])
    return {**file, "mime": file.get("mime") or _mime_of(name), "fileName": name}


def message_button(given: object) -> dict[str, Any]:
    """
    Return a button as the service takes it.

    :param given: ``title`` and ``action``, which are passed on, or ``title``, ``url`` and ``color`` of a link button.
    :raises ChannelConfigurationError: the title is missing, there is no action, it leads where nobody should be sent,
        or the colour is no name.
    """
    if not isinstance(given, Mapping):
        raise ChannelConfigurationError(f"A button must be a mapping, not {type(given).__name__}.")
    title = given.get("title")
    if isinstance(title, str) and not given.get("action"):
        title = title.strip()
    if not isinstance(title, str) or not title.strip():
        raise ChannelConfigurationError("A button needs a title.")
    if given.get("action"):
        check_addresses("The action of a button", given)
        return dict(given)
    if not is_web_url(given.get("url")):
        raise ChannelConfigurationError("A button needs a complete http or https url, or its own action.")
    return web_button(title, given["url"], given.get("color"))


def web_button(title: str, url: str, color: str | None = None) -> dict[str, Any]:
    """
    Return a button that opens a page.

    :param title: 1 to 30 characters.
    :param color: such as ``green``; default: the service's.
    :raises ChannelConfigurationError: the colour is no name.
    """
    button: dict[str, Any] = {"title": title, "action": {"type": "web", "attributes": {"url": url}}}
    return button if color is None else {**button, "colorVariant": _color(color)}


def _color(color: object) -> str:
    """Return a colour as the service spells it; which there are only a type knows, so that the hook warns of others."""
    if not isinstance(color, str) or not color.strip():
        raise ChannelConfigurationError("The colour of a button must be a name, such as green.")
    return COLOR_PREFIX + color.strip().upper().removeprefix(COLOR_PREFIX)


def _name_of(url: str) -> str:
    return unquote(urlsplit(url).path).rstrip("/").rpartition("/")[2] or "file"


def _mime_of(name: str) -> str:
    return mimetypes.guess_type(name, strict=False)[0] or UNKNOWN_MIME
