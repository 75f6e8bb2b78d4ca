"""The classes that a DAG file may use, found where they lie."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from tools.modules import modules


def public_classes(kind: type[Any]) -> list[type[Any]]:
    """
    Return the public classes of operators, sensors and notifications.

    :param kind: a base of them.
    """
    public = [name for name in modules("operators", "sensors", "notifications") if "._" not in name]
    named = (getattr(module, name) for module in map(import_module, public) for name in _names(module))
    return [found for found in named if isinstance(found, type) and issubclass(found, kind)]


def _names(module: Any) -> list[str]:
    return list(getattr(module, "__all__", ()))
