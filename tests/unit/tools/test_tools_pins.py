"""What the metadata promises of other packages is what the lists hold, the lowest of it included."""

from __future__ import annotations

import ast
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.matrix import pins
from tools.matrix.versions import FLOORS, OLDEST, ROOT, RUNS
from tools.modules import PACKAGE, modules, path_of

LISTS = sorted(ROOT.joinpath("requirements").glob("*.txt"))
REQUIRED = [Requirement(text) for text in requires(pins.DISTRIBUTION) or []]
IMPORTED_AS = {"apache-airflow": "airflow", "markdown-it-py": "markdown_it"}
# What every Airflow stands on, and nobody runs without.
OF_AIRFLOW = {
    *("fastapi", "flask_appbuilder", "fsspec", "jinja2"),
    *("sqlalchemy", "starlette", "typing_extensions", "wtforms"),
}
# What the provider of Amazon stands on.
OF_AMAZON = {"botocore"}
# Other drivers for MySQL and PostgreSQL, understood where somebody has them, and OpenLineage, whose provider calls us.
OF_OTHERS = {"MySQLdb", "openlineage", "openlineage_sql", "psycopg2", "pytest"}


def pinned(path: Path) -> dict[str, str]:
    """Return the versions of a list, as this Python gets them."""
    found: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate():
            (only,) = requirement.specifier
            found[canonicalize_name(requirement.name)] = only.version
    return found


@pytest.mark.promise(name="floors")
@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.stem)
def test_every_list_holds_what_the_metadata_asks_for(path: Path) -> None:
    versions = pinned(path)
    for requirement in REQUIRED:
        assert requirement.specifier.contains(versions[requirement.name], prereleases=True), requirement


@pytest.mark.promise(name="floors")
def test_floors_are_the_lowest_that_the_metadata_allows() -> None:
    versions = pinned(FLOORS.pins)
    for requirement in REQUIRED:
        lowest = Requirement(f"{requirement.name}=={pins.floor(requirement)}")
        assert lowest.specifier.contains(versions[requirement.name]), requirement
    assert FLOORS.python == OLDEST.python


def test_needs_are_those_of_the_package_with_every_extra_and_not_airflow() -> None:
    for version in RUNS:
        needed = [Requirement(text) for text in pins.needs(version)]
        assert {need.name for need in needed} == {r.name for r in REQUIRED} - {"apache-airflow"}
        assert all(need.marker is None for need in needed)
    assert "redis==4.5.4" in pins.needs(FLOORS)
    assert "psycopg[binary]==3.1" in pins.needs(FLOORS)
    assert "redis>=4.5.4" in pins.needs(OLDEST)


@pytest.mark.parametrize("text", ["redis", "redis<9", "redis==5", "redis>=4,<9", "redis~=5.1"])
def test_a_requirement_without_one_lowest_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="state one lowest version"):
        pins.floor(Requirement(text))


@pytest.mark.promise(name="floors")
def test_what_is_imported_is_asked_for() -> None:
    asked_for = {IMPORTED_AS.get(requirement.name, requirement.name) for requirement in REQUIRED}
    assert imported() - asked_for == OF_AIRFLOW | OF_AMAZON | OF_OTHERS


def imported() -> set[str]:
    """Return the names of what the package imports from others, wherever it does."""
    found: set[str] = set()
    for module in modules():
        for node in ast.walk(ast.parse(path_of(module).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.add((node.module or "").partition(".")[0])
    return found - set(sys.stdlib_module_names) - {PACKAGE}
