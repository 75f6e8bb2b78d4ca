"""
The connection form, as this Airflow gives it to its pages: from the metadata, or from what the hooks say.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_channel_provider.connection_form import FORMS, ConnectionForm

ROOT = Path(__file__).parents[2]

# Airflow 3 has a list for its page; Airflow 2 fills a form of Flask-AppBuilder with what the manager has collected.
SHOWN = """
import json
try:
    from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
except ImportError:
    from airflow.providers_manager import ProvidersManager
    manager = ProvidersManager()
    hooks = {kind: {"name": hook.hook_name} for kind, hook in manager.hooks.items() if hook}
    for key, widget in manager.connection_form_widgets.items():
        kind, name = key.removeprefix("extra__").split("__", 1)
        label = widget.field.args[0] if hasattr(widget.field, "args") else widget.field.label.text
        hooks[kind].setdefault("fields", {})[name] = label
    for kind, behaviour in manager.field_behaviours.items():
        hooks[kind].update(labels=behaviour["relabeling"], hidden=behaviour["hidden_fields"])
else:
    hooks = {}
    for item in HookMetaService.hook_meta_data():
        told = item.model_dump()
        standard = told["standard_fields"] or {}
        fields = told["extra_fields"] or {}
        hooks[told["connection_type"]] = {
            "name": told["hook_name"],
            "fields": sorted(fields),
            "labels": {n.replace("url_schema", "schema"): f["title"] for n, f in standard.items() if f and f["title"]},
            "hidden": [n for n, f in standard.items() if f and f["hidden"]],
        }
print("SHOWN " + json.dumps({kind: hooks.get(kind) for kind in ("channel_talk", "channel_talk_open_api", "benlly")}))
"""


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", SHOWN], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("SHOWN "))
    told: dict[str, Any] = json.loads(line.removeprefix("SHOWN "))
    return told


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.conn_type)
def test_connection_type_has_its_name(form: ConnectionForm, shown: dict[str, Any]) -> None:
    assert shown[form.conn_type]["name"] == form.hook_name


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.conn_type)
def test_own_fields_are_shown(form: ConnectionForm, shown: dict[str, Any]) -> None:
    assert set(shown[form.conn_type]["fields"]) == {field.name for field in form.fields}


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.conn_type)
def test_standard_fields_are_renamed_and_hidden(form: ConnectionForm, shown: dict[str, Any]) -> None:
    assert form.relabeling.items() <= shown[form.conn_type]["labels"].items()
    assert set(form.hidden) == set(shown[form.conn_type]["hidden"])
