"""Every link of every page leads to a file and, where it names one, to a heading of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import markdown

IMAGES = sorted(markdown.ROOT.joinpath("docs", "images").iterdir())
IMAGE_BYTES = 150_000


@pytest.mark.parametrize("path", markdown.PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for link in markdown.links(path.read_text(encoding="utf-8")):
        if link.startswith(("https://", "http://doc.plusbenlly.com/")):
            continue
        file, _, anchor = link.partition("#")
        target = path.parent.joinpath(file) if file else path
        assert target.exists(), link
        if anchor:
            assert anchor in markdown.anchors(target.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_images_are_shown_and_small(image: Path) -> None:
    assert image.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert image.stat().st_size < IMAGE_BYTES
    assert any(f"images/{image.name})" in path.read_text(encoding="utf-8") for path in markdown.PAGES)
