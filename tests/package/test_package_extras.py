"""Each extra installs by itself, brings what it is for, and the package works with it and without the others."""

from __future__ import annotations

import re
from importlib.metadata import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airflow_channel_provider.hooks._stores import STORE_KINDS
from tools.matrix import pythons
from tools.matrix.environment import PythonEnvironment
from tools.matrix.versions import AirflowVersion

if TYPE_CHECKING:
    from support.building import Built

EXTRAS = metadata("airflow-channel-provider").get_all("Provides-Extra") or []

# What is possible with an extra, and not without it.
USED = {
    **{
        extra: f"import {', '.join(modules)}, airflow_channel_provider.tokens.stores.{scheme}"
        for scheme, kind in STORE_KINDS.items()
        for extra, modules in kind.extras.items()
    },
    "emulator": "import airflow_channel_provider.emulator.server",
    "markdown": "from airflow_channel_provider.messages.markdown import read_markdown; assert read_markdown('*x*')",
    "zstd": "import backports.zstd, airflow_channel_provider.bulk.input_file",
    "parquet": "import pyarrow.parquet, airflow_channel_provider.bulk.sources",
}
COMES_ANYWAY = {"markdown"}
"""What Airflow happens to bring today, and does not promise."""
SURFACE = """
import airflow_channel_provider.operators.channel_talk, airflow_channel_provider.operators.benlly
import airflow_channel_provider.operators.bulk, airflow_channel_provider.sensors.channel_talk
import airflow_channel_provider.notifications.channel_talk, airflow_channel_provider.plugins.channel_talk
from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
ChannelTalkHook()
"""


@pytest.fixture(scope="module")
def plain(
    built: Built, airflow: AirflowVersion, tmp_path_factory: pytest.TempPathFactory
) -> PythonEnvironment:
    """The wheel without any extra; what an extra brings is there for one test."""
    environment = PythonEnvironment(tmp_path_factory.mktemp("plain") / "venv")
    environment.make(pythons.nearest(airflow.python)[1])
    environment.install(str(built.wheel), "--constraint", str(airflow.pins))
    return environment


def test_there_is_a_use_for_each_extra() -> None:
    assert sorted(USED) == sorted(EXTRAS)


def test_package_works_without_any(plain: PythonEnvironment, tmp_path: Path) -> None:
    done = plain.run(["-c", SURFACE], cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("extra", EXTRAS)
def test_extra_brings_what_it_is_for(
    extra: str, built: Built, airflow: AirflowVersion, plain: PythonEnvironment, tmp_path: Path
) -> None:
    if extra not in COMES_ANYWAY:
        without = plain.run(["-c", USED[extra]], cwd=tmp_path)
        assert re.search(r"ModuleNotFoundError|ImportError", without.stderr), without.stderr
    before = tmp_path / "before.txt"
    before.write_text(plain.packages())
    plain.install(f"{built.wheel}[{extra}]", "--constraint", str(airflow.pins))
    done = plain.run(["-c", SURFACE + USED[extra]], cwd=tmp_path)
    plain.sync(before)
    assert done.returncode == 0, done.stderr
