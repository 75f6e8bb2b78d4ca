"""Each DAG that README and docs show is run as it stands by Airflow, against the emulator."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import markdown
from support.airflow_features import (
    DAG_BAG,
    RETRY_POLICY,
    dag_test_hands_over_the_exception,
    has,
    needs,
    skip_unless,
)

from airflow_channel_provider.assets import EXTRACTED
from airflow_channel_provider.emulator import DEMO_APP_ID, DEMO_SECRET, EmulatorThread
from tools.demo.airflow_home import migrated_database

pytestmark = pytest.mark.timeout(1000)
DAGS = markdown.marked("dag")
RUNNER = """
import json, sys
from airflow.dag_processing.dagbag import DagBag

bag = DagBag(sys.argv[1])
assert not bag.import_errors, bag.import_errors
states = {name: str(dag.test().state) for name, dag in sorted(bag.dags.items())}
open(sys.argv[2], "w").write(json.dumps(states))
"""
BENLLY_LOGIN = {
    "client_id": "7",
    "client_secret": "any-secret",
    "username": "mina",
    "user_password": "benlly-user-password",
}
SECOND_SECRET = "c2Vjb25kLXNlY3JldA=="
APPS = [(DEMO_APP_ID, DEMO_SECRET, ["ch-1", "ch-2"]), ("second-app", SECOND_SECRET, ["ch-3"])]
SETTINGS: dict[str, Any] = {
    "apps": [
        {"app_id": app_id, "secret": secret, "permissions": None, "channels": channels}
        for app_id, secret, channels in APPS
    ],
    "user_chats_close_after_seconds": 0,
}
CONNECTIONS: dict[str, dict[str, Any]] = {
    "CHANNEL_TALK_DEFAULT": {
        "conn_type": "channel_talk",
        "login": DEMO_APP_ID,
        "password": DEMO_SECRET,
        "extra": {"channel_id": "ch-1"},
    },
    "CHANNEL_TALK_OPEN_API_DEFAULT": {
        "conn_type": "channel_talk_open_api",
        "login": "open-key-ch-1",
        "password": "open-secret-ch-1",
    },
    "CHANNEL_TALK_SECOND": {"conn_type": "channel_talk", "login": "second-app", "password": SECOND_SECRET},
    "BENLLY_DEFAULT": {
        "conn_type": "benlly",
        "password": "benlly-user-token",
        "extra": {"device": "android", "udid": "device-1"},
    },
    "BENLLY_TABLET": {
        "conn_type": "benlly",
        "extra": {"device": "ios", "udid": "device-2", **BENLLY_LOGIN},
    },
    "PUSH_SERVICE": {"conn_type": "generic", "password": "token-of-the-push-service"},
}
FILES = {
    "customers.csv": "id,chat_id,name\n1,chat-ch-1-3,Kim\n2,chat-ch-1-4,Lee\n3,chat-gone,Park\n",
    "orders.csv": "number,state,total\nA-1,paid,12.5\nA-2,shipped,3\n",
}


class Runs:
    """What became of the DAGs, and what the service has to say."""

    def __init__(self, states: dict[str, str], emulator: EmulatorThread, data: Path) -> None:
        self.states = states
        self.emulator = emulator
        self.data = data

    def texts(self, chat_id: str) -> list[str]:
        """Each message of a chat, blocks inside blocks included."""
        return [json.dumps(message, ensure_ascii=False) for message in self.emulator.messages(chat_id)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    skip_unless(*DAG_BAG)
    folder = tmp_path_factory.mktemp("docs")
    dags, data, home = folder / "dags", folder / "data", folder / "airflow"
    for made in (dags, data, home):
        made.mkdir()
    shutil.copyfile(migrated_database(), home / "airflow.db")
    for name, text in FILES.items():
        data.joinpath(name).write_text(text, encoding="utf-8")
    for name, text in DAGS.items():
        if name != "own_task" or has(RETRY_POLICY[0]):
            here = text.replace("file:///data/", f"{data.as_uri()}/")
            dags.joinpath(f"{name}.py").write_text(here, encoding="utf-8")
    with EmulatorThread(SETTINGS) as emulator:
        environment = {
            **os.environ,
            **{
                f"AIRFLOW_CONN_{conn_id}": json.dumps({**fields, "host": emulator.url})
                for conn_id, fields in CONNECTIONS.items()
            },
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "NO_PROXY": "127.0.0.1",
        }
        result = folder / "states.json"
        run_it(["-c", RUNNER, str(dags), str(result)], environment)
        yield Runs(json.loads(result.read_text(encoding="utf-8")), emulator, data)


def run_it(command: list[str], environment: dict[str, Any]) -> None:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=Path(environment["AIRFLOW_HOME"]).parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]


def test_there_is_a_test_for_each_dag() -> None:
    assert set(DAGS) == {
        "alert_for_a_run",
        "alert_for_every_task",
        "alert_in_two_groups",
        "ask_and_thank",
        "authorize_devices",
        "authorize_push",
        "campaign_from_csv",
        "deauthorize_tablet",
        "extract_everything",
        "greet_new_chats",
        "own_task",
        "read_list",
        "report_command",
        "say_hello",
        "table_from_a_task",
        "table_from_csv",
        "thank_customers",
        "two_apps",
    }


def test_first_dag(runs: Runs) -> None:
    assert runs.states["say_hello"] == "success"
    assert any("Good morning!" in text for text in runs.texts("group-ch-1-1"))


def test_alert_for_every_task_of_a_dag(runs: Runs) -> None:
    assert runs.states["nightly_load"] == "failed"
    (alert,) = [text for text in runs.texts("group-ch-1-1") if "load_orders" in text]
    assert ("The warehouse does not answer" in alert) is dag_test_hands_over_the_exception()
    assert not [text for text in runs.texts("group-ch-1-1") if "load_customers" in text]


def test_alert_for_a_run(runs: Runs) -> None:
    assert runs.states["nightly_report"] == "failed"
    (alert,) = [text for text in runs.texts("group-ch-1-1") if "nightly_report" in text]
    assert "task_failure" in alert


def test_alert_in_two_groups(runs: Runs) -> None:
    assert runs.states["nightly_invoices"] == "failed"
    for group in ("group-ch-1-1", "group-ch-1-2"):
        of_the_task, of_the_run = [text for text in runs.texts(group) if "nightly_invoices" in text]
        assert ("An invoice has no address" in of_the_task) is dag_test_hands_over_the_exception()
        assert "task_failure" in of_the_run


def test_campaign_from_a_csv_file(runs: Runs) -> None:
    assert runs.states["spring_sale"] == "success"
    (kim,) = runs.texts("chat-ch-1-3")
    assert "Dear Kim, our spring sale has begun." in kim
    assert len(runs.texts("chat-ch-1-4")) == 1
    (letters,) = runs.data.glob("not_sent/*.jsonl")
    (letter,) = letters.read_text(encoding="utf-8").splitlines()
    assert json.loads(letter)["item"]["name"] == "Park"


def test_extraction_of_everything(runs: Runs) -> None:
    assert runs.states["extract_everything"] == "success"
    found = {path.parents[1].name for path in runs.data.glob("channel-talk/*/*/_manifest.json")}
    assert found == set(EXTRACTED)


def test_dag_that_waits_for_events(runs: Runs) -> None:
    assert runs.states["greet_new_chats"] == "success"
    assert runs.states["thank_customers"] == "success"


def test_tables(runs: Runs) -> None:
    assert runs.states["load_orders"] == runs.states["load_stock"] == "success"
    orders = runs.emulator.table(DEMO_APP_ID, "ch-1", "orders")
    assert sorted((row["number"], row["total"]) for row in orders["rows"]) == [("A-1", 12.5), ("A-2", 3)]
    stock = runs.emulator.table(DEMO_APP_ID, "ch-1", "stock")
    assert sorted((row["sku"], row["pieces"]) for row in stock["rows"]) == [("cup", 80), ("kettle", 12)]


def test_wait_for_an_answer(runs: Runs) -> None:
    assert runs.states["ask_and_thank"] == "success"
    asked, thanked = runs.texts("chat-ch-1-2")
    assert "Is everything as it should be?" in asked
    assert "Thank you" in thanked


def test_list(runs: Runs) -> None:
    assert runs.states["list_managers"] == "success"


def test_two_apps(runs: Runs) -> None:
    assert runs.states["tell_every_channel"] == "success"
    for channel in ("ch-1", "ch-2", "ch-3"):
        assert any("price list" in text for text in runs.texts(f"group-{channel}-1"))
    requests = [(entry["app_id"], entry["scope"]) for entry in runs.emulator.token_requests()]
    assert sorted(request for request in requests if request[1] != "app") == [
        (DEMO_APP_ID, "channel:ch-1"),
        (DEMO_APP_ID, "channel:ch-2"),
        ("second-app", "channel:ch-3"),
    ]


def test_devices(runs: Runs) -> None:
    assert runs.states["authorize_devices"] == runs.states["authorize_push"] == "success"
    assert runs.states["deauthorize_tablet"] == "success"
    found = {(one["udid"], one["channel_id"]) for one in runs.emulator.authorizations()}
    assert found == {("device-1", 1), ("device-1", 2), ("device-1", 3), ("device-2", 1), ("device-2", 2)}


@needs(*RETRY_POLICY)
def test_own_task(runs: Runs) -> None:
    assert runs.states["name_the_channel"] == "success"
