"""
Which versions of Airflow the provider is run on, each with the Python it gets.

Invariant: the oldest one is the floor in pyproject.toml, the newest one is what the development environment holds. The
packages of a version are those of its time: today's can break an Airflow that is a year old. One more run has the
lowest version of everything that pyproject.toml allows, and one the Airflow that is not yet released.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

ROOT = Path(__file__).resolve().parents[2]
LATER = ("apache-airflow-providers-common-compat", "backports-zstd", "urllib3")
ALL_TESTS = {name: (f"tests/{name}",) for name in ("unit", "integration", "page")}
# What these rooms do depends on Python and on packages, not on the Airflow.
ROOMS_WITHOUT_AIRFLOW = ("api", "contract", "emulator", "inbound", "messages", "tokens")
FILES_WITHOUT_AIRFLOW = ("test_api_*", "test_contract_*", "test_emulator_*", "test_store_*", "test_token_*")
# What these do depends on neither: they look at the repository, at what other people's servers do, or at what our own
# code makes of kills, faults and made-up input.
ROOMS_OF_THE_REPOSITORY = ("docs", "tools")
FILES_OF_SERVERS = ("test_store_outages*", "test_store_sentinel*", "bulk/test_bulk_changed_objects*")
FILES_OF_OUR_CODE = (
    *(
        "test_echoes*",
        "test_extract_equality*",
        "test_list_ends*",
        "test_open_api_pace*",
        "test_reads_and_waits*",
    ),
    *(
        "bulk/test_bulk_every_fault*",
        "bulk/test_bulk_failures*",
        "bulk/test_bulk_kills*",
        "bulk/test_bulk_round_trips*",
    ),
)
MARKS_OF_OUR_CODE = "fuzz or crowd"
WITHOUT_EITHER = (*FILES_OF_SERVERS, *FILES_OF_OUR_CODE)


def _without(rooms: Iterable[str], files: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the tests but for some folders of the unit tests and some files of the integration tests."""
    marks = ("-m", f"not (any_airflow or {MARKS_OF_OUR_CODE})")
    return {
        "unit": ("tests/unit", *(f"--ignore=tests/unit/{room}" for room in rooms), *marks),
        "integration": (
            *("tests/integration", *(f"--ignore-glob=tests/integration/{name}" for name in files)),
            *marks,
        ),
        "page": ("tests/page", *marks),
    }


TESTS_OF_AIRFLOW = _without(
    (*ROOMS_WITHOUT_AIRFLOW, *ROOMS_OF_THE_REPOSITORY), (*FILES_WITHOUT_AIRFLOW, *WITHOUT_EITHER)
)
TESTS_OF_PACKAGES = _without(ROOMS_OF_THE_REPOSITORY, WITHOUT_EITHER)


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
    :param tests: what each run consists of.
    :param at_floors: whether it gets the lowest version of each package that the provider allows.
    :param may_fail: whether the whole matrix passes when this one fails.
    """

    airflow: str
    python: str
    as_of: str
    later: dict[str, str] = field(default_factory=dict, hash=False)
    beside: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    tests: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: ALL_TESTS, compare=False)
    at_floors: bool = False
    may_fail: bool = False

    @property
    def name(self) -> str:
        """The minor version: ``3.1``."""
        return "floors" if self.at_floors else self.airflow.rpartition(".")[0]

    @property
    def title(self) -> str:
        """What people read: ``3.1.8``."""
        return f"{self.airflow}, floors" if self.at_floors else self.airflow

    @property
    def pins(self) -> Path:
        """The list of its packages."""
        return ROOT / "requirements" / ("floors.txt" if self.at_floors else f"airflow-{self.name}.txt")


VERSIONS = (
    AirflowVersion("2.11.2", python="3.10", as_of="2026-11-21", without=("page",)),
    AirflowVersion(
        "3.0.6",
        python="3.11",
        as_of="2025-09-15",
        # What this provider needs of these came later.
        later=dict.fromkeys(LATER, "2026-01-25"),
        # Without it, this version shows no provider's own fields in the connection form.
        beside=("apache-airflow-providers-fab",),
    ),
    AirflowVersion("3.1.8", python="3.12", as_of="2026-03-20"),
    AirflowVersion(
        "3.2.2",
        python="3.13",
        as_of="2026-06-15",
        # The page asks the auth manager who may see it: this version has the one of FAB.
        beside=("apache-airflow-providers-fab",),
    ),
    AirflowVersion("3.3.2", python="3.13", as_of="2026-11-21"),
)
OLDEST, NEWEST = VERSIONS[0], VERSIONS[-1]
FLOORS = AirflowVersion(
    "2.11.0",
    python="3.10",
    as_of="2025-06-15",
    later=dict.fromkeys(LATER, "2026-01-25"),
    # Before Airflow 3.0 plugins have no routes.
    tests={name: ALL_TESTS[name] for name in ("unit", "integration")},
    at_floors=True,
)
# What comes next. It may fail: it tells early what will have to be mended, and nothing is promised on it.
PREVIEW = AirflowVersion(
    "3.4.0b2",
    python="3.13",
    as_of="2026-11-28",
    # Nothing else asks for what is not yet released.
    beside=("apache-airflow-core==3.4.0b2", "apache-airflow-task-sdk==1.4.0b2"),
    may_fail=True,
)
RUNS = (*VERSIONS, FLOORS, PREVIEW)


def in_turn(day: date) -> list[AirflowVersion]:
    """
    Return the runs for one of many: the floors, which are of the oldest Airflow, and a version of the day.

    The latter runs what depends on the Airflow: the floors run the rest with the lowest packages, and ``make test``
    runs all with the newest, each time, which is therefore none of them; nor is what may fail.
    """
    older = VERSIONS[:-1]
    floors = replace(FLOORS, tests={name: TESTS_OF_PACKAGES[name] for name in FLOORS.tests})
    return [floors, replace(older[day.toordinal() % len(older)], tests=TESTS_OF_AIRFLOW)]


def select(names: list[str]) -> list[AirflowVersion]:
    """
    Return some of the runs, in order.

    :param names: minor versions or releases, ``floors``; all of them where none is given.
    :raises ValueError: there is no such version.
    """
    known = {key: version for version in RUNS for key in (version.name, version.airflow)}
    if unknown := sorted(set(names) - set(known)):
        raise ValueError(
            f"no such version: {', '.join(unknown)}; there are {', '.join(v.name for v in RUNS)}"
        )
    wanted = {known[name] for name in names} or set(RUNS)
    return [version for version in RUNS if version in wanted]
