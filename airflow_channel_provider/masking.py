"""
Tell Airflow's masker about a secret the moment it exists, and ask it what to hide, wherever this Airflow keeps it.

The compatibility package names its functions only since 1.22, and the newest one for Python 3.10 is older.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any, cast

__all__ = ["mask_secret", "redacted"]

_HOMES = (
    "airflow.sdk.log",
    "airflow.sdk.execution_time.secrets_masker",  # Airflow 3.0
    "airflow.utils.log.secrets_masker",  # Airflow 2
)
_SHORTEST = 5
"""What is shorter, Airflow does not mask, and says so in each log."""
_DEEPEST = 1000
"""How deep a value may be nested and still be looked through."""


def mask_secret(secret: str) -> None:
    """
    Hide a secret in everything that this process logs from now on.

    :param secret: an App Secret or a token.
    """
    if len(secret) >= _SHORTEST:
        _masker("mask_secret")(secret)


def redacted(value: Any) -> Any:
    """
    Return a JSON value with all that is known to be secret, and all that is named like a secret, blotted out.

    :param value: is left as it is.
    """
    return _masker("redact")(value, max_depth=_DEEPEST)


@cache
def _masker(name: str) -> Callable[..., Any]:
    for home in _HOMES:
        try:
            return cast("Callable[..., Any]", getattr(importlib.import_module(home), name))
        except (ImportError, AttributeError):
            continue
    raise ImportError(f"this Airflow has no {name} in any of {', '.join(_HOMES)}")
