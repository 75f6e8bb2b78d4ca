"""The markup in the text of a block: bold, italics, links, mentions.

Plain text must go through :func:`escape`. The other functions take markup, return markup, and escape what they put into
an attribute. The ``value`` of a code block is not markup and is never escaped.

The service also reads ``:name:`` as an emoji and ``${name}`` as a variable, and documents no escape for them. So a
character without width is put between their first two characters: the text looks the same and is not converted.
``12:30:45`` is no emoji, since no emoji has a number as its name.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

_LINK = re.compile(r"""<link\b((?:"[^"]*"?|'[^']*'?|[^<>"'])*)""", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""\b([a-zA-Z]{1,20})\s{0,9}=\s{0,9}(?:"([^"]*)|'([^']*)|([^\s"']+))""")
_TAG = re.compile(r"</?(?:b|i|link)(?: [^<>]*)?>")
_WORD_JOINER = "\u2060"
_EMOJI = re.compile(r":(?=[-+]\d+:|[-+_0-9]*[a-zA-Z][-+_0-9a-zA-Z]*:)", re.ASCII)
_JOINED = re.compile(rf"(?<=:){_WORD_JOINER}(?=[-+_0-9a-zA-Z])|(?<=\$){_WORD_JOINER}(?={{)", re.ASCII)


def escape(text: str, *, emoji: bool = False) -> str:
    """
    Return text that means itself, whatever characters it has.

    :param text: what people wrote.
    :param emoji: whether ``:name:`` stays an emoji.
    """
    kept = text if emoji else _EMOJI.sub(f":{_WORD_JOINER}", text)
    return _entities(kept.replace("${", f"${_WORD_JOINER}{{"))


def bold(markup: str) -> str:
    """Return the markup in bold."""
    return f"<b>{markup}</b>"


def italic(markup: str) -> str:
    """Return the markup in italics."""
    return f"<i>{markup}</i>"


def link(url: str, markup: str) -> str:
    """
    Return a link.

    :param url: where it leads.
    :param markup: what is shown.
    """
    return f'<link type="url" value="{_attribute(url)}">{markup}</link>'


def mention(manager_id: str, name: str) -> str:
    """
    Return a mention, which notifies a manager.

    :param manager_id: whom.
    :param name: what is shown behind an ``@``; plain text.
    """
    return f'<link type="manager" value="{_attribute(manager_id)}">@{escape(name)}</link>'


def links(markup: str) -> Iterator[str]:
    """Yield where the links in a markup lead, or could be taken to lead, mentions apart."""
    for tag in _LINK.finditer(markup):
        found = [
            (name.lower(), html.unescape("".join(values))) for name, *values in _ATTRIBUTE.findall(tag[1])
        ]
        if {text.lower() for name, text in found if name == "type"} != {"manager"}:
            yield from (text for name, text in found if name == "value")


def plain(markup: str) -> str:
    """Return what is left to read when nothing is bold, and no link leads anywhere."""
    return _JOINED.sub("", html.unescape(_TAG.sub("", markup)))


def _entities(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _attribute(text: str) -> str:
    return _entities(text).replace('"', "&quot;")
