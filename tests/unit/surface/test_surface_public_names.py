"""What users may rely on is written down, complete and documented."""

from __future__ import annotations

import ast
from importlib import import_module
from inspect import getdoc, isclass, isfunction

import pytest

from tools.modules import modules, path_of, public_modules
from tools.public_names import LIST, public_names


def statements(module: str) -> list[ast.stmt]:
    return ast.parse(path_of(module).read_text(encoding="utf-8")).body


def listed(module: str) -> list[str]:
    for statement in statements(module):
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(statement.value)
            return names
    return []


def test_public_names_are_those_that_are_written_down() -> None:
    written = LIST.read_text(encoding="utf-8").splitlines()
    found = public_names()
    assert found == written, (
        f"new: {sorted(set(found) - set(written))}, gone: {sorted(set(written) - set(found))}; a name that goes breaks "
        "its users. Where this is meant, run python -m tools.public_names"
    )


def test_operators_and_hooks_are_among_them() -> None:
    public = public_modules()
    assert "airflow_channel_provider.operators.channel_talk" in public
    assert "airflow_channel_provider.operators._base" not in public
    assert "airflow_channel_provider.tokens.manager" not in public
    assert "airflow_channel_provider.emulator" in public


@pytest.mark.parametrize("module", public_modules())
def test_each_listed_name_is_there_and_documented(module: str) -> None:
    loaded = import_module(module)
    assert listed(module), module
    for name in listed(module):
        value = getattr(loaded, name)
        if isclass(value) or isfunction(value):
            assert getdoc(value), f"{module}.{name}"


def test_no_other_module_lists_names() -> None:
    assert [module for module in modules() if module not in public_modules() and listed(module)] == []
