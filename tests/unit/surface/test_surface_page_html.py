"""What the HTML of the page promises: to a screen reader, to the eye, and about where it comes from."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from airflow_channel_provider.plugins import _page


class Page(HTMLParser):
    """Start tags with their attributes, and how they are nested."""

    VOID = frozenset({"meta", "input", "br", "link", "img"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None], tuple[str, ...]]] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs), tuple(self._open)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def of(self, *names: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes, _ in self.tags if tag in names]


PAGE = Page(_page.page())
SCRIPT = "".join(re.findall(r"<script>(.*?)</script>", _page.page(), re.DOTALL))
STYLE = "".join(re.findall(r"<style>(.*?)</style>", _page.page(), re.DOTALL))


@pytest.mark.parametrize("text", [_page.page(), _page.notice("Title", "Text")], ids=["page", "notice"])
def test_landmarks_language_and_headings(text: str) -> None:
    page = Page(text)
    assert page.of("html")[0]["lang"] == "en"
    assert len(page.of("title")) == len(page.of("h1")) == len(page.of("header")) == len(page.of("main")) == 1
    assert "width=device-width" in str(page.of("meta"))


def test_each_section_dialog_and_field_has_a_name() -> None:
    ids = {attributes["id"] for _, attributes, _ in PAGE.tags if "id" in attributes}
    named = [*PAGE.of("section"), *PAGE.of("dialog")]
    assert named
    assert all(attributes["aria-labelledby"] in ids for attributes in named)
    fields = [around for tag, _, around in PAGE.tags if tag == "input"]
    assert len(fields) == 2
    assert all("label" in around for around in fields)
    assert all(button["type"] == "button" for button in PAGE.of("button"))


def test_ids_are_unique_and_those_that_the_script_asks_for_exist() -> None:
    ids = [attributes["id"] for _, attributes, _ in PAGE.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'\$\("([\w-]+)"\)', SCRIPT)) <= set(ids)


def test_changes_are_announced_politely_and_once() -> None:
    live = [attributes for _, attributes, _ in PAGE.tags if "aria-live" in attributes]
    assert [(region["role"], region["aria-live"]) for region in live] == [("status", "polite")]


def test_nothing_comes_from_elsewhere() -> None:
    assert not [a for _, a, _ in PAGE.tags if {"src", "href", "action", "srcset", "data"} & a.keys()]
    assert re.findall(r"https?://[\w.]|//\w+\.\w+/|@import|url\(", _page.page()) == []
    assert set(re.findall(r'fetch\("([^"]*)"', SCRIPT)) == {"api/quota", "api/drop-token"}


def test_no_text_is_ever_read_as_html_or_as_code() -> None:
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|srcdoc|\beval\b|"
        r"new Function|setAttribute\(\"(?:on|href|src|style)"
    )
    assert re.findall(forbidden, SCRIPT) == []
    assert not [a for _, a, _ in PAGE.tags if any(name == "style" or name.startswith("on") for name in a)]


def test_nothing_needs_what_the_frame_forbids() -> None:
    # Airflow's frame allows scripts, its own origin, forms and downloads: neither dialogs of the browser nor windows.
    assert re.findall(r"\b(?:alert|confirm|prompt)\(|window\.open|_blank|_top", SCRIPT) == []


def test_drop_sends_what_the_route_wants() -> None:
    assert f'"X-Requested-With": "{_page.REQUESTED_WITH}"' in SCRIPT
    assert '"Content-Type": "application/json"' in SCRIPT


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(c * 2 for c in digits) if len(digits) == 3 else digits
    channels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


COLOURS = {
    name: (light, dark)
    for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#\w+), (#\w+)\)", STYLE)
}


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("text", "grounds", "least"),
    [
        ("text", ("page", "card", "sunken", "hover"), 7.0),
        ("dim", ("page", "card", "sunken", "hover"), 4.5),
        ("accent", ("card", "accent-soft"), 4.5),
        ("good", ("good-soft",), 4.5),
        ("warn", ("warn-soft", "card"), 4.5),
        ("bad", ("bad-soft", "card"), 4.5),
        ("accent", ("page", "card"), 3.0),
        ("refresh", ("card",), 3.0),
        ("bad-bar", ("card",), 3.0),
        ("good-bar", ("card",), 3.0),
    ],
)
def test_contrast_is_enough(theme: int, text: str, grounds: tuple[str, ...], least: float) -> None:
    for ground in grounds:
        low, high = sorted((luminance(COLOURS[text][theme]), luminance(COLOURS[ground][theme])))
        assert (high + 0.05) / (low + 0.05) >= least, (text, ground)


def test_motion_focus_and_both_themes_are_cared_for() -> None:
    assert "prefers-reduced-motion: reduce" in STYLE
    assert ":focus-visible" in STYLE
    assert "color-scheme: light dark" in STYLE
    assert re.search(r"outline: (?:0|none)", STYLE) is None
