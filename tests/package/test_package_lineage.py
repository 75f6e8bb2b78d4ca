"""Beside Airflow's OpenLineage provider, which this package does not require: the events of real task runs."""

from __future__ import annotations

import sys
from pathlib import Path

from support.building import ROOT, Built

from tools.matrix.environment import PythonEnvironment

OPENLINEAGE = "apache-airflow-providers-openlineage==2.20.3"
PINS = ROOT / "requirements" / "dev.txt"


def test_the_events_of_tasks_are_right(built: Built, tmp_path: Path) -> None:
    environment = PythonEnvironment(tmp_path / "venv")
    environment.make(Path(sys.executable), PINS)
    environment.install("--no-deps", str(built.wheel))
    environment.install(OPENLINEAGE, "--constraint", str(PINS))
    done = environment.run(
        ["-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "tests/integration/test_lineage.py"], cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
