"""
Which versions of Airflow the provider is run on, each with the Python it gets.

Invariant: the oldest one is the floor in pyproject.toml, the newest one is what the development environment holds. The
packages of a version are those of its time: today's can break an Airflow that is a year old.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class AirflowVersion:
    """
    One column of the matrix.

    :param airflow: the release, such as ``3.1.8``.
    :param python: what it runs on, such as ``3.12``.
    :param as_of: day; its packages are what was newest then (``YYYY-MM-DD``).
    :param later: packages that have to be newer than that, by day.
    :param beside: packages that only this version is installed with.
    :param without: runs whose tests have nothing to look at there.
    """

    airflow: str
    python: str
    as_of: str
    later: dict[str, str] = field(default_factory=dict, hash=False)
    beside: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The minor version: ``3.1``."""
        return self.airflow.rpartition(".")[0]

    @property
    def pins(self) -> Path:
        """The list of its packages."""
        return ROOT / "requirements" / f"airflow-{self.name}.txt"


VERSIONS = (
    AirflowVersion("2.11.2", python="3.10", as_of="2026-11-21", without=("page",)),
    AirflowVersion(
        "3.0.6",
        python="3.11",
        as_of="2025-09-15",
        # The compatibility package that this provider needs came later.
        later={"apache-airflow-providers-common-compat": "2026-01-25"},
        # Without it, this version shows no provider's own fields in the connection form.
        beside=("apache-airflow-providers-fab",),
        without=("page",),
    ),
    AirflowVersion("3.1.8", python="3.12", as_of="2026-03-20"),
    AirflowVersion("3.2.2", python="3.13", as_of="2026-06-15"),
    AirflowVersion("3.3.2", python="3.13", as_of="2026-11-21"),
)
OLDEST, NEWEST = VERSIONS[0], VERSIONS[-1]


def in_turn(day: date) -> list[AirflowVersion]:
    """
    Return the versions for one of many runs: the oldest, and one of the others that changes from day to day.

    The newest is what ``make test`` runs each time, on the Python of the development environment.
    """
    return [OLDEST, VERSIONS[1:][day.toordinal() % (len(VERSIONS) - 1)]]


def select(names: list[str]) -> list[AirflowVersion]:
    """
    Return some of the versions, in order.

    :param names: minor versions or releases; all of them where none is given.
    :raises ValueError: there is no such version.
    """
    known = {key: version for version in VERSIONS for key in (version.name, version.airflow)}
    if unknown := sorted(set(names) - set(known)):
        raise ValueError(
            f"no such version: {', '.join(unknown)}; there are {', '.join(v.name for v in VERSIONS)}"
        )
    wanted = {known[name] for name in names} or set(VERSIONS)
    return [version for version in VERSIONS if version in wanted]
