"""What hangs on a message beside its text: files by URL, and buttons.

The sources disagree on the ``action`` of a button, so that a caller's own is passed on as it is; what is built here has
the shape of the published protocol of native functions.
"""

from __future__ import annotations

import difflib
import mimetypes
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from airflow_channel_provider.exceptions import ChannelConfigurationError

__all__ = [
    "COLORS",
    "MAX_BUTTONS",
    "MAX_FILES",
    "TITLE_LENGTH",
    "is_web_url",
    "message_button",
    "message_file",
    "web_button",
]

# Limits of the service's message contract.
MAX_BUTTONS = 2
MAX_FILES = 30
TITLE_LENGTH = 30
COLORS = ("BLACK", "COBALT", "GREEN", "ORANGE", "PINK", "PURPLE", "RED")
COLOR_PREFIX = "MESSAGE_COLOR_VARIANT_"
UNKNOWN_MIME = "application/octet-stream"


def is_web_url(value: object) -> bool:
    """Tell whether this is an absolute ``http`` or ``https`` URL."""
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
            f"A file is its URL, or a mapping with its url, not {type(given).__name__}."
        )
    if not is_web_url(file.get("url")):
        raise ChannelConfigurationError("The url of a file must be a whole http or https URL.")
    name = file.get("fileName") or _name_of(file["url"])
    return {**file, "mime": file.get("mime") or _mime_of(name), "fileName": name}


def message_button(given: object) -> dict[str, Any]:
    """
    Return a button as the service takes it.

    :param given: ``title`` and ``action``, which are passed on, or ``title``, ``url`` and ``color`` of a link button.
    :raises ChannelConfigurationError: the title is missing or too long, there is no action, or the colour is unknown.
    """
    if not isinstance(given, Mapping):
        raise ChannelConfigurationError(f"A button must be a mapping, not {type(given).__name__}.")
    title = given.get("title")
    if not isinstance(title, str) or not 1 <= len(title.strip()) <= TITLE_LENGTH:
        raise ChannelConfigurationError(f"The title of a button has 1 to {TITLE_LENGTH} characters.")
    if given.get("action"):
        return dict(given)
    if not is_web_url(given.get("url")):
        raise ChannelConfigurationError("A button needs a whole http or https url, or an action of its own.")
    return web_button(title.strip(), given["url"], given.get("color"))


def web_button(title: str, url: str, color: str | None = None) -> dict[str, Any]:
    """
    Return a button that opens a page.

    :param title: 1 to 30 characters.
    :param color: such as ``green``; default: the service's.
    :raises ChannelConfigurationError: the colour is unknown.
    """
    button: dict[str, Any] = {"title": title, "action": {"webAction": {"attributes": {"url": url}}}}
    return button if color is None else {**button, "colorVariant": _color(color)}


def _color(color: object) -> str:
    name = str(color).upper().removeprefix(COLOR_PREFIX)
    if name not in COLORS:
        near = difflib.get_close_matches(name, COLORS, n=1)
        hint = f"did you mean {near[0].lower()!r}?" if near else f"there are {', '.join(COLORS).lower()}."
        raise ChannelConfigurationError(f"{color!r} is no colour of a button; {hint}")
    return COLOR_PREFIX + name


def _name_of(url: str) -> str:
    return unquote(urlsplit(url).path).rstrip("/").rpartition("/")[2] or "file"


def _mime_of(name: str) -> str:
    return mimetypes.guess_type(name, strict=False)[0] or UNKNOWN_MIME
