"""Values of numpy and pandas, which reach a task through XCom; neither is a requirement of the provider."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from airflow_channel_provider.bulk.column_types import (
    BOOLEAN,
    DATE,
    DATETIME,
    LIST_OF_NUMBER,
    NUMBER,
    STRING,
    cell_converter,
    infer_type,
)

numpy: Any = pytest.importorskip("numpy")
pandas: Any = pytest.importorskip("pandas")


def cell(value: object, kind: str) -> Any:
    return cell_converter(kind)(value)


NANOSECONDS = "2026-01-31T12:00:00.123456789"

FOREIGN = [
    (numpy.int64(3), NUMBER, 3),
    (numpy.float32(1.5), NUMBER, 1.5),
    (numpy.float32(19.99), NUMBER, 19.99),
    (numpy.float16(0.1), NUMBER, 0.1),
    (numpy.array([0.1, 2], dtype="float32"), LIST_OF_NUMBER, [0.1, 2]),
    (numpy.bool_(True), BOOLEAN, True),
    (numpy.array([1, 2]), LIST_OF_NUMBER, [1, 2]),
    (numpy.datetime64("2026-01-31"), DATE, "2026-01-31"),
    (numpy.datetime64("2026-01-31T12:00", "ns"), DATETIME, "2026-01-31T12:00:00+00:00"),
    (numpy.datetime64(NANOSECONDS), STRING, NANOSECONDS),
    (numpy.datetime64(10**12, "s"), STRING, "+33658-09-27T01:46:40"),
    (numpy.datetime64(-735_525, "D"), STRING, "-0044-03-15"),
    (numpy.timedelta64(90, "s"), STRING, "PT1M30S"),
    (numpy.timedelta64(1, "ns"), STRING, "PT0.000000001S"),
    (pandas.Timestamp(NANOSECONDS, tz="Asia/Seoul"), DATETIME, f"{NANOSECONDS}+09:00"),
    (pandas.Timedelta("1 days 00:00:00.000000001"), STRING, "P1DT0.000000001S"),
    (pandas.Series([1, 2]), LIST_OF_NUMBER, [1, 2]),
]


@pytest.mark.parametrize(("value", "kind", "expected"), FOREIGN)
def test_a_foreign_value_is_pythons_own(value: Any, kind: str, expected: Any) -> None:
    assert infer_type(value) == kind
    assert cell(value, kind) == expected


@pytest.mark.parametrize("kind", [STRING, NUMBER, DATE])
def test_what_is_missing_there_is_null(kind: str) -> None:
    missing = [pandas.NaT, pandas.NA, numpy.datetime64("NaT"), numpy.timedelta64("NaT"), numpy.float64("nan")]
    assert [infer_type(value) for value in missing] == [None] * len(missing)
    assert [cell(value, kind) for value in missing] == [None] * len(missing)


def test_a_day_of_numpy_is_a_day() -> None:
    assert cell(numpy.datetime64(date(2026, 1, 31)), DATE) == "2026-01-31"
