"""The page's tests have Airflow's server below a path of its host, which is decided once in a process: this one's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from integration.conftest import servers, shared

__all__ = ["servers", "shared"]


@pytest.fixture(scope="session")
def site() -> Iterator[Any]:
    """Airflow's api-server, and a session of each of its users."""
    from support.site import site

    with site() as served:
        yield served
