"""
What is run on each version, in an environment that holds that version, its packages and the wheel.

The tests themselves are the same as everywhere: they ask Airflow for a feature before they test it, and say in one
sentence what is missing where they leave something out. Only those are not run that are marked ``any_airflow``: days of
simulated tokens, and processes that are killed between two steps.
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tools.demo.environment import clean_environment
from tools.matrix import pythons
from tools.matrix.environment import PythonEnvironment
from tools.matrix.outcome import Outcome, read
from tools.matrix.versions import NEWEST, OLDEST, ROOT, VERSIONS

if TYPE_CHECKING:
    from pathlib import Path

    from tools.matrix.versions import AirflowVersion

# Files of integration tests that the table shows by themselves.
SHOWN = {
    "examples": "test_operator_examples",
    "providers": "test_provider_commands",
    "form": "test_provider_connection_form",
}
IN_PARALLEL = ("--numprocesses=2", "--dist=loadfile")
OPTIONS: dict[str, tuple[str, ...]] = {"unit": IN_PARALLEL, "integration": IN_PARALLEL, "page": ()}
# Packages of an older Airflow's time warn about each other; of ours, no warning passes anywhere.
OLDER_WARNINGS = "filterwarnings=ignore\nerror:::airflow_channel_provider"


@dataclass
class Result:
    """
    One line of the table.

    :param python: what it ran on.
    :param outcomes: by column.
    """

    version: AirflowVersion
    python: str
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    took_seconds: float = 0.0

    @property
    def green(self) -> bool:
        """Whether nothing failed, and everything ran that this version has."""
        return bool(self.outcomes) and all(
            outcome.is_left_out if name in self.version.without else outcome.green
            for name, outcome in self.outcomes.items()
        )


def check(version: AirflowVersion, wheel: Path, folder: Path) -> Result:
    """
    Run everything on one version.

    :param wheel: what is installed there.
    :param folder: where environments and output go.
    """
    began = time.monotonic()
    python, interpreter = pythons.nearest(version.python)
    result = Result(version, python)
    environment = PythonEnvironment(folder / version.name)
    environment.make(interpreter, version.pins)
    environment.install("--no-deps", "--reinstall", str(wheel))
    reports = {
        name: _pytest(environment.python, version, name, folder, *files, *OPTIONS[name])
        for name, files in version.tests.items()
    }
    result.outcomes = {name: read(report) for name, report in reports.items()}
    if version in VERSIONS:
        result.outcomes |= {column: read(reports["integration"], module) for column, module in SHOWN.items()}
    if version in (OLDEST, NEWEST):
        alone = ["tests/package/test_package_alone.py", "--airflow", version.name]
        result.outcomes["wheel alone"] = read(_pytest(sys.executable, version, "wheel", folder, *alone))
    result.took_seconds = time.monotonic() - began
    return result


def _pytest(python: Path | str, version: AirflowVersion, name: str, folder: Path, *arguments: str) -> Path:
    report, log = (folder / f"{version.name}-{name}.{kind}" for kind in ("xml", "log"))
    report.unlink(missing_ok=True)
    warnings = [] if version == NEWEST else ["-o", OLDER_WARNINGS]
    command = [str(python), "-m", "pytest", "-p", "no:cacheprovider", "-m", "not any_airflow"]
    with log.open("wb") as stream:
        subprocess.run(
            [*command, f"--junitxml={report}", *warnings, *arguments],
            cwd=ROOT,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            check=False,
        )
    return report
