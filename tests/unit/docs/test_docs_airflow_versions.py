"""The page about Airflow versions says what is run."""

from __future__ import annotations

import re
from pathlib import Path

from support import markdown

from tools.matrix.versions import NEWEST, OLDEST, RUNS, VERSIONS

ROOT = Path(__file__).parents[3]
PAGE = ROOT.joinpath("docs", "airflow_versions.md").read_text(encoding="utf-8")


def pins(path: Path) -> dict[str, str]:
    pinned = re.compile(r"([a-z0-9._-]+)==(\S+)")
    lines = path.read_text(encoding="utf-8").splitlines()
    found = [pinned.fullmatch(line) for line in lines]
    assert all(found), [line for line, match in zip(lines, found, strict=True) if not match]
    return {match[1]: match[2] for match in found if match}


def test_table_lists_what_is_run_with_what_is_pinned() -> None:
    expected = []
    for version in VERSIONS:
        pinned = pins(version.pins)
        assert pinned["apache-airflow"] == version.airflow
        compat = pinned["apache-airflow-providers-common-compat"]
        expected.append([version.airflow, version.python, compat, pinned["sqlalchemy"].rpartition(".")[0]])
    assert markdown.tables(PAGE)[0][1:] == expected


def test_table_of_what_cannot_be_done_has_a_column_for_each() -> None:
    assert markdown.tables(PAGE)[1][0][1:] == [version.name for version in VERSIONS]


def test_there_is_no_list_that_nobody_runs() -> None:
    lists = {path.name for path in ROOT.joinpath("requirements").glob("*.txt")}
    assert lists == {"dev.txt", *(version.pins.name for version in RUNS)}


def test_development_happens_on_the_newest() -> None:
    text = ROOT.joinpath("requirements", "dev.in").read_text(encoding="utf-8")
    assert f"apache-airflow=={NEWEST.airflow}\n" in text


def test_floors_of_the_metadata_are_run() -> None:
    text = ROOT.joinpath("pyproject.toml").read_text(encoding="utf-8")
    assert f'"apache-airflow>={OLDEST.name}"' in text
    (floor,) = re.findall(r'"apache-airflow-providers-common-compat>=([\d.]+)"', text)
    oldest = [pins(version.pins)["apache-airflow-providers-common-compat"] for version in VERSIONS]
    assert f"{floor}.0" in oldest
    assert f"compatibility package has to be {floor} or newer" in PAGE
