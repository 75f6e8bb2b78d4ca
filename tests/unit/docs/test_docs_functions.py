"""The page of native functions is made of the contract; what stands around the tables says what the code says."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from support import markdown

from airflow_channel_provider.contract.functions import CATALOGUE
from airflow_channel_provider.contract.sources import Strength

DOCS = Path(__file__).parents[3] / "docs"
PAGE = DOCS.joinpath("functions.md").read_text(encoding="utf-8")


def load_extension() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "contract_tables", DOCS / "_extensions" / "contract_tables.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


extension = load_extension()
WRITTEN = extension.page()


def test_the_page_has_a_place_for_the_tables() -> None:
    assert PAGE.count(extension.PLACE) == 1


def test_each_strength_is_explained_with_what_follows_of_it() -> None:
    rows = markdown.tables(PAGE)[0][1:]
    said = {markdown.code(row[0]): row[2] for row in rows}
    assert list(said) == [strength.value for strength in Strength]
    for strength in Strength:
        assert said[strength.value].startswith(
            "is not sent" if strength.is_certain else "is sent, with one warning"
        )


@pytest.mark.parametrize("method", CATALOGUE)
def test_each_function_has_its_parameters(method: str) -> None:
    section = markdown.section(WRITTEN, f"### {method}")
    tables = markdown.tables(section)
    names = [markdown.code(row[0]) for row in tables[0][1:]] if tables else []
    assert names == list(CATALOGUE[method].params.fields)


def test_rules_are_told_with_their_strength() -> None:
    section = markdown.section(WRITTEN, "### upsertMember")
    assert (
        "| `memberId` | text | required `type`; 1 to 64 characters `proto`; no space in it `proto` |"
        in section
    )
    section = markdown.section(WRITTEN, "### searchManagers")
    assert "channel token; changes nothing; lists `managers`, pages by `since`." in section
    assert "| `channelId` | text | required `proto` |" in section
    assert "| `pagination` | [Pagination](#pagination) |  |" in section
    assert "No other is allowed." in markdown.section(WRITTEN, "### Command")


def test_each_link_leads_to_an_object_of_the_page() -> None:
    links = set(re.findall(r"\]\(#([\w-]+)\)", WRITTEN))
    titles = {line[4:].lower().replace(" ", "-") for line in WRITTEN.splitlines() if line.startswith("### ")}
    assert links
    assert links <= titles
