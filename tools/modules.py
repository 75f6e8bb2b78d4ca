"""The modules of the package, found in its folders without importing them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
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


def imports_of(module: str) -> Iterator[tuple[str, bool]]:
    """Yield each module of the package that a module imports, at its top or later, and whether only for types."""
    pending: list[tuple[ast.AST, bool]] = [(ast.parse(path_of(module).read_text(encoding="utf-8")), False)]
    while pending:
        node, for_types = pending.pop()
        if isinstance(node, ast.Import):
            yield from ((alias.name, for_types) for alias in node.names if alias.name.startswith(PACKAGE))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from ((name if _is_module(name) else node.module or "", for_types) for name in names)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            pending += [(child, True) for child in node.body] + [(child, for_types) for child in node.orelse]
        else:
            pending += [(child, for_types) for child in ast.iter_child_nodes(node)]


def imports_between_folders() -> dict[str, dict[str, bool]]:
    """
    Return what each folder of the package, and each module beside them, imports of the others.

    :return: by name, such as ``hooks`` or ``retry.py``, importers first: what it imports, and whether only for types.
    :raises CycleError: two import each other, perhaps by way of others.
    """
    found: dict[str, dict[str, bool]] = {}
    for module in modules():
        importer = _place_of(module)
        for name, for_types in imports_of(module):
            place = _place_of(name)
            if place != importer:
                imported = found.setdefault(importer, {})
                imported[place] = for_types and imported.get(place, True)
    sorter = TopologicalSorter({name: sorted(found[name]) for name in sorted(found)})
    order = reversed(list(sorter.static_order()))
    return {name: dict(sorted(found.get(name, {}).items())) for name in order}


def _place_of(module: str) -> str:
    """Return the folder of the package that a module is in, or its own file name if it is in none."""
    _, *inside = module.split(".")
    name = inside[0] if inside else "__init__"
    return name if (ROOT / PACKAGE / name).is_dir() else f"{name}.py"


def _is_module(name: str) -> bool:
    return path_of(name).is_file()


def public_modules() -> list[str]:
    """Return the modules that users import: those of the provider's metadata, and :data:`PUBLIC`."""
    info: dict[str, Any] = get_provider_info()
    rooms = ("hooks", "operators", "sensors", "triggers")
    named = {module for room in rooms for group in info[room] for module in group["python-modules"]}
    notifiers = {name.rpartition(".")[0] for name in info["notifications"]}
    return sorted({*named, *notifiers, *PUBLIC})
