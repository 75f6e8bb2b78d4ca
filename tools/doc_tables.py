"""
Write the tables that are made of the code into the docs: ``python -m tools.doc_tables``.

``functions.md`` has a section for each function, and one for each object that several functions share; ``reading.md``
has the functions that list, ``open_api.md`` the operations of Open API, ``how_to/warehouse.md`` the streams that are
extracted, with their columns, ``operators.md`` the operators and sensors, which are in the reference too, ``stores.md``
the kinds of stores, ``architecture.md`` which folder imports which. The text between the two marks of a page is
replaced, the rest stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from inspect import isfunction
from typing import Any

from airflow_channel_provider.get_provider_info import get_provider_info
from airflow_channel_provider.hooks._stores import STORE_KINDS
from tools import function_tables
from tools.modules import PACKAGE, ROOT, imports_between_folders

DOCS = ROOT / "docs"
BEGIN = "<!-- From here on written by `make generated`. -->\n"
END = "<!-- To here. -->\n"

_SHARED_BY = {
    "process": "the threads of one process",
    "host": "the processes of one host",
    "all": "all tasks",
}


def operators() -> str:
    """
    Return the table of the operators and sensors: the first sentence of each, with a link to its section.

    :raises ValueError: one has no section.
    """
    rows = [
        f"| [`{name}`]({_section_of(name)}) | `{module.removeprefix(f'{PACKAGE}.')}` | {_first_sentence(found)} |"
        for kind in ("operators", "sensors")
        for module, name, found in _announced(kind)
    ]
    return "\n".join(["| operator or sensor | module | what it does |", "|---|---|---|", *rows, ""])


def _section_of(name: str) -> str:
    for path in sorted(DOCS.rglob("*.md")):
        if f"\n## {name}\n" in path.read_text(encoding="utf-8"):
            place = path.relative_to(DOCS).as_posix()
            return f"{'' if place == 'operators.md' else place}#{name.lower()}"
    raise ValueError(f"no page of the docs has a section '## {name}'")


def _first_sentence(found: object) -> str:
    text = " ".join((found.__doc__ or "").partition("\n\n")[0].split())
    return re.split(r"(?<=\.) ", text)[0].replace("``", "`").replace("|", "\\|").rstrip(".")


def _announced(kind: str) -> Iterator[tuple[str, str, object]]:
    """Yield module, name and object of all that the provider's metadata announces of a kind."""
    info: Any = get_provider_info()
    for module in (module for group in info[kind] for module in group["python-modules"]):
        for name in import_module(module).__all__:
            yield module, name, getattr(import_module(module), name)


def reference_of_operators() -> str:
    """Return the directives that write the reference of the operators."""
    return _directives((f"{module}.{name}", found) for module, name, found in _announced("operators"))


def reference_of_sensors() -> str:
    """Return the directives that write the reference of the sensors, triggers and notifiers."""
    info: Any = get_provider_info()
    sensors, triggers = (
        _directives((f"{module}.{name}", found) for module, name, found in _announced(kind))
        for kind in ("sensors", "triggers")
    )
    notifiers = _directives((name, None) for name in info["notifications"])
    return (
        f"## Sensors\n\n{sensors}\n## Triggers\n\nDeferrable sensors and watched assets wait with them:\n\n{triggers}\n"
        f"## Notifiers\n\n{notifiers}"
    )


def _directives(named: Iterable[tuple[str, object]]) -> str:
    lines = [f".. auto{'function' if isfunction(found) else 'class'}:: {path}\n" for path, found in named]
    return "\n".join(["```{eval-rst}", *lines]).rstrip("\n") + "\n```\n"


def stores() -> str:
    """Return the table of the kinds of stores."""
    rows = [
        f"| {_listed(kind.addresses)} | {kind.place} | {_SHARED_BY[kind.shared_by]} | {_listed(kind.extras)} |"
        for kind in STORE_KINDS.values()
    ]
    return "\n".join(["| `store = ` | where it is | who shares it | extra |", "|---|---|---|---|", *rows, ""])


def imports() -> str:
    """Return the table of the folders that each folder imports, and each module beside them, importers first."""
    rows = []
    for name, imported in imports_between_folders().items():
        folders = [
            f"`{other}`" + (" for types" if for_types else "")
            for other, for_types in imported.items()
            if not other.endswith(".py")
        ]
        if folders or not name.endswith(".py"):
            rows.append(f"| `{name}` | {', '.join(folders) or 'none'} |")
    return "\n".join(["| folder or module | folders that it imports |", "|---|---|", *rows, ""])


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


PAGES: dict[str, Callable[[], str]] = {
    "architecture.md": imports,
    "functions.md": function_tables.tables,
    "how_to/warehouse.md": function_tables.streams,
    "open_api.md": function_tables.operations,
    "operators.md": operators,
    "reading.md": function_tables.listings,
    "reference/operators.md": reference_of_operators,
    "reference/sensors.md": reference_of_sensors,
    "stores.md": stores,
}


def page(name: str) -> str:
    """Return a page with its present tables."""
    before, _, rest = DOCS.joinpath(name).read_text(encoding="utf-8").partition(BEGIN)
    return f"{before}{BEGIN}\n{PAGES[name]()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    for name in PAGES:
        DOCS.joinpath(name).write_text(page(name), encoding="utf-8")
