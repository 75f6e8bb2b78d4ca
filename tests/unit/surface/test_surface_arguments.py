"""Each argument of what is public stands in its signature, or in the typed mapping that its signature names."""

from __future__ import annotations

from dataclasses import fields
from importlib import import_module
from inspect import Parameter, getmembers, isclass, isfunction, unwrap
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseNotifier, BaseOperator
from support.signatures import parameters, takes_others, typed_mapping

from airflow_channel_provider.emulator.arguments import FaultOptions, SettingsArguments
from airflow_channel_provider.emulator.faults import OPTIONS
from airflow_channel_provider.emulator.settings import Settings
from airflow_channel_provider.operators.extract import ExtractOperator, extract_all
from tools.modules import PACKAGE, public_modules

PUBLIC = [
    getattr(module, name)
    # pytest wants to be the first that imports a plugin; this one has fixtures alone.
    for module in map(import_module, sorted(set(public_modules()) - {f"{PACKAGE}.emulator.pytest_plugin"}))
    for name in getattr(module, "__all__", ())
]
CLASSES = [value for value in PUBLIC if isclass(value) and not issubclass(value, (BaseException, dict))]
FUNCTIONS = {
    function.__qualname__: function
    for function in [
        *filter(isfunction, PUBLIC),
        *(
            unwrap(getattr(method, "__func__", method))
            for cls in CLASSES
            for name, method in getmembers(cls)
            if not name.startswith("_") and str(getattr(method, "__module__", "")).startswith(PACKAGE)
            if isfunction(getattr(method, "__func__", method))
        ),
    ]
}
DAG_PARTS = [cls for cls in CLASSES if issubclass(cls, (BaseOperator, BaseNotifier))]
REMOVED = {"task_concurrency"}
"""Of Airflow 2, which has warned of it for years."""
FIXED = {"AskApprovalOperator": {"options", "multiple"}}
"""What a base of ours takes, and Airflow's class between refuses."""
OF_OTHERS = {
    "ChannelTalkOpenApiHook.iterate": {"filters"},
    "ChannelTalkOpenApiHook.pages": {"filters"},
    "TemplatesOfTheFile.partial": {"kwargs"},
}
"""Query parameters of the service, and what type checkers know from Airflow."""


def named(function: Any) -> dict[str, Parameter]:
    """The arguments that a signature names, without the others that it may take."""
    return {one.name: one for one in parameters(function) if not takes_others(one)}


def shared(function: Any) -> set[str]:
    """The arguments in the typed mapping that stands for the others."""
    mappings = [typed_mapping(one) for one in parameters(function) if takes_others(one)]
    return {name for mapping in mappings if mapping for name in mapping.__annotations__}


def taken(cls: Any, *, ours: bool) -> set[str]:
    """What a class and its bases take at run time."""
    kinds = object if ours else (BaseOperator, BaseNotifier)
    bases = [base for base in cls.__mro__ if "__init__" in vars(base) and issubclass(base, kinds)]
    return {name for base in bases if not ours or base.__module__.startswith(PACKAGE) for name in named(base)}


@pytest.mark.parametrize("cls", DAG_PARTS, ids=lambda cls: cls.__name__)
def test_what_a_dag_is_made_of_takes_nothing_but_typed_arguments(cls: Any) -> None:
    assert shared(cls), "the others are **kwargs: Any"
    missing = taken(cls, ours=False) - named(cls).keys() - shared(cls) - REMOVED
    missing -= FIXED.get(cls.__name__, set())
    assert not missing
    assert not named(cls).keys() & shared(cls)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_a_public_class_names_and_types_each_argument_of_ours(cls: Any) -> None:
    assert all(typed_mapping(one) for one in parameters(cls) if takes_others(one))
    if shared(cls):
        assert not taken(cls, ours=True) - named(cls).keys() - shared(cls)
    for name, parameter in named(cls).items():
        assert parameter.annotation not in (Parameter.empty, "Any"), name


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_public_function_names_and_types_each_argument_of_ours(name: str) -> None:
    function = FUNCTIONS[name]
    hidden = {one.name for one in parameters(function) if takes_others(one) and not typed_mapping(one)}
    assert hidden == OF_OTHERS.get(name, set())
    assert all(one.annotation is not Parameter.empty for one in named(function).values())


def test_extract_all_takes_what_the_operator_does_but_for_what_it_gives_itself() -> None:
    given = {"stream", "path", "task_id", "dag", "task_group", "map_index_template", "outlets"}
    assert shared(extract_all) == (named(ExtractOperator).keys() | shared(ExtractOperator)) - given
    mapping = typed_mapping(parameters(extract_all)[-1])
    for name in named(ExtractOperator).keys() - given:
        assert mapping.__annotations__[name].__forward_arg__ == named(ExtractOperator)[name].annotation


def test_the_emulator_takes_the_settings_and_options_that_it_has() -> None:
    settings = {one.name: one.type for one in fields(Settings)}
    assert {
        name: wants.__forward_arg__ for name, wants in SettingsArguments.__annotations__.items()
    } == settings
    assert FaultOptions.__annotations__.keys() == {name for options in OPTIONS.values() for name in options}
