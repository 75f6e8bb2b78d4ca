"""
Markdown -> blocks, link buttons and files.

=================================  ==========================================================================
``# Heading``                      a text in bold
``*italics*``, ``**bold**``        the same; a line break stays one
``[text](https://...)``            a link
``[@Name](manager:ID)``            a mention, which notifies that manager
``[Title](https://... "button")``  a link button, taken out of the text; ``"button green"`` gives it a colour
``![text](https://...)``           a file, with its text left in place
``- item``, ``1. item``            bullets, nested as they are; numbers stay in front
``> quote``                        a text with ``>`` in front of each line
a fenced block                     a code block with its language; what follows that becomes a text above it
code within a text                 in bold, as alerts write names: the service has no such markup
``---``                            a line of dashes: the service's own list of blocks has none that divides
``:name:``, ``${name}``            an emoji of the service; the text itself, for the service would put a value there
=================================  ==========================================================================

No text is refused and no word is lost: what cannot be shown as it is meant - a third button, a title that is too long,
an address that is none of the web - stays in the text. HTML is no markup here, it is shown as it is written. Link
definitions (``[name]: https://...``) are not read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.messages import markup
from airflow_channel_provider.messages.attachments import (
    COLORS,
    MAX_BUTTONS,
    MAX_FILES,
    TITLE_LENGTH,
    is_web_url,
    message_file,
    web_button,
)

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token
    from markdown_it.tree import SyntaxTreeNode

Block = dict[str, Any]

MANAGER = "manager:"
BUTTON = "button"
RULE = "\u2014" * 3
# What is nested deeper, the parser drops.
MAX_NESTING = 20
_NOT_READ = ("reference", "html_block", "html_inline")


class Markdown(NamedTuple):
    """What a text in Markdown comes to, as the service takes it."""

    blocks: list[Block]
    buttons: list[dict[str, Any]]
    files: list[dict[str, Any]]


def read_markdown(text: str) -> Markdown:
    """
    Read a text in Markdown; any text is one.

    :raises ChannelConfigurationError: the package that parses it is not installed.
    """
    tokens = _parser().parse(text)
    if _is_too_deep(tokens):
        return Markdown([_text(markup.escape(text))], [], [])
    from markdown_it.tree import SyntaxTreeNode

    reader = _Reader()
    return Markdown(list(reader.blocks(SyntaxTreeNode(tokens).children)), reader.buttons, reader.files)


@cache
def _parser() -> MarkdownIt:
    try:
        from markdown_it import MarkdownIt
    except ImportError:
        raise ChannelConfigurationError(
            "markdown needs the package markdown-it-py; install airflow-channel-provider[markdown]."
        ) from None
    return MarkdownIt("commonmark", {"html": False, "maxNesting": MAX_NESTING}).disable(list(_NOT_READ))


def _is_too_deep(tokens: Iterable[Token]) -> bool:
    return any(token.nesting == 1 and token.level >= MAX_NESTING - 1 for token in tokens)


class _Reader:
    """Walks the tree of one text; buttons and files are collected on the way."""

    def __init__(self) -> None:
        self.buttons: list[dict[str, Any]] = []
        self.files: list[dict[str, Any]] = []

    # Blocks

    def blocks(self, nodes: Iterable[SyntaxTreeNode]) -> Iterator[Block]:
        for node in nodes:
            yield from getattr(self, f"_{node.type}")(node)

    def _paragraph(self, node: SyntaxTreeNode) -> Iterator[Block]:
        yield from _texts(self._markup(node.children))

    def _heading(self, node: SyntaxTreeNode) -> Iterator[Block]:
        shown = self._markup(node.children, bold=True).strip()
        yield from _texts(markup.bold(shown) if shown else "")

    def _fence(self, node: SyntaxTreeNode) -> Iterator[Block]:
        language, _, caption = node.info.strip().partition(" ")
        yield from _texts(markup.escape(caption))
        yield {**_code(node.content), **({"language": language} if language else {})}

    def _code_block(self, node: SyntaxTreeNode) -> Iterator[Block]:
        yield _code(node.content)

    def _hr(self, node: SyntaxTreeNode) -> Iterator[Block]:
        yield _text(RULE)

    def _blockquote(self, node: SyntaxTreeNode) -> Iterator[Block]:
        yield from map(_quoted, self.blocks(node.children))

    def _bullet_list(self, node: SyntaxTreeNode) -> Iterator[Block]:
        items = (_joined(self.blocks(item.children)) for item in node.children)
        yield from _bullets(block for item in items for block in item)

    def _ordered_list(self, node: SyntaxTreeNode) -> Iterator[Block]:
        first = int(node.attrs.get("start", 1))
        items = enumerate((_joined(self.blocks(item.children)) for item in node.children), start=first)
        yield from _bullets(block for number, item in items for block in _numbered(number, item))

    # Text

    def _markup(self, nodes: Iterable[SyntaxTreeNode], *, bold: bool = False, italic: bool = False) -> str:
        return "".join(self._inline(node, bold=bold, italic=italic) for node in nodes)

    def _inline(self, node: SyntaxTreeNode, *, bold: bool, italic: bool) -> str:
        """Return the markup of one node; what is bold already is not made so again."""
        if node.type == "strong":
            inner = self._markup(node.children, bold=True, italic=italic)
            return inner if bold or not inner.strip() else markup.bold(inner)
        if node.type == "em":
            inner = self._markup(node.children, bold=bold, italic=True)
            return inner if italic or not inner.strip() else markup.italic(inner)
        if node.type == "link":
            return self._link(node, self._markup(node.children, bold=bold, italic=italic))
        if node.type == "image":
            return self._image(node)
        if node.type == "code_inline":
            name = markup.escape(node.content)
            return name if bold or not name.strip() else markup.bold(name)
        if node.type in ("softbreak", "hardbreak"):
            return "\n"
        if node.children:
            return self._markup(node.children, bold=bold, italic=italic)
        return markup.escape(node.content, emoji=True)

    def _link(self, node: SyntaxTreeNode, shown: str) -> str:
        url, title = str(node.attrs.get("href", "")), str(node.attrs.get("title", ""))
        if self._is_button(markup.plain(shown).strip(), url, title):
            return ""
        if url.startswith(MANAGER) and url != MANAGER:
            name = markup.plain(shown).removeprefix("@")
            return markup.mention(unquote(url.removeprefix(MANAGER)), name) + _aside(title)
        return _link_or_text(url, shown) + ("" if _color_of_button(title) is not None else _aside(title))

    def _is_button(self, name: str, url: str, title: str) -> bool:
        """Collect a link that is meant to be a button and can be one."""
        color = _color_of_button(title)
        fits = color is not None and 1 <= len(name) <= TITLE_LENGTH and is_web_url(url)
        if not fits or len(self.buttons) == MAX_BUTTONS:
            return False
        self.buttons.append(web_button(name, url, color or None))
        return True

    def _image(self, node: SyntaxTreeNode) -> str:
        url, title = str(node.attrs.get("src", "")), str(node.attrs.get("title", ""))
        shown = "".join(child.content for child in node.walk() if not child.children)
        if not is_web_url(url) or len(self.files) == MAX_FILES:
            return _link_or_text(url, markup.escape(shown)) + _aside(title)
        self.files.append(message_file(url))
        return markup.escape(shown) + _aside(title)


def _color_of_button(title: str) -> str | None:
    """Return the colour that a link's title asks for, empty for the service's; None where it asks for no button."""
    word, _, color = title.partition(" ")
    return color if word == BUTTON and (not color or color.upper() in COLORS) else None


def _link_or_text(url: str, shown: str) -> str:
    if is_web_url(url):
        return markup.link(url, shown if shown.strip() else markup.escape(url))
    same = not url or markup.plain(shown) in (url, url.removeprefix("mailto:"))
    return shown if same else f"{shown} ({markup.escape(url)})"


def _aside(title: str) -> str:
    return f" ({markup.escape(title)})" if title else ""


def _text(value: str) -> Block:
    return {"type": "text", "value": value}


def _code(value: str) -> Block:
    return {"type": "code", "value": value.rstrip("\n")}


def _texts(value: str) -> Iterator[Block]:
    if value.strip():
        yield _text(value.strip())


def _bullets(blocks: Iterable[Block]) -> Iterator[Block]:
    if items := list(blocks):
        yield {"type": "bullets", "blocks": items}


def _joined(blocks: Iterable[Block]) -> list[Block]:
    """Join texts that follow each other: each block of a list has a bullet of its own."""
    joined: list[Block] = []
    for block in blocks:
        if joined and block["type"] == joined[-1]["type"] == "text":
            joined[-1] = _text(f"{joined[-1]['value']}\n{block['value']}")
        else:
            joined.append(block)
    return joined


def _numbered(number: int, blocks: list[Block]) -> list[Block]:
    if blocks and blocks[0]["type"] == "text":
        return [_text(f"{number}. {blocks[0]['value']}"), *blocks[1:]]
    return [_text(f"{number}."), *blocks]


def _quoted(block: Mapping[str, Any]) -> Block:
    if block["type"] == "text":
        return _text("\n".join(f"{markup.escape('>')} {line}" for line in block["value"].split("\n")))
    if block["type"] == "bullets":
        return {**block, "blocks": [_quoted(inner) for inner in block["blocks"]]}
    return dict(block)
