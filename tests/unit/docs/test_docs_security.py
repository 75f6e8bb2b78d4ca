"""Each promise of the page about security is held by tests that carry its name."""

from __future__ import annotations

import re
from pathlib import Path

from packaging.requirements import Requirement
from support import markdown

from tools.matrix import pins
from tools.matrix.versions import OLDEST

ROOT = Path(__file__).parents[3]
PAGE = ROOT.joinpath("docs", "security.md").read_text(encoding="utf-8")
MARK = re.compile(r'pytest\.mark\.promise\(name="([a-z-]+)"\)')


def table(heading: str) -> list[list[str]]:
    """Return the rows of the table under a heading."""
    (rows,) = markdown.tables(PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0])
    return rows[1:]


def test_each_promise_has_tests_and_each_marked_test_a_promise() -> None:
    promised = [name.strip("`") for name, _ in table("What is promised")]
    held = {
        name
        for path in ROOT.joinpath("tests").rglob("test_*.py")
        for name in MARK.findall(path.read_text(encoding="utf-8"))
    }
    assert len(set(promised)) == len(promised)
    assert held == set(promised)


def test_versions_are_those_of_the_metadata() -> None:
    floors = {need.name: pins.floor(need) for need in map(Requirement, pins.needs(OLDEST))}
    told = {name.strip("`"): version for name, version, _ in table("Versions of other packages")}
    assert told == {name: floors[name] for name in told}
