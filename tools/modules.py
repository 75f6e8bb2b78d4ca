"""The modules of the package, found where they lie and not imported."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "airflow_channel_provider"

SURFACE = ("hooks", "operators", "sensors", "triggers", "notifications", "plugins")
"""What DAG files import and what Airflow loads, as far as it is there."""
INSIDES = ("contract", "api", "tokens", "messages", "bulk", "emulator")
"""Rooms that nobody imports from outside, but for what :data:`DOORS` names."""
DOORS = (f"{PACKAGE}.emulator", f"{PACKAGE}.emulator.pytest_plugin")


def path_of(module: str) -> Path:
    """Return the file of a module."""
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def modules(*rooms: str) -> list[str]:
    """
    Return the modules of the package.

    :param rooms: names of its folders; all of them where none is given.
    """
    found = []
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        *folders, stem = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(folders if stem == "__init__" else [*folders, stem])
        if not rooms or set(name.split(".")[1:2]) & set(rooms):
            found.append(name)
    return found


def public_modules() -> list[str]:
    """Return those that users import: no part of their path has a leading underscore, and they are in no inside."""
    insides = set(modules(*INSIDES)) - set(DOORS)
    private = {name for name in modules() if any(part.startswith("_") for part in name.split("."))}
    return [name for name in modules() if name not in insides | private]
