"""
Makes a release from the changelog.

    python -m tools.release prepare 0.2.0    set the version, and date the section "Unreleased" with today
    python -m tools.release check v0.2.0     fail unless a tag fits the version and a dated section
    python -m tools.release notes            write the newest section to standard output
    python -m tools.release epoch            write the day of the newest section, in seconds since 1970

Invariant: the version is only in the package, the day only in the changelog; everything else is made from them.
"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import dataclass
from datetime import datetime, timezone

from airflow_channel_provider import __version__
from tools.modules import PACKAGE, ROOT

CHANGELOG = ROOT / "CHANGELOG.md"
VERSION_FILE = ROOT / PACKAGE / "__init__.py"
UNRELEASED = "## [Unreleased]\n"
_RELEASED = re.compile(r"^## \[(?P<version>[^\]]+)\] - (?P<day>\d{4}-\d\d-\d\d)\n", re.MULTILINE)
_VERSION = re.compile(r"\d+\.\d+\.\d+((a|b|rc)\d+)?")


class ReleaseError(Exception):
    """The changelog or the version does not fit the release; the message says which and why."""


@dataclass(frozen=True)
class Release:
    """
    A dated section of the changelog.

    :param day: when it was released (``YYYY-MM-DD``).
    :param notes: the text under the heading.
    """

    version: str
    day: str
    notes: str

    @property
    def epoch(self) -> int:
        """The beginning of the day in UTC, in seconds since 1970."""
        return int(datetime.fromisoformat(self.day).replace(tzinfo=timezone.utc).timestamp())


def releases(changelog: str) -> list[Release]:
    """Return the dated sections, the newest first."""
    _, *parts = _RELEASED.split(changelog)
    return [
        Release(version, day, notes.strip())
        for version, day, notes in zip(parts[0::3], parts[1::3], parts[2::3], strict=True)
    ]


def newest(changelog: str) -> Release:
    """
    Return the newest dated section.

    :raises ReleaseError: there is none.
    """
    found = releases(changelog)
    if not found:
        raise ReleaseError("CHANGELOG.md has no dated section: run `make release VERSION=...`.")
    return found[0]


def dated(changelog: str, version: str, day: str) -> str:
    """
    Return the changelog with the section "Unreleased" turned into one of a version, and a new empty one above.

    :raises ReleaseError: the version is not valid or was released already, or nothing is unreleased.
    """
    if not _VERSION.fullmatch(version):
        raise ReleaseError(f"{version!r} is no version: write it like 0.2.0 or 0.2.0rc1.")
    if version in {release.version for release in releases(changelog)}:
        raise ReleaseError(f"CHANGELOG.md has a section of {version} already.")
    before, heading, rest = changelog.partition(UNRELEASED)
    if not heading or not _RELEASED.split(rest)[0].strip():
        raise ReleaseError('CHANGELOG.md has nothing under "## [Unreleased]".')
    return f"{before}{UNRELEASED}\n## [{version}] - {day}\n{rest}"


def check(changelog: str, version: str, tag: str) -> None:
    """
    Compare a tag with the release that would be made.

    :raises ReleaseError: they differ.
    """
    if tag != f"v{version}":
        raise ReleaseError(f"The tag is {tag}, and the package is {version}: tag it v{version}.")
    if (found := newest(changelog)).version != version:
        raise ReleaseError(
            f"The newest section of CHANGELOG.md is {found.version}, and the package is {version}."
        )


def prepare(version: str) -> None:
    """Write the version and the changelog."""
    today = datetime.now(timezone.utc).date()
    changelog = dated(CHANGELOG.read_text(encoding="utf-8"), version, today.isoformat())
    source = VERSION_FILE.read_text(encoding="utf-8")
    CHANGELOG.write_text(changelog, encoding="utf-8")
    VERSION_FILE.write_text(source.replace(f'"{__version__}"', f'"{version}"'), encoding="utf-8")


def main(arguments: list[str]) -> None:
    """Run one of the commands."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.release", description="Prepare and check a release."
    )
    steps = parser.add_subparsers(dest="step", required=True)
    steps.add_parser("prepare").add_argument("version")
    steps.add_parser("check").add_argument("tag")
    steps.add_parser("notes")
    steps.add_parser("epoch")
    wanted = parser.parse_args(arguments)
    changelog = CHANGELOG.read_text(encoding="utf-8")
    if wanted.step == "prepare":
        prepare(wanted.version)
    elif wanted.step == "check":
        check(changelog, __version__, wanted.tag)
    elif wanted.step == "notes":
        print(newest(changelog).notes)
    else:
        print(newest(changelog).epoch)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ReleaseError as error:
        sys.exit(f"ERROR: {error}")
