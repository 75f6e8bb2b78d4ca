"""
Check every link inside a built site: ``python tools/site_links.py FOLDER``.

A link is a ``href`` or ``src`` to the same site. It must lead to a file of the folder and, if it names one, to an
element with that id.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


@dataclass
class Page(HTMLParser):
    """The anchors and links of a page."""

    anchors: set[str] = field(default_factory=set)
    links: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the ids and the links of an element."""
        for name, value in attrs:
            if value and (name == "id" or (name == "name" and tag == "a")):
                self.anchors.add(value)
            elif value and name in ("href", "src"):
                self.links.add(value)


def pages(folder: Path) -> dict[Path, Page]:
    """Read all pages of a site."""
    found = {}
    for path in sorted(folder.rglob("*.html")):
        found[path] = Page()
        found[path].feed(path.read_text(encoding="utf-8"))
    return found


def broken(folder: Path) -> list[str]:
    """
    Return the links that lead nowhere, as ``page: link``.

    :param folder: of the site.
    """
    folder = folder.resolve()
    site = pages(folder)
    return [
        f"{path.relative_to(folder)}: {link}"
        for path, page in site.items()
        for link in sorted(page.links)
        if not _leads_somewhere(folder, site, path, link)
    ]


def _leads_somewhere(folder: Path, site: dict[Path, Page], path: Path, link: str) -> bool:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return True
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if target.is_dir():
        target /= "index.html"
    if not target.is_relative_to(folder) or not target.is_file():
        return False
    anchor = unquote(parts.fragment)
    return not anchor or target not in site or anchor in site[target].anchors


def main(folder: str) -> int:
    """Print the broken links and the number of links that were checked."""
    site, lost = pages(Path(folder)), broken(Path(folder))
    for line in lost:
        print(f"leads nowhere: {line}")
    print(f"{sum(len(page.links) for page in site.values())} links on {len(site)} pages, {len(lost)} broken")
    return 1 if lost or not site else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
