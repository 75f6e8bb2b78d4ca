"""
Puts sections of the README into pages of the site, so that nothing is written twice.

A line ``<!-- README: ## Operators -->`` is replaced by what stands under that heading, its sub-headings one level below
the page's title. Links of the README lead from the project's root: those into ``docs`` become links of the site, those
to other files become the names of these files.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

README = Path(__file__).parents[2] / "README.md"
_PLACE = re.compile(r"^<!-- README: (?P<heading>#+ [^\n]+?) -->$", re.MULTILINE)
_BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(#+)(?= )", re.MULTILINE)
_LINK = re.compile(r"(!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")


class UnknownSectionError(LookupError):
    """A page names a heading that the README does not have."""


def section(readme: str, heading: str) -> str:
    """Return what stands under a heading, sub-headings included."""
    plain = _BLOCK.sub(lambda block: block[0].replace("#", " "), readme)
    start = f"\n{plain}".find(f"\n{heading}\n")
    if start < 0:
        raise UnknownSectionError(f"The README has no heading {heading!r}")
    level = len(heading) - len(heading.lstrip("#"))
    body = start + len(heading) + 1
    end = re.compile(rf"^#{{1,{level}}} ", re.MULTILINE).search(plain, body)
    return readme[body : end.start() if end else len(readme)].strip()


def lifted(text: str, levels: int) -> str:
    """Move headings up by so many levels; what looks like one in a block stays."""
    return _outside_blocks(text, lambda part: _HEADING.sub(lambda found: found[1][levels:], part))


def relinked(text: str, pages: frozenset[str]) -> str:
    """Let links lead to pages of the site."""
    return _outside_blocks(text, lambda part: _LINK.sub(lambda link: _link(link, pages), part))


def _link(link: re.Match[str], pages: frozenset[str]) -> str:
    target, text = link["target"], link["text"]
    if "://" in target:
        return link[0]
    if target.startswith("#"):
        place = _PLACES.get(target.removeprefix("#"))
        return f"[{text}]({place})" if place else text
    inside = target.removeprefix("docs/")
    if target.startswith("docs/") and (link[1] or inside.partition("#")[0] in pages):
        return f"{link[1]}[{text}]({inside})"
    return text


_PLACES: dict[str, str] = {}
"""Anchor of a README heading -> where the site shows it."""


def _outside_blocks(text: str, change: Any) -> str:
    parts, position = [], 0
    for block in _BLOCK.finditer(text):
        parts += [change(text[position : block.start()]), block[0]]
        position = block.end()
    return "".join([*parts, change(text[position:])])


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lstrip("# ").lower()).replace(" ", "-")


def note_places(app: Sphinx) -> None:
    """Note which page shows which section, and which sections are inside it."""
    readme = README.read_text(encoding="utf-8")
    for page in Path(app.srcdir).glob("*.md"):
        for place in _PLACE.finditer(page.read_text(encoding="utf-8")):
            _PLACES[_anchor(place["heading"])] = page.name
            inner = _HEADING.split(_BLOCK.sub("", section(readme, place["heading"])))[2::2]
            anchors = [_anchor(text.partition("\n")[0]) for text in inner]
            _PLACES.update({anchor: f"{page.name}#{anchor}" for anchor in anchors})


def fill_in(app: Sphinx, docname: str, source: list[str]) -> None:
    """Replace the places of one page."""
    if not _PLACE.search(source[0]):
        return
    app.env.note_dependency(str(README))
    readme = README.read_text(encoding="utf-8")
    pages = frozenset(page.name for page in Path(app.srcdir).glob("*.md"))

    def shown(place: re.Match[str]) -> str:
        level = len(place["heading"]) - len(place["heading"].lstrip("#"))
        return relinked(lifted(section(readme, place["heading"]), level - 1), pages)

    source[0] = _PLACE.sub(shown, source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx."""
    app.connect("builder-inited", note_places)
    app.connect("source-read", fill_in)
    return {"parallel_read_safe": True}
