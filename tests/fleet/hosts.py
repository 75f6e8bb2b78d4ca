"""
The parts of a host: AIRFLOW_HOME, temporary files, a copy of the DAG files, a name.

Invariant: no two hosts share a folder. A module in the host's own ``config`` folder, which Airflow puts on the import
path, has the name.
"""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from tools.demo.environment import airflow_environment
from tools.demo.supervised import Command

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Host:
    """
    One machine.

    :param path: everything below it is the host's.
    :param name: as Airflow shows it.
    :param settings: options by ``SECTION__KEY``.
    """

    def __init__(self, path: Path, name: str, settings: Mapping[str, str]) -> None:
        self.name = name
        self.home = path
        self.logs = path / "logs"
        self.output = path / "output"
        self._temporary = path / "tmp"
        self._dags = path / "dags"
        self._settings = {
            **settings,
            "CORE__DAGS_FOLDER": str(self._dags),
            "CORE__HOSTNAME_CALLABLE": "fleet_host.name",
            "LOGGING__BASE_LOG_FOLDER": str(self.logs),
            "LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(self.logs / "dag_processor"),
        }

    def prepare(self, dags_folder: Path) -> None:
        """
        Lay it out, empty.

        :param dags_folder: what is deployed to every host.
        """
        shutil.rmtree(self.home, ignore_errors=True)
        config = self.home / "config"
        for directory in (config, self.logs, self.output, self._temporary):
            directory.mkdir(parents=True)
        shutil.copytree(dags_folder, self._dags, ignore=shutil.ignore_patterns("__pycache__"))
        (config / "fleet_host.py").write_text(f"def name():\n    return {self.name!r}\n", encoding="utf-8")

    def command(self, name: str, *arguments: str) -> Command:
        """
        Return a command of Airflow's as it runs on this host.

        :param name: of the file for its output.
        :param arguments: after ``airflow``.
        """
        return Command(
            arguments=(sys.executable, "-m", "airflow", *arguments),
            environment={**airflow_environment(self.home, self._settings), "TMPDIR": str(self._temporary)},
            directory=self.home,
            output=self.output / f"{name}.log",
        )
