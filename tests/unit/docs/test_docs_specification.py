"""Whatever the specification page points at exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from importlib import import_module
from operator import attrgetter
from pathlib import Path

import pytest
from support import markdown

TESTS = Path(__file__).parents[2]
PAGE = TESTS.parent.joinpath("docs", "specification.md").read_text(encoding="utf-8")
ROWS = [row for table in markdown.tables(PAGE) for row in table[1:]]
CODE = re.compile(r"`([a-z_.]+):([\w.]+)`")
TEST = re.compile(r"`([\w/]+\.py)::(\w+)`")


@cache
def names_in(file: str) -> set[str]:
    tree = ast.parse(TESTS.joinpath(file).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_statement_has_code_and_tests_that_exist(row: list[str]) -> None:
    number, statement, where, tests = row
    assert statement
    assert where
    named = TEST.findall(tests)
    assert named, f"{number} names no test"
    assert re.sub(r"`[^`]*`|[, ]", "", tests) == ""
    assert len(named) == tests.count("`") / 2
    for file, name in named:
        assert name.startswith("test_")
        assert name in names_in(file), f"{number}: there is no {name} in tests/{file}"
    for module, name in CODE.findall(where + statement):
        attrgetter(name)(import_module(f"airflow_channel_provider.{module}"))
