"""What OpenLineage is told of the way of data, by tasks that Airflow runs and a receiver of its events."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from support.example_runs import airflow_environment, connections, run_dags
from support.open_api import connection

pytest.importorskip(
    "airflow.providers.openlineage", reason="apache-airflow-providers-openlineage is not installed"
)

from airflow_channel_provider.emulator import DEMO_APP_ID, DEMO_SECRET, EmulatorProcess
from airflow_channel_provider.lineage import DatasetName, file_dataset

CANARY = "canary-text-7391"
DAGS = f"""
from airflow.providers.common.compat.sdk import DAG
from airflow_channel_provider.operators.bulk import BulkNativeFunctionOperator, DataTableLoadOperator
from airflow_channel_provider.operators.extract import ExtractOperator
from airflow_channel_provider.operators.paged_read import PagedReadOperator

with DAG("ways", schedule=None):
    load = DataTableLoadOperator(
        task_id="load",
        sql="SELECT id, title AS name FROM orders WHERE note = '{CANARY}'",
        sql_conn_id="warehouse",
        table_name="orders",
        primary_key="id",
    )
    bulk = BulkNativeFunctionOperator(
        task_id="bulk",
        path="HOME/chats.jsonl",
        method="writeUserChatMessage",
        function_params={{
            "userChatId": "{{{{ item.chat }}}}",
            "dto": {{"plainText": "{CANARY} {{{{ item.text }}}}", "botName": "Bot"}},
        }},
    )
    read = PagedReadOperator(task_id="read", method="searchManagers", path="HOME/managers.jsonl")
    extract = ExtractOperator(
        task_id="extract",
        stream="user_chats",
        path="HOME/extracted",
        mask=["name"],
        window=["2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z"],
    )
    load >> bulk >> read >> extract
"""


class Receiver(ThreadingHTTPServer):
    """Keeps each event that it is sent."""

    def __init__(self) -> None:
        events: list[Any] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                events.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                """Say nothing."""

        super().__init__(("127.0.0.1", 0), Handler)
        self.events = events


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Any]]:
    home, receiver = tmp_path_factory.mktemp("lineage"), Receiver()
    folder = home / "dags"
    folder.mkdir()
    (folder / "ways.py").write_text(DAGS.replace("HOME", str(home)), encoding="utf-8")
    with sqlite3.connect(home / "warehouse.db") as database:
        database.execute("CREATE TABLE orders (id INTEGER, title TEXT, note TEXT)")
        database.executemany(
            "INSERT INTO orders VALUES (?, ?, ?)", [(n, f"{CANARY} {n}", CANARY) for n in range(7)]
        )
    lines = [json.dumps({"chat": f"chat-ch-1-{n}", "text": CANARY}) for n in (1, 2, 3)]
    (home / "chats.jsonl").write_text("\n".join(lines), encoding="utf-8")
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    transport = {
        "type": "http",
        "url": f"http://127.0.0.1:{receiver.server_port}",
        "endpoint": "api/v1/lineage",
    }
    with EmulatorProcess() as emulator:
        environment = {
            **airflow_environment(str(home), str(folder)),
            **connections(emulator.url, str(home), app_id=DEMO_APP_ID, secret=DEMO_SECRET),
            "AIRFLOW_CONN_CHANNEL_TALK_OPEN_API_DEFAULT": connection(emulator.url),
            "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport),
            "AIRFLOW__OPENLINEAGE__NAMESPACE": "test",
        }
        states, output = run_dags(environment)
    assert set(states["ways"].values()) == {"success"}, output[-4000:]
    receiver.shutdown()
    yield receiver.events
    receiver.server_close()


def completed(events: list[Any], task_id: str) -> Any:
    (found,) = [
        event
        for event in events
        if event["job"]["name"] == f"ways.{task_id}" and event["eventType"] == "COMPLETE"
    ]
    return found


def place(dataset: Any) -> tuple[str, str]:
    return dataset["namespace"], dataset["name"].rpartition("/")[2]


def test_a_table_leads_to_the_data_table_column_by_column(events: list[Any]) -> None:
    event = completed(events, "load")
    (source,), (target,) = event["inputs"], event["outputs"]
    assert place(source) == ("file", "warehouse.db#orders")
    assert (target["namespace"], target["name"]) == ("channeltalk://ch-1", "data_table/orders")
    assert [field["name"] for field in target["facets"]["schema"]["fields"]] == ["id", "name"]
    origins = target["facets"]["columnLineage"]["fields"]
    assert {name: one["inputFields"][0]["field"] for name, one in origins.items()} == {
        "id": "id",
        "name": "title",
    }
    assert target["outputFacets"]["outputStatistics"]["rowCount"] == 7


def test_a_file_leads_to_a_function(events: list[Any]) -> None:
    event = completed(events, "bulk")
    (source,), (target,) = event["inputs"], event["outputs"]
    assert place(source) == ("file", "chats.jsonl")
    assert (target["namespace"], target["name"]) == ("channeltalk://ch-1", "function/writeUserChatMessage")
    assert target["outputFacets"]["outputStatistics"]["rowCount"] == 3


def test_a_function_leads_to_the_file_and_to_no_part_of_it(events: list[Any]) -> None:
    event = completed(events, "read")
    (source,), (target,) = event["inputs"], event["outputs"]
    assert (source["namespace"], source["name"]) == ("channeltalk://ch-1", "function/searchManagers")
    assert place(target) == ("file", "managers.jsonl")
    assert target["outputFacets"]["outputStatistics"]["rowCount"] == 2


def test_channel_talk_leads_to_the_files_of_an_extraction(events: list[Any]) -> None:
    event = completed(events, "extract")
    (source,), (target,) = event["inputs"], event["outputs"]
    assert (source["namespace"], source["name"]) == ("channeltalk://ch-1", "open_api/user_chats")
    assert target["namespace"] == "file"
    assert "/extracted/user_chats/" in target["name"]
    assert target["outputFacets"]["outputStatistics"]["rowCount"] == 10
    columns = {field["name"] for field in target["facets"]["schema"]["fields"]}
    origins = target["facets"]["columnLineage"]["fields"]
    assert {"id", "state", "updatedAt"} <= origins.keys() <= columns
    assert not {"name", "_extracted_at"} & origins.keys()


def test_no_event_holds_a_text_a_parameter_or_a_secret(events: list[Any]) -> None:
    # The file of a DAG, which OpenLineage may be told to send, has what its author wrote into it.
    told = json.dumps([{name: event[name] for name in ("inputs", "outputs")} for event in events])
    assert CANARY not in told
    assert DEMO_SECRET not in json.dumps(events)
    assert "open-secret" not in json.dumps(events)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("/tmp/a b.jsonl", DatasetName("file", "/tmp/a b.jsonl")),
        ("file:///tmp/a%20b.jsonl", DatasetName("file", "/tmp/a b.jsonl")),
        ("s3://conn@bucket/dir/x.parquet", DatasetName("s3://bucket", "dir/x.parquet")),
        ("s3://key:canary@bucket/x", DatasetName("s3://bucket", "x")),
    ],
)
def test_a_file_is_named_without_its_connection(address: str, expected: DatasetName) -> None:
    assert file_dataset(address) == expected
