"""The forms as Airflow hands them to its UI: what is declared arrives, and nothing of it is taken for a secret."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.airflow_features import FORM_FROM_METADATA, leave_out_unless, needs

from airflow_channel_provider.connection_form import FORMS, ConnectionForm

leave_out_unless(*FORM_FROM_METADATA)

if TYPE_CHECKING:
    from support.airflow_api import AirflowApi

pytestmark = pytest.mark.filterwarnings("default")  # Airflow's own application warns of its own


@pytest.fixture
def served(airflow_api: AirflowApi) -> dict[str, Any]:
    return {form["connection_type"]: form for form in airflow_api.ask("GET", "/ui/connections/hook_meta")}


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.conn_type)
def test_standard_fields(served: dict[str, Any], form: ConnectionForm) -> None:
    told = served[form.conn_type]
    assert (told["hook_name"], told["hook_class_name"]) == (form.hook_name, form.hook_class)
    for name in ("description", "host", "port", "login", "password", "schema"):
        shown = told["standard_fields"]["url_schema" if name == "schema" else name]
        expected = (name in form.hidden, form.relabeling.get(name), form.placeholders.get(name))
        assert (
            (shown["hidden"], shown["title"], shown["placeholder"]) if shown else (False, None, None)
        ) == expected


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.conn_type)
def test_own_fields(served: dict[str, Any], form: ConnectionForm) -> None:
    shown = served[form.conn_type]["extra_fields"]
    assert list(shown) == [field.name for field in form.fields]
    for field in form.fields:
        told = shown[field.name]
        schema = {name: value for name, value in field.schema().items() if name != "default"}
        assert schema.items() <= told["schema"].items()
        assert told["schema"]["title"] == field.label
        assert told["description"] == field.description
        assert told["value"] == field.default  # *** where Airflow takes the name for a secret's
        # The UI marks a field as required by this.
        assert field.required == (told["schema"]["type"] == field.kind)


@needs("airflow.sdk:RetryPolicy", "Before Airflow 3.3 the hook is imported for the form all the same.")
def test_the_forms_are_made_of_metadata_alone() -> None:
    # In a process of its own: here other tests have imported the hooks.
    code = (
        "import sys\n"
        "from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService\n"
        "types = {form.connection_type for form in HookMetaService.hook_meta_data()}\n"
        "print('benlly' in types, 'airflow_channel_provider.hooks.benlly' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip().splitlines()[-1] == "True False"
