"""The package as its users get it: built once for all tests of this folder, from a copy of the tree."""

from __future__ import annotations

import pytest
from support.building import Built, build, copy_of_the_tree

from tools.matrix.versions import NEWEST, AirflowVersion, select


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--airflow", default=NEWEST.name, help="version for the clean environments (%(default)s)"
    )


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("dist")
    build(copy_of_the_tree(tmp_path_factory.mktemp("tree")), folder)
    return Built(folder)


@pytest.fixture(scope="session")
def airflow(request: pytest.FixtureRequest) -> AirflowVersion:
    (version,) = select([request.config.getoption("--airflow")])
    return version
