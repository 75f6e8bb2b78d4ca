"""The links inside a site: what counts as one, and what is found out about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import site_links


@pytest.fixture
def site(tmp_path: Path) -> Path:
    tmp_path.joinpath("deep").mkdir()
    tmp_path.joinpath("deep", "index.html").write_text(
        '<h1 id="top">Deep</h1> <a href="../index.html#here">up</a>'
    )
    tmp_path.joinpath("picture.svg").write_text("<svg/>")
    return tmp_path


@pytest.mark.parametrize(
    "link",
    [
        "#here",
        "deep/index.html",
        "deep/",
        "deep/index.html#top",
        "picture.svg#any",
        "https://example.com/x",
        "?q=1",
    ],
)
def test_what_leads_somewhere(site: Path, link: str) -> None:
    site.joinpath("index.html").write_text(f'<p id="here"></p> <a href="{link}">x</a>')
    assert site_links.broken(site) == []


@pytest.mark.parametrize(
    "link", ["#there", "gone.html", "deep/index.html#bottom", "../elsewhere.html", "empty/"]
)
def test_what_leads_nowhere(site: Path, link: str, capsys: pytest.CaptureFixture[str]) -> None:
    site.joinpath("empty").mkdir()
    site.joinpath("index.html").write_text(
        f'<p id="here"></p> <a href="{link}">x</a> <img src="picture.svg">'
    )
    assert site_links.broken(site) == [f"index.html: {link}"]
    assert site_links.main(str(site)) == 1
    assert capsys.readouterr().out.endswith("3 links on 2 pages, 1 broken\n")


def test_a_folder_without_pages_is_no_site(tmp_path: Path) -> None:
    assert site_links.main(str(tmp_path)) == 1
