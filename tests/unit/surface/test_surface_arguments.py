"""Each argument of a public class stands in its signature, or in the typed mapping that its signature names."""

from __future__ import annotations

from importlib import import_module
from inspect import Parameter, isclass, signature
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseNotifier, BaseOperator

from airflow_channel_provider import arguments
from airflow_channel_provider.notifications import channel_talk as notifications
from tools.modules import PACKAGE, public_modules

# pytest wants to be the first that imports a plugin; this one has no class.
CLASSES = [
    value
    for module in map(import_module, sorted(set(public_modules()) - {f"{PACKAGE}.emulator.pytest_plugin"}))
    for name in getattr(module, "__all__", ())
    if isclass(value := getattr(module, name)) and not issubclass(value, (BaseException, dict))
]
DAG_PARTS = [cls for cls in CLASSES if issubclass(cls, (BaseOperator, BaseNotifier))]
REMOVED = {"task_concurrency"}
"""Of Airflow 2, which has warned of it for years."""
FIXED = {"AskApprovalOperator": {"options", "multiple"}}
"""What a base of ours takes, and Airflow's class between refuses."""


def parameters(cls: Any) -> list[Parameter]:
    return [one for one in signature(cls.__init__).parameters.values() if one.name != "self"]


def named(cls: Any) -> dict[str, Parameter]:
    """The arguments that a signature names, without the others that it may take."""
    return {
        one.name: one
        for one in parameters(cls)
        if one.kind not in (Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL)
    }


def shared(cls: Any) -> set[str]:
    """The arguments in the typed mapping that stands for the others."""
    for one in parameters(cls):
        if one.kind is Parameter.VAR_KEYWORD and str(one.annotation).startswith("Unpack["):
            mapping = one.annotation.removeprefix("Unpack[").removesuffix("]")
            module = arguments if hasattr(arguments, mapping) else notifications
            return set(getattr(module, mapping).__annotations__)
    return set()


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
    if any(one.kind is Parameter.VAR_KEYWORD for one in parameters(cls)):
        assert not taken(cls, ours=True) - named(cls).keys() - shared(cls)
    for name, parameter in named(cls).items():
        assert parameter.annotation not in (Parameter.empty, "Any"), name
