"""
Run the benchmarks: each script in tests/benchmarks is one, and prints its own figures.

    python tools/bench.py [NAME...]

It exits with 1 if one of them failed or there is none.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tests" / "benchmarks"
# The same paths that pytest uses, so that both find the same helpers.
PACKAGES = os.pathsep.join([str(ROOT), str(ROOT / "tests")])

sys.path.insert(0, str(ROOT))


def scripts(names: list[str]) -> list[Path]:
    """
    Return the benchmarks.

    :param names: stems of files; default: all.
    """
    found = [path for path in sorted(FOLDER.glob("*.py")) if not path.name.startswith(("_", "conftest"))]
    return [path for path in found if not names or path.stem in names]


def run(script: Path) -> bool:
    """Run one benchmark in an Airflow home of its own; return whether it worked."""
    from tools.demo.environment import clean_environment

    print(f"==== {script.stem} ".ljust(78, "="), flush=True)
    started_at = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bench-") as home:
        environment = {**clean_environment(), "AIRFLOW_HOME": home, "PYTHONPATH": PACKAGES}
        status = subprocess.run(
            [sys.executable, str(script)], env=environment, cwd=ROOT, check=False
        ).returncode
    print(
        f"{'ok' if status == 0 else f'FAILED with status {status}'} after {time.monotonic() - started_at:.1f} s\n"
    )
    return status == 0


def main(names: list[str]) -> int:
    """Run all of them, also after one has failed."""
    results = [run(script) for script in scripts(names)]
    if not results:
        print(f"no benchmark in {FOLDER}", file=sys.stderr)
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
