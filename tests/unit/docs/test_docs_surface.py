"""The pages about operators, sensors, hooks and alerts leave nothing public out."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from typing import Any

import pytest
from support import markdown
from support.airflow_features import RETRY_POLICY, needs

from airflow_channel_provider.get_provider_info import get_provider_info
from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
from airflow_channel_provider.operators._base import ChannelTalkBaseOperator, WaitingOperator

OPERATORS = markdown.page("operators.md")
ROWS = markdown.tables(OPERATORS)[0][1:]


def surface(kind: str) -> dict[str, type[Any]]:
    info: Any = get_provider_info()[kind]
    modules = [import_module(name) for item in info for name in item["python-modules"]]
    return {name: getattr(module, name) for module in modules for name in module.__all__}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: markdown.code(row[0]))
def test_each_operator_and_sensor_has_a_section_with_a_snippet(row: list[str]) -> None:
    name = markdown.code(row[0])
    (link,) = re.findall(r"\]\(([^)]*)\)", row[0])
    file, _, anchor = link.partition("#")
    assert anchor == name.lower()
    page = markdown.page(file) if file else OPERATORS
    assert markdown.blocks(markdown.section(page, f"## {name}"))


def test_notifiers_are_all_of_them() -> None:
    page = markdown.page("how_to/alerts.md")
    paths: Any = get_provider_info()["notifications"]
    for path in paths:
        module, _, name = path.rpartition(".")
        assert f"`{name}`" in page
        assert f"`{module}`" in page


@needs(*RETRY_POLICY)
def test_shared_arguments_are_those_of_the_base_class() -> None:
    bases = (WaitingOperator, ChannelTalkBaseOperator)
    parameters = [p for base in bases for p in inspect.signature(base.__init__).parameters.values()]
    own = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    (table,) = [table for table in markdown.tables(OPERATORS) if table[0][:2] == ["argument", "default"]]
    said = {markdown.code(row[0]): markdown.code(row[1]).strip('"') for row in table[1:]}
    policy_name = f"{type(own['retry_policy']).__name__}()"
    assert said == {**{name: str(default) for name, default in own.items()}, "retry_policy": policy_name}


def test_methods_of_the_hook_are_all_of_them() -> None:
    (table,) = [table for table in markdown.tables(markdown.page("hooks.md")) if table[0][0] == "method"]
    said = {markdown.code(row[0]).partition("(")[0] for row in table[1:]}
    own = {name for name, member in vars(ChannelTalkHook).items() if inspect.isfunction(member)}
    assert said == {name for name in own if not name.startswith("_")} - {"get_conn"} | {"test_connection"}


def test_hooks_are_all_of_them() -> None:
    page = markdown.page("hooks.md")
    for name, hook in surface("hooks").items():
        assert f"`{name}` in `{hook.__module__}`" in page
