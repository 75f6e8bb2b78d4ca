"""Each DAG that README and docs show is run as it stands by Airflow, against the emulator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import markdown
from support.airflow_features import DAG_BAG, skip_unless

from airflow_channel_provider.emulator import DEMO_APP_ID, DEMO_SECRET, EmulatorThread

DAGS = markdown.marked("dag")
RUNNER = """
import json, sys
from airflow.dag_processing.dagbag import DagBag

bag = DagBag(sys.argv[1])
assert not bag.import_errors, bag.import_errors
states = {name: str(dag.test().state) for name, dag in sorted(bag.dags.items())}
open(sys.argv[2], "w").write(json.dumps(states))
"""
DEFAULT = {
    "CHANNEL_TALK_DEFAULT": (
        {"conn_type": "channel_talk", "login": DEMO_APP_ID, "password": DEMO_SECRET},
        {"channel_id": "ch-1"},
    ),
}


class Runs:
    """What became of the DAGs, and what the service has to say."""

    def __init__(self, states: dict[str, str], emulator: EmulatorThread) -> None:
        self.states = states
        self.emulator = emulator

    def texts(self, chat_id: str) -> list[str]:
        """Each message of a chat, blocks inside blocks included."""
        return [json.dumps(message, ensure_ascii=False) for message in self.emulator.messages(chat_id)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    skip_unless(*DAG_BAG)
    folder = tmp_path_factory.mktemp("docs")
    dags = folder / "dags"
    dags.mkdir()
    for name, text in DAGS.items():
        dags.joinpath(f"{name}.py").write_text(text, encoding="utf-8")
    with EmulatorThread() as emulator:
        connections = {
            f"AIRFLOW_CONN_{conn_id}": json.dumps({**fields, "host": emulator.url, "extra": extra})
            for conn_id, (fields, extra) in DEFAULT.items()
        }
        environment = {
            **os.environ,
            **connections,
            "AIRFLOW_HOME": str(folder / "airflow"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "NO_PROXY": "127.0.0.1",
        }
        result = folder / "states.json"
        for command in (["-m", "airflow", "db", "migrate"], ["-c", RUNNER, str(dags), str(result)]):
            run_it(command, environment)
        yield Runs(json.loads(result.read_text(encoding="utf-8")), emulator)


def run_it(command: list[str], environment: dict[str, Any]) -> None:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=Path(environment["AIRFLOW_HOME"]).parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]


def test_there_is_a_test_for_each_dag() -> None:
    assert set(DAGS) == {"say_hello", "alert_for_every_task"}


def test_first_dag(runs: Runs) -> None:
    assert runs.states["say_hello"] == "success"
    assert any("Good morning!" in text for text in runs.texts("group-ch-1-1"))


def test_alert_for_every_task_of_a_dag(runs: Runs) -> None:
    assert runs.states["nightly_load"] == "failed"
    (alert,) = [text for text in runs.texts("group-ch-1-1") if "load_orders" in text]
    assert "The warehouse does not answer" in alert
    assert not [text for text in runs.texts("group-ch-1-1") if "load_customers" in text]


def test_they_cost_one_token_request(runs: Runs) -> None:
    assert len(runs.emulator.token_requests()) == 1
