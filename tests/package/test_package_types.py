"""A user's DAG file is checked against the types of the installed wheel."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.building import ROOT, Built

from tools.matrix import pythons
from tools.matrix.environment import PythonEnvironment
from tools.matrix.versions import AirflowVersion

EXAMPLES = sorted((ROOT / "dags_examples").glob("*.py"))

MISTAKES = """
from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
from airflow_channel_provider.operators.channel_talk import WriteUserChatMessageOperator

token: int = ChannelTalkHook().get_access_token()
WriteUserChatMessageOperator(task_id="t", user_chat_id=object(), text="hi")
"""


@pytest.fixture(scope="module")
def user(
    built: Built, airflow: AirflowVersion, tmp_path_factory: pytest.TempPathFactory
) -> PythonEnvironment:
    """An environment with the wheel in it."""
    environment = PythonEnvironment(tmp_path_factory.mktemp("user") / "venv")
    environment.make(pythons.nearest(airflow.python)[1])
    environment.install(str(built.wheel), "--constraint", str(airflow.pins))
    return environment


def check(user: PythonEnvironment, *files: Path) -> subprocess.CompletedProcess[str]:
    """Let mypy look at files; what it finds in installed packages it keeps to itself."""
    folder = files[0].parent
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        "--python-executable",
        str(user.python),
    ]
    return subprocess.run(
        [*command, *map(str, files)],
        cwd=folder,
        env={"PATH": "", "MYPY_CACHE_DIR": str(folder / "mypy-cache")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_examples_are_strictly_typed_for_a_user(user: PythonEnvironment, tmp_path: Path) -> None:
    files = [Path(shutil.copy(path, tmp_path)) for path in EXAMPLES]
    done = check(user, *files)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"no issues found in {len(files)} source files" in done.stdout


def test_mistakes_of_a_user_are_found(user: PythonEnvironment, tmp_path: Path) -> None:
    tmp_path.joinpath("mistakes.py").write_text(MISTAKES)
    done = check(user, tmp_path / "mistakes.py")
    assert done.stdout.count("error:") == 2, done.stdout
    assert "[assignment]" in done.stdout
    assert "[arg-type]" in done.stdout
