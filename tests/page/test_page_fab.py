"""The page under FAB's auth manager, where that is installed: in a process, a home and a database of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from support import fab_site
from support.airflow_features import PLUGIN_PAGES, leave_out_unless
from support.records import app_record, now_of, write

from airflow_channel_provider.tokens.stores.file import FileStore
from tools.demo.environment import Keys, airflow_environment

leave_out_unless(*PLUGIN_PAGES)
leave_out_unless("airflow.providers.fab:__version__", "apache-airflow-providers-fab is not installed.")

ROLES: dict[str, list[list[str]] | None] = {
    **dict.fromkeys(("Admin", "Op", "User", "Viewer", "Public")),
    "Looker": [["can_read", "Connections"]],
    "Editor": [["can_read", "Connections"], ["can_edit", "Connections"]],
    "Lister": [["can_read", "Plugins"]],
}
ALL = ["nobody", *ROLES]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Any:
    home = tmp_path_factory.mktemp("fab")
    store = FileStore(home / "store")
    for key in ALL:
        write(store, key, app_record(now_of(store), f"app of {key}", ages=[300], connections=("shop",)))
    settings = {
        "CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
        "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "CHANNEL_TALK__STORE": (home / "store").as_uri(),
        **Keys().settings(),
    }
    environment = {**airflow_environment(home, settings), "PYTHONWARNINGS": "ignore"}
    run: dict[str, Any] = {"env": environment, "capture_output": True, "text": True, "check": False}
    migrated = subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], **run)
    assert migrated.returncode == 0, migrated.stderr
    site = subprocess.run([sys.executable, fab_site.__file__, json.dumps({"roles": ROLES})], **run)
    assert site.returncode == 0, site.stderr
    return json.loads(site.stdout.splitlines()[-1])


@pytest.mark.promise(name="page")
@pytest.mark.parametrize(
    ("role", "read", "drop", "in_menu"),
    [
        ("nobody", 401, 401, False),
        ("Public", 403, 403, False),
        ("Viewer", 403, 403, False),
        ("User", 403, 403, False),
        ("Op", 200, 200, True),
        ("Admin", 200, 200, True),
        ("Looker", 200, 403, False),
        ("Editor", 200, 200, False),
        ("Lister", 403, 403, True),
    ],
)
def test_each_role_of_fab_gets_what_the_docs_say(
    found: Any, role: str, read: int, drop: int, in_menu: bool
) -> None:
    seen = found[role]
    assert (seen["page"], seen["data"], seen["drop"], seen["in_menu"]) == (read, read, drop, in_menu)
    assert len(seen["apps"]) == (len(ALL) if read == 200 else 0)
    assert seen["may_drop"] == ({200: True, 403: False}[drop] if read == 200 else None)
