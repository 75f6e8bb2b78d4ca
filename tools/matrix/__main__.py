"""
``make test-matrix``: run the provider on each Airflow that its metadata promises, one after the other, and at the
floors of what it needs.

It exits with 1 when something failed, or did not run, on one of them. An Airflow that is not yet released may fail,
unless it is named.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from tools.matrix.checks import Result, check
from tools.matrix.environment import InstallError
from tools.matrix.table import details, table
from tools.matrix.versions import ROOT, in_turn, select

if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDER = ROOT / ".matrix"


def build_wheel(folder: Path) -> Path:
    """Build the wheel that all versions get."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def passes(results: Iterable[Result], *, named: bool) -> bool:
    """
    Return whether nothing failed but what may.

    :param named: whether somebody asked for just these versions: then none of them may.
    """
    return all(result.green or (result.version.may_fail and not named) for result in results)


def main(arguments: list[str]) -> int:
    """Run the versions that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tools.matrix", description=__doc__)
    parser.add_argument("versions", nargs="*", help="such as 2.11 or 3.1.8, or floors; all by default")
    parser.add_argument(
        "--in-turn", action="store_true", help="the floors, and a version that changes from day to day"
    )
    wanted = parser.parse_args(arguments)
    versions = in_turn(date.today()) if wanted.in_turn else select(wanted.versions)  # noqa: DTZ011 - any day will do
    FOLDER.mkdir(exist_ok=True)
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as folder:
        wheel = build_wheel(Path(folder))
        for version in versions:
            print(f"Airflow {version.title} ...", flush=True)
            results.append(check(version, wheel, FOLDER))
            print(details(results[-1], FOLDER.relative_to(ROOT)), flush=True)
    print(f"\n{table(results)}")
    return 0 if passes(results, named=bool(wanted.versions)) else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (InstallError, ValueError) as error:
        sys.exit(f"ERROR: {error}")
