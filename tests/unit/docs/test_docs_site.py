"""The documentation site: what it takes from the README, and that nothing public is missing from its reference."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
ROOMS = ("hooks", "operators", "sensors", "triggers", "notifications")


def load_extension() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "readme_sections", DOCS / "_extensions" / "readme_sections.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


extension = load_extension()

README = """# Title

## One

text [two](#two) and [quota](docs/quota.md) and [code](dags_examples) ![picture](docs/images/a.png)

### Inner

```shell
# no heading [link](#nowhere)
```

## Two

end
"""


def test_a_section_ends_with_the_next_heading_of_its_level() -> None:
    assert extension.section(README, "## Two") == "end"
    assert extension.section(README, "### Inner").startswith("```shell")
    assert extension.section(README, "## One").endswith("```")


def test_an_unknown_section_is_an_error() -> None:
    with pytest.raises(LookupError, match="## Three"):
        extension.section(README, "## Three")


def test_headings_are_lifted_and_blocks_left_alone() -> None:
    lifted = extension.lifted(extension.section(README, "## One"), 1)
    assert "\n## Inner\n" in lifted
    assert "\n# no heading [link](#nowhere)\n" in lifted


def test_links_lead_to_the_site_or_are_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extension, "_PLACES", {"two": "second.md"})
    text = extension.relinked(extension.section(README, "## One"), frozenset({"quota.md"}))
    assert (
        "text [two](second.md) and [quota](quota.md) and code ![picture](images/a.png)" in text.splitlines()
    )


def test_every_section_that_a_page_wants_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    wanted = [
        heading
        for page in DOCS.glob("*.md")
        for heading in re.findall(r"^<!-- README: (.+?) -->$", page.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert len(wanted) > 10
    assert all(extension.section(readme, heading) for heading in wanted)


def test_every_page_can_be_reached() -> None:
    toctrees = "\n".join(page.read_text(encoding="utf-8") for page in DOCS.rglob("*.md"))
    lost = [
        page.stem for page in DOCS.glob("*.md") if not re.search(rf"^{page.stem}$", toctrees, re.MULTILINE)
    ]
    assert lost == ["index"]


def test_every_public_module_for_authors_of_dags_is_in_the_reference() -> None:
    package = ROOT / "airflow_channel_provider"
    modules = {
        f"{room}.{path.stem}"
        for room in ROOMS
        for path in (package / room).glob("*.py")
        if not path.stem.startswith("_")
    }
    pages = "\n".join(page.read_text(encoding="utf-8") for page in (DOCS / "reference").glob("*.md"))
    shown = set(re.findall(r"automodule:: airflow_channel_provider\.(\S+)", pages))
    assert {*modules, "exceptions", "retry_policy"} - shown == set()


def test_the_site_fetches_nothing_from_elsewhere() -> None:
    sources = [path.read_text(encoding="utf-8") for path in DOCS.rglob("*") if path.suffix in (".md", ".svg")]
    assert not [text for text in sources if re.search(r"(src|href)=[\"']https?:", text)]
