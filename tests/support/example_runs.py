"""
Run DAGs to their end in an Airflow of their own, against an emulator of their own.

It needs the package and its extra ``emulator`` and nothing of this checkout, so that the interpreter of any environment
can run the file:

    python example_runs.py HOME DAGS_FOLDER

The last line that it prints is what became of the tasks, and what arrived at the emulator.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

MARK = "RAN "
NEED_A_SCHEDULER = frozenset({"example_channel_talk_approval", "example_channel_talk_one_click"})
"""Examples that ``dag.test()`` does not bring to their end: nobody answers what they ask. ``make demo`` runs them."""
EMULATOR_SETTINGS = {"user_chats_close_after_seconds": 3, "dialect": "plain"}
"""An example waits until somebody has dealt with a chat; the tests of this checkout speak the other dialect."""
MOST_SECONDS = 3_000
"""For all DAGs; before Airflow 3.2 each task that ``dag.test()`` runs takes seconds of CPU."""
BENLLY_LOGIN = {
    "client_id": "7",
    "client_secret": "benlly-client-secret",
    "username": "mina",
    "user_password": "benlly-user-password",
}

# The folder is one that Airflow is configured with: since 3.0, only DAGs of such a one can be run this way.
# A run without a logical date, as ``airflow dags trigger`` and assets make one: templates know least there.
RUN = """
import inspect, json, sys
try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:  # Airflow < 3.2
    from airflow.models.dagbag import DagBag
bag = DagBag(sys.argv[1])
assert not bag.import_errors, bag.import_errors
states = {}
for dag_id in sorted(bag.dags):
    test = bag.dags[dag_id].test
    kind = {"logical_date": None} if "run_after" in inspect.signature(test).parameters else {}
    dag_run = test(**kind)
    states[dag_id] = {f"{ti.task_id}[{ti.map_index}]": str(ti.state) for ti in dag_run.get_task_instances()}
print("STATES " + json.dumps(states))
"""


def connections(emulator_url: str, home: str, *, app_id: str, secret: str) -> dict[str, str]:
    """
    Return the connections that the examples name, as environment variables.

    :param home: where the database of the examples is put.
    """
    address = urlsplit(emulator_url)
    common = {"host": address.hostname, "port": address.port, "schema": "http"}
    channel_talk = {"conn_type": "channel_talk", **common, "login": app_id, "password": secret}
    benlly = {"conn_type": "benlly", **common}
    device = {"device": "android"}
    found: dict[str, dict[str, Any]] = {
        "channel_talk_default": {**channel_talk, "extra": {"channel_id": "ch-1"}},
        "benlly_default": {**benlly, "password": "benlly-user-token", "extra": {**device, "udid": "phone-1"}},
        "benlly_tablet": {**benlly, "extra": {**device, "udid": "tablet-1", **BENLLY_LOGIN}},
        "channel_talk_open_api_default": {
            "conn_type": "channel_talk_open_api",
            **common,
            "login": "open-key-ch-1",
            "password": "open-secret-ch-1",
        },
        "push_service": {"conn_type": "http", "password": "push-service-token-1"},
        "warehouse": {"conn_type": "sqlite", "host": os.path.join(home, "warehouse.db")},
    }
    return {f"AIRFLOW_CONN_{name.upper()}": json.dumps(fields) for name, fields in found.items()}


def airflow_environment(home: str, dags: str) -> dict[str, str]:
    """Return the environment of an Airflow that has its home there, and knows nothing of the caller's."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
        "AIRFLOW_HOME": home,
        "AIRFLOW__CORE__DAGS_FOLDER": dags,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }


def run(command: list[str], environment: dict[str, str]) -> str:
    """Run a command of Airflow; return what it says."""
    done = subprocess.run(
        [sys.executable, *command],
        env=environment,
        cwd=environment["AIRFLOW_HOME"],
        capture_output=True,
        text=True,
        check=False,
        timeout=MOST_SECONDS,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout + done.stderr


def run_dags(
    environment: dict[str, str], database: str | None = None
) -> tuple[dict[str, dict[str, str]], str]:
    """
    Run every DAG of the folder once; return the states of the task instances by DAG, and the output.

    :param database: an empty metadata database to begin with; otherwise one is made.
    """
    if database:
        shutil.copyfile(database, os.path.join(environment["AIRFLOW_HOME"], "airflow.db"))
    else:
        run(["-m", "airflow", "db", "migrate"], environment)
    if version("apache-airflow").startswith("3.0."):
        # Later, dag.test() itself makes the assets of a DAG known, without which its tasks fail.
        run(["-m", "airflow", "dags", "reserialize"], environment)
    output = run(["-c", RUN, environment["AIRFLOW__CORE__DAGS_FOLDER"]], environment)
    line = next(line for line in output.splitlines() if line.startswith("STATES "))
    return json.loads(line.removeprefix("STATES ")), output


def main(home: str, dags: str) -> None:
    import airflow_channel_provider
    from airflow_channel_provider.emulator import DEMO_APP_ID, DEMO_SECRET, EmulatorProcess

    with EmulatorProcess(settings=EMULATOR_SETTINGS) as emulator:
        environment = airflow_environment(home, dags) | connections(
            emulator.url, home, app_id=DEMO_APP_ID, secret=DEMO_SECRET
        )
        states, _ = run_dags(environment)
        told = {
            "package": airflow_channel_provider.__file__,
            "states": states,
            "messages": len(emulator.messages()),
            "token_requests": sorted(str(entry["scope"]) for entry in emulator.token_requests()),
        }
    print(MARK + json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
