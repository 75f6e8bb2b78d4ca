"""The arguments in a signature, and those in the typed mapping that stands for its others."""

from __future__ import annotations

from inspect import Parameter, isclass, signature
from typing import Any

from airflow_channel_provider import arguments
from airflow_channel_provider.emulator import arguments as of_the_emulator
from airflow_channel_provider.notifications import channel_talk as notifications


def parameters(function: Any) -> list[Parameter]:
    """The parameters of a function, or of a class's constructor."""
    function = function.__init__ if isclass(function) else function
    return [one for one in signature(function).parameters.values() if one.name not in ("self", "cls")]


def takes_others(parameter: Parameter) -> bool:
    return parameter.kind in (Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL)


def typed_mapping(parameter: Parameter) -> Any:
    """The class of the mapping, or None if its type says nothing."""
    annotation = str(parameter.annotation)
    name = annotation.removeprefix("Unpack[").removesuffix("]")
    if name == annotation:
        return None
    return next(
        getattr(module, name)
        for module in (arguments, notifications, of_the_emulator)
        if hasattr(module, name)
    )
