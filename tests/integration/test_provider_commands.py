"""``airflow providers ...`` knows the provider, and has nothing to complain about."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from support.airflow_features import PROVIDER_COMMANDS, needs
from support.example_runs import airflow_environment, run

from airflow_channel_provider.connection_form import FORMS
from airflow_channel_provider.get_provider_info import get_provider_info

NAME = str(get_provider_info()["package-name"])
COMPLAINT = re.compile(r"Traceback|\bERROR\b|\[error|\[warning|Warning", re.MULTILINE)
OURS = re.compile(r"airflow[-_]channel[-_]provider|channel_talk|benlly", re.IGNORECASE)


COMMANDS = {
    "list": [],
    "get": [NAME, "--full"],
    "hooks": [],
    "behaviours": [],
    "widgets": [],
    "triggers": [],
    "notifications": [],
    "links": [],
    "configs": [],
}
RUN = """
import json, sys
from airflow.__main__ import main

for name, arguments in json.loads(sys.argv[1]).items():
    print("@@@@", name)
    sys.argv = ["airflow", "providers", name, *arguments, "--output", "json"]
    main()
"""


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What all the commands have printed, run in one process."""
    home = tmp_path_factory.mktemp("home")
    environment = airflow_environment(str(home), str(home)) | {"PYTHONWARNINGS": "default", "COLUMNS": "500"}
    return run(["-c", RUN, json.dumps(COMMANDS)], environment)


@pytest.fixture(scope="module")
def rows(output: str) -> dict[str, list[dict[str, Any]]]:
    """The rows of each command."""
    parts = [part.strip().partition("\n") for part in output.split("@@@@")[1:]]
    return {
        name.strip(): json.loads(next((line for line in told.splitlines() if line.startswith("[{")), "[]"))
        for name, _, told in parts
    }


def test_nothing_is_complained_about(output: str) -> None:
    assert [line for line in output.splitlines() if COMPLAINT.search(line) and OURS.search(line)] == []


def test_provider_is_listed(rows: dict[str, list[dict[str, Any]]]) -> None:
    (row,) = (row for row in rows["list"] if row["package_name"] == NAME)
    assert "Channel Talk" in row["description"]


def test_all_of_its_metadata_is_shown(rows: dict[str, list[dict[str, Any]]]) -> None:
    (row,) = rows["get"]
    assert row["package-name"] == NAME
    assert set(row) >= set(get_provider_info())
    for form in FORMS:
        assert form.hook_class in json.dumps(row)


def test_its_options_are_known(rows: dict[str, list[dict[str, Any]]]) -> None:
    assert [NAME, get_provider_info()["config"]] in [row["provider_config"] for row in rows["configs"]]


def test_its_hooks_are_imported(rows: dict[str, list[dict[str, Any]]]) -> None:
    hooks = {row["connection_type"]: row for row in rows["hooks"]}
    for form in FORMS:
        assert hooks[form.conn_type]["hook_name"] == form.hook_name
        assert "failed" not in str(hooks[form.conn_type]).lower()


def forms(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if not rows:
        pytest.skip(
            "The commands of Airflow 3.0 and 3.1 know nobody's form unless the FAB provider is installed."
        )
    return rows


def test_what_its_form_renames_is_known(rows: dict[str, list[dict[str, Any]]]) -> None:
    renamed = {row["field_behaviours"] for row in forms(rows["behaviours"])}
    assert {form.conn_type for form in FORMS} <= renamed


def test_fields_of_its_form_are_known(rows: dict[str, list[dict[str, Any]]]) -> None:
    shown = {str(row["connection_parameter_name"]) for row in forms(rows["widgets"])}
    for form in FORMS:
        assert {f"extra__{form.conn_type}__{field.name}" for field in form.fields} <= shown


START = """
import json, sys
from airflow.__main__ import main

sys.argv = ["airflow", "--help"]
try:
    main()
except SystemExit:
    pass
print(json.dumps([name for name in sys.modules if name.startswith("airflow_channel_provider")]))
"""


@needs(*PROVIDER_COMMANDS)
def test_a_command_of_airflow_loads_only_our_declarations(tmp_path: Path) -> None:
    printed = run(["-c", START], airflow_environment(str(tmp_path), str(tmp_path)))
    assert "Test connections, call functions and show the token quota of Channel Talk and Benlly" in " ".join(
        printed.split()
    )
    assert sorted(json.loads(printed.strip().splitlines()[-1])) == [
        "airflow_channel_provider",
        "airflow_channel_provider.cli",
        "airflow_channel_provider.cli.definition",
        "airflow_channel_provider.configuration",
        "airflow_channel_provider.connection_form",
        "airflow_channel_provider.get_provider_info",
    ]
