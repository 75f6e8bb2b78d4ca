"""The documentation site: every page can be reached, and nothing public is missing from its reference."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
ROOMS = ("hooks", "operators", "sensors", "triggers", "notifications")


def test_every_page_can_be_reached() -> None:
    toctrees = "\n".join(page.read_text(encoding="utf-8") for page in DOCS.rglob("*.md"))
    lost = [
        page.relative_to(DOCS).with_suffix("").as_posix()
        for page in (*DOCS.glob("*.md"), *DOCS.glob("how_to/*.md"))
        if not re.search(rf"^{page.relative_to(DOCS).with_suffix('')}$", toctrees, re.MULTILINE)
    ]
    assert lost == ["index"]


def test_every_public_class_for_authors_of_dags_is_in_the_reference() -> None:
    modules = [
        f"airflow_channel_provider.{room}.{path.stem}"
        for room in ROOMS
        for path in (ROOT / "airflow_channel_provider" / room).glob("*.py")
        if not path.stem.startswith("_")
    ]
    public = {f"{module}.{name}" for module in modules for name in import_module(module).__all__}
    pages = "\n".join(page.read_text(encoding="utf-8") for page in (DOCS / "reference").glob("*.md"))
    assert public - set(re.findall(r"autoclass:: (\S+)", pages)) == set()


def test_the_site_fetches_nothing_from_elsewhere() -> None:
    sources = [path.read_text(encoding="utf-8") for path in DOCS.rglob("*") if path.suffix in (".md", ".svg")]
    assert not [text for text in sources if re.search(r"(src|href)=[\"']https?:", text)]
