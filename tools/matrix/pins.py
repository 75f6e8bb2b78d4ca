"""
Compile the list of packages of each Airflow version: ``python -m tools.matrix.pins [VERSION...]``.

A list holds the packages of its version's time, for its Python, beside what the provider, its extras and the tests
need: lines ``name==version`` and nothing else. At the floors, what the provider needs has the lowest version that its
metadata allows.
"""

from __future__ import annotations

import sys
import tempfile
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tools.matrix.environment import run_uv
from tools.matrix.versions import ROOT, AirflowVersion, select

DISTRIBUTION = "airflow-channel-provider"
TESTS = ROOT / "requirements" / "matrix.in"


def needs(version: AirflowVersion) -> list[str]:
    """Return what the provider needs with all of its extras, but for Airflow itself."""
    needed = [Requirement(text) for text in requires(DISTRIBUTION) or []]
    for requirement in needed:
        requirement.marker = None
        if version.at_floors:
            requirement.specifier = SpecifierSet(f"=={floor(requirement)}")
    return [str(requirement) for requirement in needed if requirement.name != "apache-airflow"]


def floor(requirement: Requirement) -> str:
    """
    Return the lowest version that a requirement allows.

    :raises ValueError: it is not of the form ``name>=version``.
    """
    bounds = list(requirement.specifier)
    if [bound.operator for bound in bounds] != [">="]:
        raise ValueError(f"{requirement}: state one lowest version, name>=version")
    return bounds[0].version


def compile_pins(version: AirflowVersion) -> None:
    """Write the list of a version anew."""
    with tempfile.TemporaryDirectory() as directory:
        wanted = Path(directory) / "wanted.in"
        lines = [f"apache-airflow=={version.airflow}", *version.beside, *needs(version)]
        wanted.write_text("\n".join(lines) + "\n", encoding="utf-8")
        later = [f"--exclude-newer-package={name}={day}" for name, day in version.later.items()]
        run_uv(
            *("pip", "compile", str(wanted), str(TESTS), "--output-file", str(version.pins), "--upgrade"),
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
