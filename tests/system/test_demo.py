"""What a real Airflow leaves behind when the example DAGs have run on it."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from system.leaks import Leak, find_leaks
from system.processes import working_in

if TYPE_CHECKING:
    from pathlib import Path

    from system.conftest import SystemRun


def test_every_task_of_every_example_is_green(system_run: SystemRun) -> None:
    assert system_run.result.problems() == []
    assert {task.state for task in system_run.result.tasks} == {"success"}


def test_every_example_file_has_a_dag_that_ran(system_run: SystemRun) -> None:
    examples = {path.stem for path in system_run.dags_folder.glob("example_*.py")}
    assert examples
    assert examples <= set(system_run.result.run_states)
    assert {task.dag_id for task in system_run.result.tasks} == set(system_run.result.run_states)


def test_each_scope_costs_one_token_request_however_many_tasks_share_it(system_run: SystemRun) -> None:
    uses = {use.scope: use for use in system_run.result.token_uses}
    assert {scope: use.requests for scope, use in uses.items()} == dict.fromkeys(uses, 1)
    assert {"app", "channel:ch-1"} <= set(uses)
    assert uses["channel:ch-1"].calls >= uses["channel:ch-1"].connections > 1


def test_the_services_were_made_to_do_something(system_run: SystemRun) -> None:
    effects = system_run.result.effects
    assert effects.messages
    assert effects.commands
    assert {channel for channel, _ in effects.authorizations} == {1, 2, 3}


def test_no_message_was_sent_twice(system_run: SystemRun) -> None:
    assert len(system_run.result.effects.messages) == len(set(system_run.result.effects.messages))


@pytest.mark.parametrize(
    "kind",
    ["logs/dag_id=", "logs/dag_processor", "output/scheduler", "output/api-server", "output/dag-processor",
     "output/triggerer", "tokens/", "airflow.db", "airflow.db-wal"],
)  # fmt: skip
def test_the_search_for_secrets_saw_files_of_every_kind(system_run: SystemRun, kind: str) -> None:
    assert [name for name in system_run.files if name.startswith(kind)]


def test_the_search_for_secrets_saw_rows_that_tasks_wrote(system_run: SystemRun) -> None:
    with closing(sqlite3.connect(system_run.home / "airflow.db")) as connection:
        for table in (
            "xcom",
            "rendered_task_instance_fields",
            "task_instance",
            "connection",
            "serialized_dag",
        ):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] > 0, table


def test_the_search_for_secrets_finds_one_that_is_planted_among_what_the_run_left(
    system_run: SystemRun, tmp_path: Path
) -> None:
    home = shutil.copytree(system_run.home, tmp_path / "home")
    secrets = system_run.canaries.named()
    log = next(home.glob("logs/dag_id=*/**/*.log"))
    log.write_text(f"{log.read_text()}{secrets['App Secret']}", encoding="utf-8")
    with closing(sqlite3.connect(home / "airflow.db")) as connection:
        connection.execute("UPDATE connection SET description = ?", (f"x{secrets['issued token']}x",))
        connection.commit()
    assert {
        Leak(str(log.relative_to(home)), "App Secret"),
        Leak("airflow.db: connection.description", "issued token"),
    } <= set(find_leaks(home, secrets))


@pytest.mark.promise(name="secrets")
def test_no_secret_is_left_in_logs_xcoms_rendered_fields_database_or_token_store(
    system_run: SystemRun,
) -> None:
    assert system_run.leaks_while_up == []
    assert system_run.leaks_after == []


@pytest.mark.promise(name="emulator")
def test_only_loopback_is_listened_on(system_run: SystemRun) -> None:
    listeners = system_run.result.listeners
    assert {ip for ip, _ in listeners} == {"127.0.0.1"}
    assert system_run.ports <= {port for _, port in listeners}


def test_nothing_is_left_running(system_run: SystemRun) -> None:
    assert len(system_run.processes) > 8
    assert system_run.processes.alive() == []
    assert working_in(system_run.home) == []
