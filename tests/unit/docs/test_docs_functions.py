"""The page of native functions is made of the contract; what stands around the tables says what the code says."""

from __future__ import annotations

import re

import pytest
from support import markdown

from airflow_channel_provider.contract.functions import CATALOGUE
from airflow_channel_provider.contract.sources import Strength

PAGE = markdown.page("functions.md")


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
    section = markdown.section(PAGE, f"### {method}")
    tables = markdown.tables(section)
    names = [markdown.code(row[0]) for row in tables[0][1:]] if tables else []
    assert names == list(CATALOGUE[method].params.fields)


def test_rules_are_told_with_their_strength() -> None:
    section = markdown.section(PAGE, "### upsertMember")
    assert (
        "| `memberId` | text | required `type`; 1 to 64 characters `proto`; no space in it `proto` |"
        in section
    )
    section = markdown.section(PAGE, "### searchManagers")
    assert "channel token; changes nothing; lists `managers`, pages by `since`." in section
    assert "| `channelId` | text | required `proto` |" in section
    assert "| `pagination` | [Pagination](#pagination) |  |" in section
    assert "No other is allowed." in markdown.section(PAGE, "### Command")


def test_each_link_leads_to_an_object_of_the_page() -> None:
    links = set(re.findall(r"\]\(#([\w-]+)\)", PAGE))
    titles = {line[4:].lower().replace(" ", "-") for line in PAGE.splitlines() if line.startswith("### ")}
    assert links
    assert links <= titles
