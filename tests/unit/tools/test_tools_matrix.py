"""What the matrix makes of its arguments, and of what pytest tells."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pytest

from tools.matrix.__main__ import passes
from tools.matrix.checks import Result
from tools.matrix.outcome import Outcome, read
from tools.matrix.table import details, table
from tools.matrix.versions import (
    FILES_WITHOUT_AIRFLOW,
    FLOORS,
    NEWEST,
    OLDEST,
    PREVIEW,
    ROOMS_OF_THE_REPOSITORY,
    ROOMS_WITHOUT_AIRFLOW,
    ROOT,
    RUNS,
    VERSIONS,
    WITHOUT_EITHER,
    in_turn,
    select,
)

REPORT = """<?xml version="1.0"?>
<testsuites><testsuite>
  <testcase classname="tests.integration.test_one" name="good"/>
  <testcase classname="tests.integration.test_one" name="left"><skipped message="Skipped: No page."/></testcase>
  <testcase classname="tests.integration.test_two" name="bad"><failure message="x"/></testcase>
  <testcase classname="" name="tests.integration.test_three"><error message="import"/></testcase>
</testsuite></testsuites>
"""


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "report.xml"
    path.write_text(REPORT)
    return path


def test_all_versions_are_run_unless_some_are_named() -> None:
    assert select([]) == list(RUNS) == [*VERSIONS, FLOORS, PREVIEW]
    assert select(["3.3.2", OLDEST.name]) == [OLDEST, NEWEST]
    assert select(["floors"]) == [FLOORS]
    assert all(version.tests["unit"] == ("tests/unit",) for version in RUNS)
    with pytest.raises(ValueError, match=r"no such version: 1\.10; there are 2\.11"):
        select(["1.10"])


def test_some_days_in_a_row_run_all_of_them() -> None:
    days = [date(2026, 12, 30) + timedelta(days=number) for number in range(len(VERSIONS) - 1)]
    each = [in_turn(day) for day in days]
    assert all(len(run) == 2 and run[0] == FLOORS for run in each)
    assert not any("--ignore=tests/unit/tokens" in run[0].tests["unit"] for run in each)
    assert all("--ignore=tests/unit/tokens" in run[1].tests["unit"] for run in each)
    promised = {version.name for version in RUNS if not version.may_fail}
    # The newest is run by `make test`, each time.
    assert {NEWEST.name, *(version.name for run in each for version in run)} == promised
    assert promised == {FLOORS.name, *(version.name for version in VERSIONS)}


def test_what_does_not_depend_on_the_airflow_is_there() -> None:
    rooms, files = (
        (*ROOMS_WITHOUT_AIRFLOW, *ROOMS_OF_THE_REPOSITORY),
        (*FILES_WITHOUT_AIRFLOW, *WITHOUT_EITHER),
    )
    assert all((ROOT / "tests" / "unit" / room).is_dir() for room in rooms)
    assert all([*(ROOT / "tests" / "integration").glob(name)] for name in files)


def test_a_run_that_was_left_out_is_green_only_where_it_may_be() -> None:
    ran, left_out = Outcome(Counter(passed=3)), Outcome(Counter(skipped=1))
    assert str(left_out) == "left out"
    assert Result(OLDEST, "3.10", {"unit": ran, "page": left_out}).green
    assert Result(NEWEST, "3.13", {"unit": ran, "page": ran}).green
    assert not Result(NEWEST, "3.13", {"unit": ran, "page": left_out}).green
    assert not Result(OLDEST, "3.10", {"unit": left_out, "page": left_out}).green
    assert not Result(OLDEST, "3.10", {"unit": ran, "page": Outcome()}).green


def test_an_airflow_that_is_not_yet_released_may_fail_unless_it_is_named() -> None:
    green, red = {"unit": Outcome(Counter(passed=1))}, {"unit": Outcome(Counter(failed=1))}
    newest, preview = Result(NEWEST, "3.13", green), Result(PREVIEW, "3.13", red)
    assert passes([newest, preview], named=False)
    assert not passes([newest, preview], named=True)
    assert not passes([Result(NEWEST, "3.13", red), Result(PREVIEW, "3.13", green)], named=False)
    assert passes([newest, Result(PREVIEW, "3.13", green)], named=True)
    _, first, second = table([preview, Result(NEWEST, "3.13", red)]).splitlines()
    assert first.endswith("red, and may be")
    assert second.endswith("RED")


def test_report_is_counted(report: Path) -> None:
    outcome = read(report)
    assert outcome.counts == {"passed": 1, "skipped": 1, "failed": 2}
    assert outcome.reasons == {"No page.": 1}
    assert outcome.failures == (
        "tests.integration.test_two::bad",
        "tests.integration.test_three::tests.integration.test_three",
    )
    assert not outcome.green
    assert str(outcome) == "1, 1 skipped, 2 FAILED"


def test_part_of_a_report_is_counted(report: Path) -> None:
    assert read(report, "test_one").green
    assert not read(report, "test_two").green


def test_what_did_not_run_is_red(tmp_path: Path) -> None:
    missing = read(tmp_path / "nowhere.xml")
    assert not missing.green
    assert str(missing) == "did not run"
    assert not Result(NEWEST, "3.13").green
    assert not Result(NEWEST, "3.13", {"unit": missing}).green


def test_table_tells_what_ran_on_what(report: Path) -> None:
    green, red = read(report, "test_one"), read(report)
    lines = table(
        [Result(OLDEST, "3.11", {"unit": green}), Result(NEWEST, NEWEST.python, {"unit": red})]
    ).splitlines()
    assert "3.11 (no 3.10 here)" in lines[1]
    assert lines[1].endswith("ok")
    assert lines[2].endswith("RED")
    assert table([Result(FLOORS, "3.10", {"unit": green})]).splitlines()[1].startswith("2.11.0, floors  3.10")
    told = details(Result(NEWEST, "3.13", {"unit": red, "integration": Outcome()}), Path(".matrix"))
    assert "FAILED tests.integration.test_two::bad" in told
    assert "1 left out: No page." in told
