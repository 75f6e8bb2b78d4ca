"""
Compile the list of packages of each Airflow version: ``python -m tools.matrix.pins [VERSION...]``.

A list holds the packages of its version's time, for its Python, beside what the extras of the provider and the tests
need: lines ``name==version`` and nothing else.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tools.matrix.environment import run_uv
from tools.matrix.versions import ROOT, AirflowVersion, select

WANTED = ROOT / "requirements" / "matrix.in"


def compile_pins(version: AirflowVersion) -> None:
    """Write the list of a version anew."""
    with tempfile.TemporaryDirectory() as directory:
        airflow = Path(directory) / "airflow.in"
        wanted = [f"apache-airflow=={version.airflow}", *version.beside]
        airflow.write_text("\n".join(wanted) + "\n", encoding="utf-8")
        later = [f"--exclude-newer-package={name}={day}" for name, day in version.later.items()]
        run_uv(
            *("pip", "compile", str(airflow), str(WANTED), "--output-file", str(version.pins), "--upgrade"),
            *("--python-version", version.python, "--exclude-newer", version.as_of, *later),
            *("--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"),
        )


def main(names: list[str]) -> None:
    """Compile them all, or those that are named."""
    for version in select(names):
        compile_pins(version)
        print(f"requirements/{version.pins.name}: Airflow {version.airflow} for Python {version.python}")


if __name__ == "__main__":
    main(sys.argv[1:])
