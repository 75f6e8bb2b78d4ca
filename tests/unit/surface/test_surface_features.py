"""What tests ask an Airflow for is there in the newest, so that nothing is left out because a name has moved."""

from __future__ import annotations

import pytest
from airflow import __version__
from support import airflow_features

from tools.matrix.versions import NEWEST

ASKED_FOR = {
    name: value[0]
    for name, value in vars(airflow_features).items()
    if name.isupper() and isinstance(value, tuple)
}


OF_THE_NEXT = {"RESCHEDULING_POLICY"}
"""What Airflow 3.4 brings, of which only a pre-release is there."""


def test_there_is_something_to_ask_for() -> None:
    assert {"TASK_RUNNER", "PLUGIN_PAGES", "RETRY_POLICY"} <= set(ASKED_FOR)


@pytest.mark.skipif(__version__ != NEWEST.airflow, reason="An older Airflow lacks some of it.")
@pytest.mark.filterwarnings("default")  # Airflow's own parts warn of their own
@pytest.mark.parametrize("name", sorted(set(ASKED_FOR) - OF_THE_NEXT))
def test_the_newest_has_it(name: str) -> None:
    assert airflow_features.has(ASKED_FOR[name])
