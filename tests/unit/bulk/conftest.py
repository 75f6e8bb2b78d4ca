"""Where the tests of bulk work have their files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath
from support.airflow_features import attach


@pytest.fixture
def bucket() -> Iterator[Any]:
    """A folder of an object store."""
    attach("memory", fs=fsspec.filesystem("memory"))
    yield ObjectStoragePath("memory://bulk")
    fsspec.filesystem("memory").store.clear()


@pytest.fixture(params=["file", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A folder on this host, and one of an object store."""
    return (
        ObjectStoragePath(tmp_path.as_uri()) if request.param == "file" else request.getfixturevalue("bucket")
    )
