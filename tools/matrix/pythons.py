"""Find the Python interpreters of this machine. Nothing is downloaded."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

_ASK = "import sys; print('%d.%d' % sys.version_info[:2])"


@cache
def find(version: str) -> Path | None:
    """
    Return an interpreter of a version, such as ``3.12``; None where this machine has none.

    A command that is found but does not start (a shim of pyenv for a version that is switched off) does not count.
    """
    for candidate in _candidates(version):
        if _version_of(candidate) == version:
            return candidate
    return None


def nearest(version: str) -> tuple[str, Path]:
    """Return that version or, where it is missing, the one of this interpreter."""
    found = find(version)
    if found is not None:
        return version, found
    return f"{sys.version_info.major}.{sys.version_info.minor}", Path(sys.executable)


def _candidates(version: str) -> list[Path]:
    on_path = shutil.which(f"python{version}")
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    return [*([Path(on_path)] if on_path else []), *sorted(pyenv.glob(f"{version}.*/bin/python"))]


def _version_of(interpreter: Path) -> str | None:
    done = subprocess.run([str(interpreter), "-c", _ASK], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None
