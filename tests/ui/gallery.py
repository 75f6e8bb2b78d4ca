"""Pictures of what a person sees, at both widths and in both themes, kept for people to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from playwright.sync_api import ViewportSize, expect

from ui.deployment import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Page

FOLDER = ROOT / ".ui" / "screenshots"
WIDTHS = (400, 1600)
HEIGHT = 1000
MOST_HEIGHT = 4000
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
DESK: ViewportSize = {"width": 1600, "height": HEIGHT}
# How much is hidden below the edge of whatever scrolls: the page, a dialog over it, what is in a frame.
HIDDEN_HEIGHT = """() => {
  const roots = [document, ...[...document.querySelectorAll("iframe")].map((frame) => frame.contentDocument)];
  const boxes = roots.filter(Boolean).flatMap((root) => [root.scrollingElement, ...root.querySelectorAll("main, div")]);
  const scrolls = (box) => /auto|scroll/.test(getComputedStyle(box).overflowY) || box.tagName === "HTML";
  return Math.max(...boxes.filter(scrolls).map((box) => box.scrollHeight - box.clientHeight), 0);
}"""


def take_pictures(page: Page, name: str) -> None:
    """
    Take the pictures of what a page shows now, and leave it as it was.

    :param name: what they show.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        expect(page.locator("html")).to_have_class(theme)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": HEIGHT})
            hidden: int = page.evaluate(HIDDEN_HEIGHT)
            page.set_viewport_size({"width": width, "height": min(MOST_HEIGHT, HEIGHT + hidden)})
            page.screenshot(path=FOLDER / f"{name}-{width}-{theme}.png", animations="disabled")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(DESK)
