"""A user's DAG file is checked against the types of the installed wheel."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest
from support import markdown, typed_calls
from support.building import ROOT, Built

from tools.matrix import pythons
from tools.matrix.environment import PythonEnvironment
from tools.matrix.versions import AirflowVersion

EXAMPLES = sorted((ROOT / "dags_examples").glob("*.py"))
SNIPPETS = {f"{kind}_{name}": text for kind in ("dag", "run") for name, text in markdown.marked(kind).items()}
REFUSED = {"run_deadline_alert": {3}}
"""Lines in which all is right but Airflow's types; findings/sdk_stub_lacks_deadline_alerts.sh shows why."""

PYRIGHT = {"typeCheckingMode": "standard"}


@pytest.fixture(scope="module")
def user(
    built: Built, airflow: AirflowVersion, tmp_path_factory: pytest.TempPathFactory
) -> PythonEnvironment:
    """An environment with the wheel in it."""
    environment = PythonEnvironment(tmp_path_factory.mktemp("user") / "venv")
    environment.make(pythons.nearest(airflow.python)[1])
    environment.install(str(built.wheel), "pytest", "--constraint", str(airflow.pins))
    return environment


def mypy(user: PythonEnvironment, *files: Path) -> dict[Path, set[int]]:
    """Return the lines of each file in which mypy finds an error; what it finds in packages it keeps to itself."""
    folder = files[0].parent
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--output=json"]
    done = subprocess.run(
        [*command, "--python-executable", str(user.python), *map(str, files)],
        cwd=folder,
        env={"PATH": "", "MYPY_CACHE_DIR": str(user.path / "mypy-cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = map(json.loads, filter(None, done.stdout.splitlines()))
    return _lines_of(
        files, ((folder / one["file"], one["line"]) for one in found if one["severity"] == "error")
    )


def pyright(user: PythonEnvironment, *files: Path) -> dict[Path, set[int]]:
    """Return the lines of each file in which pyright finds an error."""
    folder = files[0].parent
    folder.joinpath("pyrightconfig.json").write_text(json.dumps(PYRIGHT))
    command = [str(Path(sys.executable).with_name("basedpyright")), "--outputjson"]
    done = subprocess.run(
        [*command, "--pythonpath", str(user.python), *map(str, files)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = json.loads(done.stdout)["generalDiagnostics"]
    return _lines_of(
        files,
        (
            (Path(one["file"]), one["range"]["start"]["line"] + 1)
            for one in found
            if one["severity"] == "error"
        ),
    )


def _lines_of(files: Sequence[Path], found: Iterable[tuple[Path, int]]) -> dict[Path, set[int]]:
    lines: dict[Path, set[int]] = {path: set() for path in files}
    for path, line in found:
        lines[path].add(line)
    return lines


@pytest.mark.parametrize("check", [mypy, pyright])
def test_examples_and_snippets_are_strictly_typed_for_a_user(
    user: PythonEnvironment, tmp_path: Path, check: Callable[..., dict[Path, set[int]]]
) -> None:
    for path in EXAMPLES:
        shutil.copy(path, tmp_path)
    for name, text in SNIPPETS.items():
        tmp_path.joinpath(f"{name}.py").write_text(text, encoding="utf-8")
    found = check(user, *sorted(tmp_path.glob("*.py")))
    assert {path.stem: lines for path, lines in found.items() if lines} == REFUSED


@pytest.mark.parametrize("check", [mypy, pyright])
def test_each_argument_is_typed_for_a_user(
    user: PythonEnvironment, tmp_path: Path, check: Callable[..., dict[Path, set[int]]]
) -> None:
    right, wrong = tmp_path / "right.py", tmp_path / "wrong.py"
    right.write_text(typed_calls.right_file())
    text, mistakes = typed_calls.wrong_file()
    wrong.write_text(text)
    found = check(user, right, wrong)
    assert found[right] == set()
    assert [what for line, what in mistakes.items() if line not in found[wrong]] == []
