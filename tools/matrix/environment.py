"""
Python environments outside of the development one, made by uv.

Invariant: an environment that is there was made from the very list and interpreter that it is asked for; anything else
is made anew.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tools.demo.environment import clean_environment

if TYPE_CHECKING:
    from collections.abc import Sequence

UV = Path(sys.executable).with_name("uv")


class InstallError(Exception):
    """An environment could not be made; the message is what uv says."""


class PythonEnvironment:
    """
    A virtual environment.

    :param path: its directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.python = path / "bin" / "python"

    def make(self, interpreter: Path, pins: Path | None = None) -> None:
        """
        Make it, unless it is there already.

        :param interpreter: the Python it is for.
        :param pins: list of packages that are installed at once; none for an empty environment.
        """
        listed = pins.read_bytes() if pins else b""
        wanted = hashlib.sha256(str(interpreter).encode() + b"\0" + listed).hexdigest()
        stamp = self.path / ".made-from"
        if stamp.exists() and stamp.read_text() == wanted:
            return
        shutil.rmtree(self.path, ignore_errors=True)
        run_uv("venv", "--python", str(interpreter), str(self.path))
        if pins:
            self.install("-r", str(pins))
        stamp.write_text(wanted)

    def install(self, *arguments: str) -> None:
        """Install what the arguments of ``uv pip install`` say."""
        run_uv("pip", "install", "--python", str(self.python), *arguments)

    def packages(self) -> str:
        """Return what is installed, as lines for :meth:`sync`."""
        return run_uv("pip", "freeze", "--python", str(self.python))

    def sync(self, packages: Path) -> None:
        """Let nothing be installed but what the file lists."""
        run_uv("pip", "sync", "--python", str(self.python), str(packages))

    def run(
        self, arguments: Sequence[str], *, cwd: Path, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run this environment's Python, and return what it says."""
        return subprocess.run(
            [str(self.python), *arguments],
            cwd=cwd,
            env=clean_environment() if environment is None else environment,
            capture_output=True,
            text=True,
            check=False,
        )


def run_uv(*arguments: str) -> str:
    """
    Run uv quietly, and return what it prints.

    :raises InstallError: it failed.
    """
    done = subprocess.run(
        [str(UV), *arguments, "--quiet"], env=clean_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise InstallError(f"uv {' '.join(arguments)}\n{done.stderr.strip()}")
    return done.stdout
