"""
Start and stop the processes of one Airflow.

Invariant: every process has a supervisor. None of them serves logs over the network: Airflow's log servers listen on
all addresses and can only be switched off.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

import psutil

from tools.demo.supervised import Command, SupervisedProcesses

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tools.demo.airflow_home import AirflowHome

EXECUTION = "execution-api-server"
COMMANDS = {
    "api-server": ("api-server",),
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}


class Components(SupervisedProcesses):
    """
    The api-servers, scheduler, dag-processor and triggerer of one home.

    :param home: prepared already.
    """

    def __init__(self, home: AirflowHome) -> None:
        super().__init__()
        self._home = home

    def start_all(self, *names: str) -> None:
        """
        Start all of them; their output goes to files of their names.

        :param names: start these only.
        """
        commands = self._commands()
        for name in names or commands:
            self.start(
                name,
                Command(
                    arguments=(sys.executable, "-m", "airflow", *commands[name]),
                    environment=self._home.environment(),
                    directory=self._home.path,
                    output=self._home.output / f"{name}.log",
                ),
            )

    def _commands(self) -> dict[str, tuple[str, ...]]:
        # Tasks have an api-server of their own. Public routes write into the database in the event loop of their
        # server. SQLite has one lock for all writers, so that loop would wait for the transaction of a task, which it
        # has to end itself.
        execution = ("api-server", "--apps", "execution", "--port", str(self._home.execution_port))
        return {**COMMANDS, "api-server": ("api-server", "--apps", "core"), EXECUTION: execution}


def own_processes() -> Iterator[psutil.Process]:
    """Yield everything that this process has started, directly or not."""
    yield from psutil.Process().children(recursive=True)


def listening_addresses(processes: Iterable[psutil.Process]) -> set[tuple[str, int]]:
    """Return (address, port) of every TCP socket on which one of the processes listens."""
    found = set()
    for process in processes:
        with contextlib.suppress(psutil.Error):
            for connection in process.net_connections("tcp"):
                if connection.status == psutil.CONN_LISTEN:
                    found.add((connection.laddr.ip, connection.laddr.port))
    return found
