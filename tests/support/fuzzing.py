"""How many cases a fuzz test tries: a bounded number in CI, the same ones each time; many more, and new ones, at night.

``make fuzz`` sets ``FUZZ_FACTOR``. What it finds goes into the test as an example, so that CI tries it from then on.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

__all__ = ["AT_NIGHT", "THOROUGH", "cases"]

_FACTOR = int(os.environ.get("FUZZ_FACTOR", "1"))
THOROUGH = _FACTOR > 1
"""Whether this is a run of many cases, in which simulated days are as busy as the specification says."""
AT_NIGHT = [pytest.mark.fuzz] if THOROUGH else []
"""Marks a test that tries more at night, and is no fuzz test: each Airflow runs the rest of it."""


def cases(number: int) -> settings:
    """
    Return the settings of a fuzz test; goes with the marker ``fuzz``.

    :param number: CI tries a third as many cases; ``make fuzz`` tries ``FUZZ_FACTOR`` times as many.
    """
    return settings(
        max_examples=number * _FACTOR if THOROUGH else max(20, number // 3),
        derandomize=not THOROUGH,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
