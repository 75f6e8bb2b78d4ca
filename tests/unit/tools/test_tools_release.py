"""What a release takes from the changelog, and when it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import release
from tools.release import Release, ReleaseError

CHANGELOG = """# Changelog

## [Unreleased]

### Fixed

- What was wrong.

## [0.2.0rc1] - 2026-12-01

### Added

- Something.

## [0.1.0] - 2026-11-28

- The first.
"""


def test_dated_sections_are_read_with_their_notes() -> None:
    assert release.releases(CHANGELOG) == [
        Release("0.2.0rc1", "2026-12-01", "### Added\n\n- Something."),
        Release("0.1.0", "2026-11-28", "- The first."),
    ]
    assert release.newest(CHANGELOG).epoch == 1796083200


def test_a_changelog_without_a_dated_section_has_no_release() -> None:
    text = "# Changelog\n\n## [Unreleased]\n\n- Something.\n"
    assert release.releases(text) == []
    with pytest.raises(ReleaseError, match="no dated section"):
        release.newest(text)


def test_unreleased_becomes_the_section_of_a_version_and_an_empty_one_stays() -> None:
    text = release.dated(CHANGELOG, "0.2.0", "2026-12-24")
    assert text.startswith("# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - 2026-12-24\n\n### Fixed\n")
    assert release.newest(text) == Release("0.2.0", "2026-12-24", "### Fixed\n\n- What was wrong.")
    assert release.releases(text)[1:] == release.releases(CHANGELOG)
    with pytest.raises(ReleaseError, match=r'nothing under "## \[Unreleased\]"'):
        release.dated(text, "0.3.0", "2026-12-25")


@pytest.mark.parametrize(
    ("version", "reason"),
    [("0.1.0", "has a section of 0.1.0 already"), ("1.0", "is no version"), ("v1.0.0", "is no version")],
)
def test_a_version_that_was_released_or_is_none_is_refused(version: str, reason: str) -> None:
    with pytest.raises(ReleaseError, match=reason):
        release.dated(CHANGELOG, version, "2026-12-24")


def test_a_tag_fits_the_version_and_the_newest_section() -> None:
    release.check(CHANGELOG, "0.2.0rc1", "v0.2.0rc1")
    with pytest.raises(ReleaseError, match=r"The tag is v0\.2\.0, and the package is 0\.2\.0rc1"):
        release.check(CHANGELOG, "0.2.0rc1", "v0.2.0")
    with pytest.raises(
        ReleaseError, match=r"section of CHANGELOG\.md is 0\.2\.0rc1, and the package is 0\.2\.0\."
    ):
        release.check(CHANGELOG, "0.2.0", "v0.2.0")


def test_preparing_writes_the_version_and_the_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changelog, package = tmp_path / "CHANGELOG.md", tmp_path / "__init__.py"
    changelog.write_text(CHANGELOG, encoding="utf-8")
    package.write_text(release.VERSION_FILE.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(release, "CHANGELOG", changelog)
    monkeypatch.setattr(release, "VERSION_FILE", package)
    release.main(["prepare", "7.8.9"])
    assert '__version__ = "7.8.9"\n' in package.read_text(encoding="utf-8")
    release.check(changelog.read_text(encoding="utf-8"), "7.8.9", "v7.8.9")
