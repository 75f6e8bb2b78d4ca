"""Every link of every page leads to a file and, where it names one, to a heading of it."""

from __future__ import annotations

import re
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


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_files_that_are_named_for_contributors_exist(name: str) -> None:
    text = markdown.without_blocks(markdown.ROOT.joinpath(name).read_text(encoding="utf-8"))
    paths = set(re.findall(r"`([\w./]+/(?:\w+\.(?:py|md|yaml|txt))?)`", text))
    assert len(paths) > 10
    folders = (markdown.ROOT, markdown.ROOT / "airflow_channel_provider")
    assert [path for path in paths if not any(folder.joinpath(path).exists() for folder in folders)] == []


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_images_are_shown_and_small(image: Path) -> None:
    assert image.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert image.stat().st_size < IMAGE_BYTES
    assert any(f"images/{image.name})" in path.read_text(encoding="utf-8") for path in markdown.PAGES)


@pytest.mark.parametrize("path", markdown.PAGES, ids=lambda path: path.name)
def test_nothing_of_a_merge_is_left(path: Path) -> None:
    assert not re.search(r"^(<{7}|>{7}) ", path.read_text(encoding="utf-8"), re.MULTILINE)
