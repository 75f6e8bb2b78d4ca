"""The modules of the package, found in its folders without importing them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow_channel_provider.get_provider_info import get_provider_info

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "airflow_channel_provider"

SURFACE = ("hooks", "operators", "sensors", "triggers", "notifications", "plugins")
"""The folders that DAG files import and Airflow loads."""
INSIDES = ("contract", "api", "tokens", "messages", "bulk", "extract", "emulator")
"""Folders that DAG files do not import."""
PUBLIC = (
    PACKAGE,
    *(f"{PACKAGE}.{name}" for name in ("exceptions", "retry_policy", "emulator", "emulator.pytest_plugin")),
    f"{PACKAGE}.operators.commands",
)
"""Modules that users import beside those of the provider's metadata."""


def path_of(module: str) -> Path:
    """Return the file of a module."""
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def modules(*rooms: str) -> list[str]:
    """
    Return the modules of the package.

    :param rooms: names of its folders; default: all.
    """
    found = []
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        *folders, stem = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(folders if stem == "__init__" else [*folders, stem])
        if not rooms or set(name.split(".")[1:2]) & set(rooms):
            found.append(name)
    return found


def public_modules() -> list[str]:
    """Return the modules that users import: those of the provider's metadata, and :data:`PUBLIC`."""
    info: dict[str, Any] = get_provider_info()
    rooms = ("hooks", "operators", "sensors", "triggers")
    named = {module for room in rooms for group in info[room] for module in group["python-modules"]}
    notifiers = {name.rpartition(".")[0] for name in info["notifications"]}
    return sorted({*named, *notifiers, *PUBLIC})
