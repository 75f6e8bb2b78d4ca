"""Run in a process of its own: print what each role gets of a server with FAB's auth manager, as JSON."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any

PAGE, DATA, DROP = "/channel-talk/", "/channel-talk/api/quota", "/channel-talk/api/drop-token"
MENU = "/api/v2/plugins"
PASSWORD = "a password of these tests"
EDIT = {"X-Requested-With": "airflow-channel-talk"}


def add_users(roles: dict[str, list[list[str]] | None]) -> None:
    """Add a user for each role, named like it; and those roles that come with permissions."""
    commands = import_module("airflow.providers.fab.auth_manager.cli_commands.utils")
    with commands.get_application_builder() as builder:
        manager = builder.sm
        for name, permissions in roles.items():
            role = manager.find_role(name) if permissions is None else manager.add_role(name)
            for action, resource in permissions or ():
                manager.add_permission_to_role(role, manager.create_permission(action, resource))
            assert manager.add_user(name, name, name, f"{name}@example.org", role, PASSWORD)


def seen(client: Any, app: str) -> dict[str, Any]:
    """Return what a client gets of the page; it drops the token of an app where it may."""
    data, menu = client.get(DATA), client.get(MENU)
    views = [view for plugin in menu.json().get("plugins", []) for view in plugin["external_views"]]
    return {
        "page": client.get(PAGE).status_code,
        "data": data.status_code,
        "apps": [one["app_id"] for one in data.json().get("apps", [])],
        "may_drop": data.json().get("drop", {}).get("allowed"),
        "drop": client.post(DROP, headers=EDIT, json={"app": app, "scope": "app"}).status_code,
        "in_menu": "Channel Talk" in [view["name"] for view in views],
    }


def main(asked: dict[str, Any]) -> dict[str, Any]:
    """Return what each role gets, and somebody who is not logged in."""
    add_users(asked["roles"])
    from airflow.api_fastapi.app import create_app
    from starlette.testclient import TestClient

    application = create_app(apps="all")
    with TestClient(application) as anonymous:
        found = {"nobody": seen(anonymous, "nobody")}
        for role in asked["roles"]:
            answer = anonymous.post("/auth/token", json={"username": role, "password": PASSWORD})
            client = TestClient(
                application, headers={"Authorization": f"Bearer {answer.json()['access_token']}"}
            )
            found[role] = seen(client, role)
    return found


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
