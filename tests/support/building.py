"""Build the distributions from a copy of the tree, as a release does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# A moment that is no default of the build tool, so that it shows in the archives.
EPOCH = "1767225600"


@dataclass(frozen=True)
class Built:
    """
    A wheel and a source distribution.

    :param folder: where both are, and nothing else.
    """

    folder: Path

    @property
    def wheel(self) -> Path:
        (wheel,) = self.folder.glob("*.whl")
        return wheel

    @property
    def sdist(self) -> Path:
        (sdist,) = self.folder.glob("*.tar.gz")
        return sdist

    @cached_property
    def names(self) -> list[str]:
        """What is in the wheel."""
        with zipfile.ZipFile(self.wheel) as archive:
            return archive.namelist()


def files_of_the_tree() -> list[str]:
    """What a commit of everything would hold; in a copy without git, all that is no cache."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return sorted(_files_without_caches())
    return [name for name in listed.stdout.split("\0") if name and ROOT.joinpath(name).exists()]


def _files_without_caches() -> Iterator[str]:
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if not name.startswith(".") and name != "__pycache__"]
        yield from (Path(folder, name).relative_to(ROOT).as_posix() for name in names)


def copy_of_the_tree(folder: Path) -> Path:
    """Copy it into an empty folder."""
    for name in files_of_the_tree():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)
    return folder


def build(tree: Path, output: Path, *, umask: int = 0o022, time_zone: str = "UTC") -> None:
    """
    Build wheel and source distribution.

    :param umask: of the build, which must not show in the archives; nor must the time zone.
    """
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(output)],
        cwd=tree,
        env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH, "TZ": time_zone},
        umask=umask,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
