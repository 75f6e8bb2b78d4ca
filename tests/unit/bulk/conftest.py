"""Where the tests of bulk work have their files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath
from support.airflow_features import attach


@pytest.fixture(params=["file", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """A folder on this host, and one of an object store."""
    if request.param == "file":
        yield ObjectStoragePath(tmp_path.as_uri())
        return
    attach("memory", fs=fsspec.filesystem("memory"))
    yield ObjectStoragePath("memory://bulk")
    fsspec.filesystem("memory").store.clear()
