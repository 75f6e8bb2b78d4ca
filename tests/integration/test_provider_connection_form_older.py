"""
The connection form in an Airflow before 3.2, which asks the hooks for it: the same as the metadata that 3.2 reads.

Nothing is put in the place of Airflow's parts.
"""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from typing import Any

import pytest
from airflow.providers_manager import ProvidersManager
from support import form_probe
from support.airflow_features import TASK_RUNNER, has

from airflow_channel_provider.connection_form import FORMS, ConnectionForm

TYPED = ["", "web", "form", "tv", "0", "1", "86400", "86401", "soon"]
READS_METADATA = "conn-fields" in inspect.getsource(ProvidersManager)
by_form = pytest.mark.parametrize("form", FORMS, ids=lambda form: form.conn_type)
only_two = pytest.mark.skipif(
    has(TASK_RUNNER[0]), reason="Since Airflow 3.0 the form is not one of Flask-AppBuilder."
)
only_three = pytest.mark.skipif(
    READS_METADATA or not has(TASK_RUNNER[0]),
    reason="Only Airflow 3.0 and 3.1 make a schema of what the hooks say.",
)


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """What this Airflow was told; in a process of its own, since others have imported the hooks here."""
    done = subprocess.run(
        [sys.executable, form_probe.__file__, json.dumps(TYPED)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


@only_two
@by_form
def test_airflow_two_shows_the_same_form(told: dict[str, Any], form: ConnectionForm) -> None:
    own = told[form.conn_type]
    assert own["behaviour"] == form.behaviour()
    assert list(own["fields"]) == [field.name for field in form.fields]
    for field in form.fields:
        shown = own["fields"][field.name]
        assert (shown["label"], shown["description"]) == (field.label, field.description)
        assert shown["default"] == field.default


@only_two
@by_form
def test_airflow_two_accepts_the_same_values(told: dict[str, Any], form: ConnectionForm) -> None:
    for field in form.fields:
        valid = set(told[form.conn_type]["fields"][field.name]["valid"])
        assert "" in valid  # the fields of all types are in one form
        if field.choices:
            assert valid - {""} == set(TYPED) & set(field.choices)
        elif field.kind == "integer":
            assert valid - {""} == {"1", "86400"}
        else:
            assert valid == set(TYPED)


@only_three
@by_form
def test_airflow_three_shows_the_same_form(told: dict[str, Any], form: ConnectionForm) -> None:
    own = told[form.conn_type]
    standard = {
        ("schema" if name == "url_schema" else name): shown for name, shown in own["standard_fields"].items()
    }
    for name, shown in standard.items():
        expected = (name in form.hidden, form.relabeling.get(name), form.placeholders.get(name))
        found = (shown["hidden"], shown["title"], shown["placeholder"]) if shown else (False, None, None)
        assert found == expected
    assert list(own["extra_fields"]) == [field.name for field in form.fields]
    for field in form.fields:
        shown = own["extra_fields"][field.name]
        assert (shown["schema"]["title"], shown["description"]) == (field.label, field.description)
        assert shown["schema"]["type"] == [field.kind, "null"]
        assert tuple(shown["schema"].get("enum", ())) == field.choices
        assert shown["value"] == field.default
