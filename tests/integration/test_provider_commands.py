"""``airflow providers ...`` knows the provider, and has nothing to complain about."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from support.example_runs import airflow_environment, run

from airflow_channel_provider.connection_form import FORMS
from airflow_channel_provider.get_provider_info import get_provider_info

NAME = str(get_provider_info()["package-name"])
COMPLAINT = re.compile(r"Traceback|\bERROR\b|\[error|\[warning|Warning", re.MULTILINE)
OURS = re.compile(r"airflow[-_]channel[-_]provider|channel_talk|benlly", re.IGNORECASE)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = tmp_path_factory.mktemp("home")
    return airflow_environment(str(home), str(home)) | {"PYTHONWARNINGS": "default", "COLUMNS": "500"}


def ask(environment: dict[str, str], *command: str) -> str:
    output = run(["-m", "airflow", "providers", *command], environment)
    complaints = [line for line in output.splitlines() if COMPLAINT.search(line) and OURS.search(line)]
    assert complaints == []
    return output


def ask_json(environment: dict[str, str], *command: str) -> list[dict[str, Any]]:
    output = ask(environment, *command, "--output", "json")
    rows: list[dict[str, Any]] = json.loads(
        next((line for line in output.splitlines() if line.startswith("[{")), "[]")
    )
    return rows


def ask_for_forms(environment: dict[str, str], *command: str) -> list[dict[str, Any]]:
    rows = ask_json(environment, *command)
    if not rows:
        pytest.skip(
            "The commands of Airflow 3.0 and 3.1 know nobody's form unless the FAB provider is installed."
        )
    return rows


def test_provider_is_listed(environment: dict[str, str]) -> None:
    (row,) = (row for row in ask_json(environment, "list") if row["package_name"] == NAME)
    assert "Channel Talk" in row["description"]


def test_all_of_its_metadata_is_shown(environment: dict[str, str]) -> None:
    (row,) = ask_json(environment, "get", NAME, "--full")
    assert row["package-name"] == NAME
    for form in FORMS:
        assert form.hook_class in json.dumps(row)


def test_its_hooks_are_imported(environment: dict[str, str]) -> None:
    rows = {row["connection_type"]: row for row in ask_json(environment, "hooks")}
    for form in FORMS:
        assert rows[form.conn_type]["hook_name"] == form.hook_name
        assert "failed" not in str(rows[form.conn_type]).lower()


def test_what_its_form_renames_is_known(environment: dict[str, str]) -> None:
    rows = {row["field_behaviours"]: row for row in ask_for_forms(environment, "behaviours")}
    assert {form.conn_type for form in FORMS} <= set(rows)


def test_fields_of_its_form_are_known(environment: dict[str, str]) -> None:
    shown = {str(row["connection_parameter_name"]) for row in ask_for_forms(environment, "widgets")}
    for form in FORMS:
        assert {f"extra__{form.conn_type}__{field.name}" for field in form.fields} <= shown
