"""What every scenario has: how its run of a DAG begins, what is done meanwhile, and what came of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from tools.demo.local_airflow import LocalAirflow
    from tools.demo.result import Story


class Scenario(ABC):
    """
    What people do with one DAG.

    :param airflow: the Airflow and the emulator that it is played on.
    """

    dag_id: ClassVar[str]
    """Of the DAG that it is about."""

    def __init__(self, airflow: LocalAirflow) -> None:
        self.airflow = airflow
        self.emulator = airflow.emulator
        self.rest = airflow.rest

    @abstractmethod
    def start(self, run_id: str) -> str | None:
        """
        Let a run of the DAG begin.

        :param run_id: for a run that is triggered.
        :return: the id of the run; None where Airflow chooses it, as for an asset event.
        """

    def act(self) -> None:
        """Do what a person does meanwhile; called again and again while the DAG runs. Nothing by default."""
        return

    @abstractmethod
    def story(self) -> Story:
        """Return what happened, when the run has ended."""
