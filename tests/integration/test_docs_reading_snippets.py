"""What the page about reading and waiting shows in Python is run as it stands, against the emulator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support import markdown

from airflow_channel_provider.emulator import DEMO_APP_ID, DEMO_SECRET, EmulatorThread
from airflow_channel_provider.emulator.dialect import DIALECTS

PAGE = Path(__file__).parents[2].joinpath("docs", "reading.md").read_text(encoding="utf-8")
RUN = {
    block.mark.removeprefix("run: "): block.text
    for block in markdown.blocks(PAGE)
    if block.mark.startswith("run: ")
}
NAMES = ["Mina Seo", "Noah Weiss"]


@pytest.fixture(autouse=True, params=DIALECTS)
def emulator(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[EmulatorThread]:
    with EmulatorThread({"dialect": request.param}) as emulator:
        fields = {"conn_type": "channel_talk", "login": DEMO_APP_ID, "password": DEMO_SECRET}
        connection = {**fields, "host": emulator.url, "extra": {"channel_id": "ch-1"}}
        monkeypatch.setenv("AIRFLOW_CONN_CHANNEL_TALK_DEFAULT", json.dumps(connection))
        monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", tmp_path.joinpath("store").as_uri())
        yield emulator


def run(name: str, text: str | None = None) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(text or RUN[name], f"docs/reading.md, {name}", "exec"), names)
    return names


def executed(operator: Any) -> Any:
    dag_run = SimpleNamespace(start_date=datetime(2026, 1, 31, tzinfo=timezone.utc))
    operator.render_template_fields({"dag_run": dag_run})
    ti = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1, try_number=1)
    return operator.execute({"ti": ti, "dag_run": dag_run})


def test_there_is_a_test_for_each_snippet() -> None:
    assert set(RUN) == {"iterate", "paged_read", "paged_read_to_a_file", "sensor_expect", "sensor_predicate"}


def test_items_as_xcom() -> None:
    names = run("paged_read")
    assert [manager["name"] for manager in executed(names["managers"])] == NAMES
    assert executed(names["first_ten"]) == []


def test_items_in_a_file(tmp_path: Path) -> None:
    here = RUN["paged_read_to_a_file"].replace("file:///tmp/", f"{tmp_path.as_uri()}/")
    assert executed(run("paged_read_to_a_file", here)["export"])["count"] == 2
    (file,) = tmp_path.glob("channel_talk/*")
    assert file.name == "managers-20260131.jsonl"
    assert [json.loads(line)["name"] for line in file.read_text().splitlines()] == NAMES


def test_hook() -> None:
    assert run("iterate")["names"] == NAMES


@pytest.mark.parametrize(
    ("name", "found"),
    [("sensor_expect", {"userChat.assigneeId": "manager-ch-1-1"}), ("sensor_predicate", "manager-ch-1-1")],
)
def test_sensors(emulator: EmulatorThread, name: str, found: Any) -> None:
    taken = run(name)["taken"]
    assert taken.poke({}) is False
    emulator.change_user_chat("chat-ch-1-1", assignee_id="manager-ch-1-1")
    assert taken.poke({}).xcom_value == found
