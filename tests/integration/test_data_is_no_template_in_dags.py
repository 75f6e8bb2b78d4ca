"""What arrives while a DAG runs is data: in DAGs that Airflow expands, renders, defers and resumes for real."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.example_runs import MOST_SECONDS, airflow_environment, connections, run_dags
from support.fuzzing import AT_NIGHT, THOROUGH

from airflow_channel_provider.emulator import DEMO_APP_ID, DEMO_SECRET, EmulatorProcess
from tools.demo.airflow_home import migrated_database

pytestmark = [pytest.mark.timeout(MOST_SECONDS), *AT_NIGHT]

ROOT = Path(__file__).parents[2]
CANARY = "canary-4f6d0b1c"
BRACES = "{{ conn.canary.password }}"

DAGS = """
from airflow.providers.common.compat.sdk import DAG, task, task_group
from airflow_channel_provider.operators.bulk import BulkNativeFunctionOperator, DataTableLoadOperator
from airflow_channel_provider.operators.channel_talk import (
    NativeFunctionOperator,
    WriteUserChatMessageOperator,
)

CHAT, BRACES = "chat-ch-1-1", "{{ conn.canary.password }}"
CALL = {"method": "writeUserChatMessage", "items": ["{{ run_id }}"]}


def message(text):
    return {"userChatId": CHAT, "dto": {"plainText": text, "botName": "Shop"}}


def make(dag_id, native):
    with DAG(dag_id, schedule=None, render_template_as_native_obj=native) as dag:
        def returned(value):
            @task(task_id="gives")
            def give():
                return value

            return give()

        bulk = BulkNativeFunctionOperator
        bulk.partial(task_id="bulk_expand", **CALL).expand(function_params=returned([message(f"1 {BRACES}")]))
        bulk(task_id="bulk_within", **CALL, function_params=message(returned(f"2 {BRACES}")))
        bulk.partial(task_id="bulk_kwargs", **CALL).expand_kwargs(
            returned([{"function_params": message(f"3 {BRACES}")}])
        )
        bulk.partial(task_id="bulk_written", **CALL).expand(
            function_params=[message("4 {{ dag.dag_id }} of {{ item[:6] }}")]
        )
        bulk(
            task_id="bulk_items",
            method="writeUserChatMessage",
            function_params=message("{{ item.text }}"),
            items=returned([{"text": f"5 {BRACES}"}]),
        )
        write = WriteUserChatMessageOperator
        write.partial(task_id="kwargs", user_chat_id=CHAT).expand_kwargs(returned([{"text": f"6 {BRACES}"}]))
        write.partial(task_id="kwargs_each", user_chat_id=CHAT).expand_kwargs(
            [returned({"text": f"7 {BRACES}"}), {"text": "8 {{ dag.dag_id }}"}]
        )

        @task_group
        def group(text):
            write(task_id="in_group", user_chat_id=CHAT, text=text)
            bulk(task_id="bulk_in_group", **CALL, function_params=message(text))

        group.expand(text=returned([f"9 {BRACES}"]))
        if not native:
            # The emulator refuses the first attempt for some seconds, and no wait may be sat out.
            NativeFunctionOperator(
                task_id="deferred",
                method="writeUserChatMessageAsManager",
                function_params={
                    "userChatId": CHAT,
                    "dto": {"plainText": returned(f"10 {BRACES}"), "managerId": "manager-ch-1-1"},
                },
                deferrable=True,
                max_wait_seconds=0,
            )
        DataTableLoadOperator(
            task_id="table", table_name=dag_id, primary_key="id", items=returned([{"id": 1, "text": BRACES}])
        )
    return dag


dags = [make(dag_id, dag_id == "native") for dag_id in DAG_IDS]
"""
DAG_IDS = ["plain", "native"] if THOROUGH else ["plain"]
"""``native`` has the same tasks. In each run, test_data_is_no_template has every way with native objects."""


class Ran:
    def __init__(
        self, emulator: EmulatorProcess, states: dict[str, dict[str, str]], output: str, metadata: str
    ) -> None:
        self.emulator = emulator
        self.states = states
        self.output = output
        self.metadata = metadata


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    home, dags = tmp_path_factory.mktemp("airflow-home"), tmp_path_factory.mktemp("dags")
    dags.joinpath("data.py").write_text(f"DAG_IDS = {DAG_IDS}\n{DAGS}")
    with EmulatorProcess() as emulator:
        late = "writeUserChatMessageAsManager"
        emulator.inject("rate_limit", method=late, shape="header", reset_after_seconds=5)
        environment = airflow_environment(str(home), str(dags)) | connections(
            emulator.url, str(home), app_id=DEMO_APP_ID, secret=DEMO_SECRET
        )
        environment["AIRFLOW_CONN_CANARY"] = json.dumps({"conn_type": "http", "password": CANARY})
        environment["PYTHONPATH"] = str(ROOT)
        states, output = run_dags(environment, str(migrated_database()))
        metadata = home.joinpath("airflow.db").read_bytes().decode(errors="replace")
        yield Ran(emulator, states, output, metadata)


def test_every_task_succeeds(ran: Ran) -> None:
    failed = {
        f"{dag_id}.{name}": state
        for dag_id, states in ran.states.items()
        for name, state in states.items()
        if state != "success"
    }
    assert set(ran.states) == set(DAG_IDS)
    assert failed == {}, ran.output


def test_what_tasks_returned_arrives_as_it_is_and_what_the_dag_file_wrote_is_rendered(ran: Ran) -> None:
    arrived = sorted(str(message["plainText"]) for message in ran.emulator.messages())
    both = [f"{number} {BRACES}" for number in (1, 2, 3, 5, 6, 7, 9, 9)] * len(DAG_IDS)
    written = [text for dag_id in DAG_IDS for text in (f"4 {dag_id} of manual", f"8 {dag_id}")]
    assert arrived == sorted([*both, *written, f"10 {BRACES}"])


def test_the_rows_of_a_table_arrive_as_they_are(ran: Ran) -> None:
    for dag_id in DAG_IDS:
        assert ran.emulator.table(DEMO_APP_ID, "ch-1", dag_id)["rows"] == [{"id": 1, "text": BRACES}]


def test_the_wait_in_the_triggerer_was_one(ran: Ran) -> None:
    assert "writeUserChatMessageAsManager: the wait is over" in ran.output


def test_no_secret_was_read(ran: Ran) -> None:
    told = json.dumps([ran.emulator.messages(), ran.emulator.journal()])
    assert CANARY not in told + ran.output + ran.metadata
