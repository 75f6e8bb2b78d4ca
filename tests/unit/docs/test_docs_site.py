"""The documentation site: every page can be reached, and nothing public is missing from its reference."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

from airflow_channel_provider.get_provider_info import get_provider_info

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
KINDS = ("hooks", "operators", "sensors", "triggers")


def test_every_page_can_be_reached() -> None:
    toctrees = "\n".join(page.read_text(encoding="utf-8") for page in DOCS.rglob("*.md"))
    lost = [
        page.relative_to(DOCS).with_suffix("").as_posix()
        for page in (*DOCS.glob("*.md"), *DOCS.glob("how_to/*.md"))
        if not re.search(rf"^{page.relative_to(DOCS).with_suffix('')}$", toctrees, re.MULTILINE)
    ]
    assert lost == ["index"]


def test_every_class_that_the_provider_announces_is_in_the_reference() -> None:
    info: dict[str, Any] = get_provider_info()
    modules = [name for kind in KINDS for item in info[kind] for name in item["python-modules"]]
    public = {f"{module}.{name}" for module in modules for name in import_module(module).__all__}
    pages = "\n".join(page.read_text(encoding="utf-8") for page in (DOCS / "reference").glob("*.md"))
    assert {*public, *info["notifications"]} - set(
        re.findall(r"auto(?:class|function):: (\S+)", pages)
    ) == set()


def test_the_site_fetches_nothing_from_elsewhere() -> None:
    sources = [path.read_text(encoding="utf-8") for path in DOCS.rglob("*") if path.suffix in (".md", ".svg")]
    assert not [text for text in sources if re.search(r"(src|href)=[\"']https?:", text)]
