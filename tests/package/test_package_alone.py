"""The wheel in a clean environment, with nothing of this checkout: it runs the example DAGs against its emulator."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from support import example_runs
from support.building import ROOT, Built

from tools.matrix import pythons
from tools.matrix.environment import PythonEnvironment
from tools.matrix.versions import AirflowVersion

EXAMPLES = sorted(
    path for path in (ROOT / "dags_examples").glob("*.py") if path.stem not in example_runs.NEED_A_SCHEDULER
)


@pytest.fixture(scope="module")
def ran(built: Built, airflow: AirflowVersion, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """
    What became of the examples.

    The wheel was installed with its extra and the versions of the list, and the provider of the database that two
    examples read; no more.
    """
    folder = tmp_path_factory.mktemp("alone")
    environment = PythonEnvironment(folder / "venv")
    environment.make(pythons.nearest(airflow.python)[1])
    warehouse = "apache-airflow-providers-sqlite"
    environment.install(f"{built.wheel}[emulator]", warehouse, "--constraint", str(airflow.pins))
    home, dags = folder / "home", folder / "dags"
    for made in (home, dags):
        made.mkdir()
    for path in [*EXAMPLES, Path(example_runs.__file__)]:
        shutil.copy(path, dags if path in EXAMPLES else folder)
    done = environment.run([str(folder / "example_runs.py"), str(home), str(dags)], cwd=folder)
    assert done.returncode == 0, done.stderr[-4000:]
    (line,) = (line for line in done.stdout.splitlines() if line.startswith(example_runs.MARK))
    told: dict[str, Any] = json.loads(line.removeprefix(example_runs.MARK))
    assert told["package"].startswith(str(environment.path))
    return told


def test_every_task_of_every_example_succeeds(ran: dict[str, Any]) -> None:
    assert set(ran["states"]) == {path.stem for path in EXAMPLES}
    for states in ran["states"].values():
        assert set(states.values()) == {"success"}


def test_messages_arrive_and_each_scope_costs_one_token_request(ran: dict[str, Any]) -> None:
    assert ran["messages"] > 0
    assert len(set(ran["token_requests"])) == len(ran["token_requests"]) > 0
