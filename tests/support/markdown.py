"""The pages of the documentation, and just enough of Markdown to check what they say: fenced blocks, tables, links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (*sorted(ROOT.glob("*.md")), *sorted(ROOT.joinpath("docs").rglob("*.md")))

_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]*?) -->\n)?^```(?P<language>\{?\w*\}?)[^\n]*\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_INLINE_CODE = re.compile(r"`[^`\n]+`")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """
    A fenced block.

    :param mark: text of the comment in the line before it, empty where there is none.
    """

    language: str
    mark: str
    text: str


def blocks(page: str) -> list[Block]:
    return [Block(found["language"], found["mark"] or "", found["text"]) for found in _BLOCK.finditer(page)]


def all_blocks() -> list[tuple[str, Block]]:
    """Return the blocks of all pages with the name of their page, without the directives of the site."""
    return [
        (path.relative_to(ROOT).as_posix(), block)
        for path in PAGES
        for block in blocks(path.read_text(encoding="utf-8"))
        if not block.language.startswith("{")
    ]


def marked(kind: str) -> dict[str, str]:
    """
    Return the text of each block that is marked ``kind: name``, by its name.

    :raises ValueError: two different blocks have one name.
    """
    found: dict[str, str] = {}
    for page, block in all_blocks():
        before, _, name = block.mark.partition(": ")
        if before == kind and found.setdefault(name, block.text) != block.text:
            raise ValueError(f"{page}: another block is called {name}")
    return found


def page(name: str) -> str:
    """Return the text of a page in ``docs``."""
    return ROOT.joinpath("docs", name).read_text(encoding="utf-8")


def without_blocks(page: str) -> str:
    return _BLOCK.sub("", page)


def links(page: str) -> list[str]:
    return _LINK.findall(_INLINE_CODE.sub("", without_blocks(page)))


def anchors(page: str) -> set[str]:
    """Return the anchors that a page's headings have."""
    headings = re.findall(r"^#+ (.+)$", without_blocks(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def section(page: str, heading: str) -> str:
    """Return the text below a heading, with the sections inside it."""
    level = heading.split(" ")[0]
    start = page.index(f"\n{heading}\n") + len(heading) + 2
    # A comment in a block looks like a heading.
    plain = _BLOCK.sub(lambda block: block[0].replace("#", " "), page)
    end = re.compile(rf"^#{{1,{len(level)}}} ", re.MULTILINE).search(plain, start)
    return page[start : end.start() if end else len(page)]


def tables(page: str) -> list[list[list[str]]]:
    """Return the tables of a page as rows of cells, each with its head row and without the line below that."""
    found: list[list[list[str]]] = []
    inside = False
    for line in without_blocks(page).splitlines():
        if not line.startswith("|"):
            inside = False
            continue
        if not inside:
            found.append([])
        inside = True
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if any(cell.strip("-: ") for cell in cells):
            found[-1].append(cells)
    return found


def code(cell: str) -> str:
    """Return the first `code` of a cell."""
    return cell.split("`")[1]
