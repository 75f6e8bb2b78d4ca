from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import airflow
import jsonschema
import pytest
import yaml
from airflow.providers.common.compat.sdk import BaseNotifier
from support.airflow_features import sensitive_names

from airflow_channel_provider.connection_form import CHANNEL_TALK_FORM, FORMS, ConnectionForm
from airflow_channel_provider.contract.signing import SHORTEST_KEY_BYTES
from airflow_channel_provider.get_provider_info import get_provider_info
from tools import provider_yaml
from tools.modules import ROOT

INFO: dict[str, Any] = get_provider_info()


def schema(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((Path(airflow.__file__).parent / name).read_text())
    return loaded


def test_metadata_fits_the_schema_of_airflow() -> None:
    jsonschema.validate(INFO, schema("provider_info.schema.json"))


@pytest.mark.parametrize("part", sorted(name for name, value in INFO.items() if not isinstance(value, str)))
def test_each_part_fits_the_strict_schema_for_authors(part: str) -> None:
    strict = schema("provider.yaml.schema.json")
    if part not in strict["properties"]:
        pytest.skip(f"This Airflow knows no {part!r} of providers, and passes over it.")
    jsonschema.validate(
        INFO[part], {**strict["properties"][part], "definitions": strict.get("definitions", {})}
    )


def test_provider_yaml_says_the_same_and_fits_the_schema_for_authors() -> None:
    written: dict[str, Any] = yaml.safe_load(provider_yaml.FILE.read_text(encoding="utf-8"))
    assert written == provider_yaml.metadata(), "run `make generated`"
    strict = schema("provider.yaml.schema.json")
    if unknown := sorted(set(written) - set(strict["properties"])):
        pytest.skip(f"The schema of this Airflow does not know {', '.join(unknown)} yet.")
    jsonschema.validate(written, strict)


@pytest.mark.parametrize("integration", INFO["integrations"], ids=lambda item: item["integration-name"])
def test_pages_and_logo_of_an_integration_are_where_airflow_looks(integration: dict[str, Any]) -> None:
    for page in integration["how-to-guide"]:
        assert page.startswith("/docs/")
        assert (ROOT / page.removeprefix("/")).is_file()
    assert integration["logo"].startswith("/integration-logos/")
    ElementTree.parse(ROOT / "docs" / integration["logo"].removeprefix("/"))


def test_metadata_imports_nothing_of_airflow() -> None:
    code = (
        "import sys, airflow_channel_provider.get_provider_info as i; i.get_provider_info(); "
        "sys.exit(any(m.split('.')[0] == 'airflow' for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_entry_point_leads_to_the_metadata() -> None:
    (entry,) = (
        e for e in entry_points(group="apache_airflow_provider") if e.value.startswith("airflow_channel_")
    )
    assert entry.load()() == INFO
    assert entry.dist is not None
    assert INFO["package-name"] == entry.dist.name


@pytest.mark.parametrize("kind", ["hooks", "operators", "sensors", "triggers"])
def test_named_modules_exist(kind: str) -> None:
    for item in INFO[kind]:
        for module in item["python-modules"]:
            assert import_module(module).__all__


def test_named_notifiers_exist() -> None:
    for path in INFO["notifications"]:
        module, _, name = path.rpartition(".")
        assert issubclass(getattr(import_module(module), name), BaseNotifier)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.conn_type)
def test_connection_type_agrees_with_its_hook(form: ConnectionForm) -> None:
    module, _, name = form.hook_class.rpartition(".")
    hook = getattr(import_module(module), name)
    assert (hook.conn_type, hook.hook_name) == (form.conn_type, form.hook_name)
    assert hook.default_conn_name == f"{form.conn_type}_default"
    assert hook.conn_name_attr == f"{form.conn_type}_conn_id"
    assert getattr(hook(), hook.conn_name_attr) == hook.default_conn_name


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.conn_type)
def test_exactly_the_secret_fields_have_names_that_airflow_takes_for_secrets(form: ConnectionForm) -> None:
    named_so = {f.name for f in form.fields for word in sensitive_names() if word in f.name}
    assert named_so == {f.name for f in form.fields if f.secret}


def test_a_secret_field_has_no_default_and_hides_what_is_typed() -> None:
    secret = [field for form in FORMS for field in form.fields if field.secret]
    assert [field.name for field in secret] == [
        "webhook_token",
        "signing_secret",
        "webhook_token",
        "client_secret",
        "user_password",
        "refresh_token",
    ]
    for field in secret:
        rules = {"pattern": field.pattern} if field.pattern else {}
        assert field.schema() == {"type": ["string", "null"], "format": "password", **rules}


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.conn_type)
def test_each_field_accepts_what_the_form_saves(form: ConnectionForm) -> None:
    for field in form.fields:
        valid = field.choices[0] if field.choices else 5 if field.kind == "integer" else "text"
        valid = "0f" * 32 if field.name == "signing_secret" else valid
        jsonschema.validate(valid, field.schema())
        if field.required:
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate(None, field.schema())
        else:
            jsonschema.validate(None, field.schema())


def test_the_form_takes_a_signing_key_as_short_as_the_contract_does() -> None:
    (field,) = [field for field in CHANNEL_TALK_FORM.fields if field.name == "signing_secret"]
    jsonschema.validate("0f" * SHORTEST_KEY_BYTES, field.schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate("0f" * (SHORTEST_KEY_BYTES - 1), field.schema())


def test_both_shapes_of_the_form_say_the_same() -> None:
    for form in FORMS:
        behaviour: Any = form.metadata()["ui-field-behaviour"]
        assert form.behaviour() == {name.replace("-", "_"): value for name, value in behaviour.items()}


def test_labels_of_the_standard_fields() -> None:
    labels = {form.conn_type: form.relabeling for form in FORMS}
    assert labels["channel_talk"]["login"] == "App ID"
    assert labels["channel_talk"]["password"] == "App Secret"
    assert labels["benlly"]["password"] == "User access token"
    assert labels["channel_talk_open_api"]["login"] == "Access Key"
    assert {form.conn_type: form.hidden for form in FORMS if form.hidden} == {"benlly": ("login",)}


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.conn_type)
def test_older_airflow_finds_the_form_where_it_looks(form: ConnectionForm) -> None:
    # It overlooks methods that a hook has inherited. What it makes of them: tests/older.
    module, _, name = form.hook_class.rpartition(".")
    hook = getattr(import_module(module), name)
    assert {"get_connection_form_widgets", "get_ui_field_behaviour"} <= set(hook.__dict__)
    assert hook.get_ui_field_behaviour() == form.behaviour()


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.conn_type)
def test_a_number_has_bounds_and_a_choice_of_words_is_a_select(form: ConnectionForm) -> None:
    for field in form.fields:
        schema = field.schema()
        bounded = {"minimum", "maximum"} <= set(schema)
        assert bounded == (field.kind == "integer")
        assert ("enum" in schema) == (field.name in ("device", "body_encoding"))
        assert field.label
        assert field.description
