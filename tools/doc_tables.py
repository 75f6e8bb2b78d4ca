"""
Write the tables that are made of the code into the docs: ``python -m tools.doc_tables``.

``functions.md`` has a section for each function, and one for each object that several functions share; ``reading.md``
has the functions that list, ``open_api.md`` the operations of Open API, ``how_to/warehouse.md`` the streams that are
extracted, with their columns, ``stores.md`` the kinds of stores, ``architecture.md`` which folder imports which. The
text between the two marks of a page is replaced, the rest stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from airflow_channel_provider.hooks._stores import STORE_KINDS
from tools import function_tables
from tools.modules import ROOT, imports_between_folders

DOCS = ROOT / "docs"
BEGIN = "<!-- From here on written by `make generated`. -->\n"
END = "<!-- To here. -->\n"

_SHARED_BY = {
    "process": "the threads of one process",
    "host": "the processes of one host",
    "all": "all tasks",
}


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
    "reading.md": function_tables.listings,
    "stores.md": stores,
}


def page(name: str) -> str:
    """Return a page with its present tables."""
    before, _, rest = DOCS.joinpath(name).read_text(encoding="utf-8").partition(BEGIN)
    return f"{before}{BEGIN}\n{PAGES[name]()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    for name in PAGES:
        DOCS.joinpath(name).write_text(page(name), encoding="utf-8")
