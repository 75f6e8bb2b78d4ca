"""Run by the Python of an older Airflow: print what its connection form is told, by connection type."""

from __future__ import annotations

import json
import sys
from typing import Any

CONN_TYPES = ("channel_talk", "channel_talk_open_api", "benlly")


def of_wtforms() -> dict[str, Any]:
    """Airflow 2: real fields; what they accept is found out by filling them in."""
    from airflow.providers_manager import ProvidersManager
    from wtforms import Form  # type: ignore[import-untyped]

    manager = ProvidersManager()  # type: ignore[no-untyped-call]
    found: dict[str, Any] = {}
    for conn_type in CONN_TYPES:
        prefix = f"extra__{conn_type}__"
        own = {
            key.removeprefix(prefix): widget.field
            for key, widget in manager.connection_form_widgets.items()
            if key.startswith(prefix)
        }
        form = type("OwnForm", (Form,), own)
        found[conn_type] = {
            "behaviour": manager.field_behaviours[conn_type],
            "fields": {
                name: {
                    "label": field.label.text,
                    "description": field.description,
                    "default": field.default,
                    "valid": [value for value in json.loads(sys.argv[1]) if accepts(form, name, value)],
                }
                for name, field in form()._fields.items()
            },
        }
    return found


def accepts(form: Any, name: str, value: str) -> bool:
    """Return whether a form takes a value that somebody types into one of its fields."""

    class Typed(dict[str, str]):
        def getlist(self, key: str) -> list[str]:
            return [self[key]] if key in self else []

    filled = form(Typed({name: value}))
    filled.validate()
    return name not in filled.errors


def of_json_schema() -> dict[str, Any]:
    """Airflow 3.0 and 3.1: what the UI's endpoint answers."""
    from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService

    return {
        meta.connection_type: meta.model_dump(mode="json")
        for meta in HookMetaService.hook_meta_data()
        if meta.connection_type in CONN_TYPES
    }


def main() -> None:
    import airflow

    is_two = airflow.__version__.startswith("2.")
    print(json.dumps(of_wtforms() if is_two else of_json_schema()))


if __name__ == "__main__":
    main()
