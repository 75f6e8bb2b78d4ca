"""The type that a value asks for, and the cell that it becomes: one table of each, and what holds for any value."""

from __future__ import annotations

import json
import uuid
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.fuzzing import cases

from airflow_channel_provider.bulk.column_types import (
    BOOLEAN,
    DATE,
    DATETIME,
    EMPTY_LIST,
    LIST_OF_NUMBER,
    LIST_OF_OBJECT,
    LIST_OF_STRING,
    NUMBER,
    STRING,
    InvalidValueError,
    cell_converter,
    common_type,
    infer_type,
)
from airflow_channel_provider.bulk.json_values import iso_duration, to_json_value
from airflow_channel_provider.contract.parts import OPERATOR_TYPE

KST = timezone(timedelta(hours=9))
NOON = datetime(2026, 1, 31, 12, 0, tzinfo=KST)
FIVE_O_THREE = timezone(timedelta(hours=8, minutes=27, seconds=52))  # Seoul, before 1908


def cell(value: object, kind: str) -> Any:
    return cell_converter(kind)(value)


# A value, the type of a column for it, and what it is there.
OWN = [
    ("text", STRING, "text"),
    ("", STRING, ""),
    (uuid.UUID(int=7), STRING, "00000000-0000-0000-0000-000000000007"),
    (True, BOOLEAN, True),
    (0, NUMBER, 0),
    (-(2**53), NUMBER, -(2**53)),
    (2**53 + 1, STRING, "9007199254740993"),
    (12.5, NUMBER, 12.5),
    (Decimal("12.50"), NUMBER, 12.5),
    (Decimal("3.00"), NUMBER, 3),
    (Decimal("0.1234567890123456789"), STRING, "0.1234567890123456789"),
    (Decimal("9007199254740993"), STRING, "9007199254740993"),
    (date(2026, 1, 31), DATE, "2026-01-31"),
    (NOON, DATETIME, "2026-01-31T12:00:00+09:00"),
    (datetime.fromisoformat("2026-01-31T12:00:00.000500"), DATETIME, "2026-01-31T12:00:00.000500+00:00"),
    (datetime(1900, 1, 1, tzinfo=FIVE_O_THREE), DATETIME, "1899-12-31T15:32:08+00:00"),
    (time(8, 30), STRING, "08:30:00"),
    (timedelta(days=1, hours=2, seconds=0.5), STRING, "P1DT2H0.5S"),
    (b"\x00\x01", STRING, "AAE="),
    ({"a": [1, date(2026, 1, 1)]}, STRING, '{"a": [1, "2026-01-01"]}'),
    (["a", "b"], LIST_OF_STRING, ["a", "b"]),
    ((1, Decimal("2.5")), LIST_OF_NUMBER, [1, 2.5]),
    ([{"a": 1}, {"b": None}], LIST_OF_OBJECT, [{"a": 1}, {"b": None}]),
    (["a", 1], STRING, '["a", 1]'),
    (["a", None], STRING, '["a", null]'),
    ([[1], [2]], STRING, "[[1], [2]]"),
    ([True], STRING, "[true]"),
    ([date(2026, 1, 1)], STRING, '["2026-01-01"]'),
    ([2**60], STRING, "[1152921504606846976]"),
]


@pytest.mark.parametrize(("value", "kind", "expected"), OWN)
def test_a_value_fits_the_type_that_it_asks_for(value: object, kind: str, expected: Any) -> None:
    assert infer_type(value) == kind
    made = cell(value, kind)
    assert made == expected
    assert type(made) is type(expected)


@pytest.mark.parametrize("kind", [STRING, NUMBER, BOOLEAN, DATE, DATETIME, LIST_OF_STRING, "whatever"])
@pytest.mark.parametrize("value", [None, float("nan"), Decimal("NaN"), Decimal("sNaN")])
def test_what_is_missing_is_null_everywhere(value: object, kind: str) -> None:
    assert infer_type(value) is None
    assert cell(value, kind) is None


# What goes into a column of another type: texts of a CSV file, truth values of databases that have none.
CONVERTED = [
    ("12", NUMBER, 12),
    (" -1.50 ", NUMBER, -1.5),
    ("1e3", NUMBER, 1000),
    ("1e+300", NUMBER, 1e300),
    ("1.7976931348623157e+308", NUMBER, 1.7976931348623157e308),
    ("", NUMBER, None),
    ("t", BOOLEAN, True),
    ("FALSE", BOOLEAN, False),
    ("1", BOOLEAN, True),
    (0, BOOLEAN, False),
    ("", BOOLEAN, None),
    (True, STRING, "true"),
    (12, STRING, "12"),
    (0.1, STRING, "0.1"),
    (float("inf"), STRING, "Infinity"),
    ({"price": Decimal("1.10"), "rest": [float("inf")]}, STRING, '{"price": 1.10, "rest": ["Infinity"]}'),
    (Decimal("12.50"), STRING, "12.50"),
    (Decimal("1E+3"), STRING, "1000"),
    (Decimal("1E+4300"), STRING, "1E+4300"),
    (NOON, STRING, "2026-01-31T12:00:00+09:00"),
    ("2026-01-31", DATE, "2026-01-31"),
    ("2026-01-31 00:00:00", DATE, "2026-01-31"),
    (datetime.fromisoformat("2026-01-31"), DATE, "2026-01-31"),
    ("", DATE, None),
    ("2026-01-31T12:00:00Z", DATETIME, "2026-01-31T12:00:00+00:00"),
    ("2026-01-31 12:00:00.123456789+0900", DATETIME, "2026-01-31T12:00:00.123456789+09:00"),
    ("2026-01-31 12:00+09", DATETIME, "2026-01-31T12:00:00+09:00"),
    ("1843-03-31T11:57:17.999999999-04:56:02", DATETIME, "1843-03-31T16:53:19.999999999+00:00"),
    ("1899-12-31T20:00:00+08:27:52", DATETIME, "1899-12-31T11:32:08+00:00"),
    ("2026-01-31 12:00", DATETIME, "2026-01-31T12:00:00+00:00"),
    ("2026-01-31 12:00:00.5 UTC", DATETIME, "2026-01-31T12:00:00.5+00:00"),
    ({"b", "c", "a"}, LIST_OF_STRING, ["a", "b", "c"]),
    (date(2026, 1, 31), DATETIME, "2026-01-31T00:00:00+00:00"),
    (" ", DATETIME, None),
    ('["a", "b"]', LIST_OF_STRING, ["a", "b"]),
    ([1, True], LIST_OF_STRING, ["1", "true"]),
    (["1", 2], LIST_OF_NUMBER, [1, 2]),
    ("", LIST_OF_NUMBER, None),
    ("[1.50, 2]", LIST_OF_NUMBER, [1.5, 2]),
    ('["a", 1.50]', LIST_OF_STRING, ["a", "1.50"]),
    ([], LIST_OF_OBJECT, []),
    ({"a": timedelta(minutes=2)}, "OPERATOR_TYPE_WHATEVER", {"a": "PT2M"}),
]


@pytest.mark.parametrize(("value", "kind", "expected"), CONVERTED)
def test_a_value_of_another_type_is_converted_without_loss(value: object, kind: str, expected: Any) -> None:
    made = cell(value, kind)
    assert made == expected
    assert type(made) is type(expected)


UNFIT = [
    ("A1", NUMBER, "text that is not a number"),
    ("1,000", NUMBER, "text that is not a number"),
    ("1_000", NUMBER, "text that is not a number"),
    ("\u0661", NUMBER, "text that is not a number"),
    ("9007199254740993", NUMBER, "more digits"),
    ("0.1234567890123456789", NUMBER, "more digits"),
    (2**64 - 1, NUMBER, "more digits"),
    (float("-inf"), NUMBER, "infinite"),
    (Decimal("Infinity"), NUMBER, "infinite"),
    ("1e999", NUMBER, "more digits"),
    (True, NUMBER, "not a number but true or false"),
    (NOON, NUMBER, "not a number but a time"),
    ({}, NUMBER, "not a number but a mapping"),
    (uuid.UUID(int=1), NUMBER, "not a number but a UUID"),
    ("maybe", BOOLEAN, "neither true nor false"),
    (2, BOOLEAN, "neither true nor false but a number"),
    (NOON, DATE, "a time of day"),
    ("2026-01-31T00:00:01", DATE, "a time of day"),
    ("2026-02-30", DATE, "a date or time that does not exist"),
    ("31.01.2026", DATE, "not an ISO 8601 date or time"),
    (20260131, DATE, "not a date or time but a number"),
    ("2026-01-31T25:00:00", DATETIME, "a date or time that does not exist"),
    (datetime(1, 1, 1, tzinfo=FIVE_O_THREE), DATETIME, "in UTC is outside of the years 1 to 9999"),
    ("2026-01-31T12:00.5", DATETIME, "not an ISO 8601 date or time"),
    ("2026-01-31T12:00:00+0900:30", DATETIME, "not an ISO 8601 date or time"),
    ("yesterday", DATETIME, "not an ISO 8601 date or time"),
    (1769828400000, DATETIME, "not a date or time but a number"),
    ("a", LIST_OF_STRING, "not a JSON list"),
    ('{"a": 1}', LIST_OF_STRING, "not a list but a mapping"),
    ('[{"a": 1, "a": 2}]', LIST_OF_OBJECT, "JSON text that has the field 'a' twice in one object"),
    ("[0.1234567890123456789]", LIST_OF_NUMBER, "more digits"),
    (["a", None], LIST_OF_STRING, "contains null"),
    ([1.5, float("nan")], LIST_OF_NUMBER, "contains null"),
    ([Decimal("NaN")], LIST_OF_STRING, "contains null"),
    ([{1: "a", "1": "b"}], LIST_OF_OBJECT, "a mapping with two keys that are one text"),
    (["a"], LIST_OF_NUMBER, "not a number"),
    (["a"], LIST_OF_OBJECT, "contains text, where only mappings are allowed"),
    ({"a": 1}, LIST_OF_OBJECT, "not a list but a mapping"),
]


@pytest.mark.parametrize(("value", "kind", "words"), UNFIT)
def test_what_a_column_cannot_hold_is_refused_without_a_word_of_it(value: Any, kind: str, words: str) -> None:
    with pytest.raises(InvalidValueError, match=words) as caught:
        cell(value, kind)
    assert str(value) not in str(caught.value) or str(value) in ("a", "{}")


def test_each_type_of_the_service_is_known() -> None:
    assert set(KINDS[:-1]) == set(OPERATOR_TYPE.spelt)


@pytest.mark.parametrize("spelling", ["number", "NUMBER", "operator_type_number", NUMBER])
def test_a_type_is_known_in_any_spelling(spelling: str) -> None:
    assert cell("12", spelling) == 12


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ({NUMBER}, NUMBER),
        ({NUMBER, None}, NUMBER),
        ({NUMBER, STRING}, STRING),
        ({BOOLEAN, NUMBER}, STRING),
        ({DATE, DATETIME}, STRING),
        ({None}, STRING),
        (set(), STRING),
        ({EMPTY_LIST}, LIST_OF_STRING),
        ({EMPTY_LIST, LIST_OF_NUMBER, None}, LIST_OF_NUMBER),
        ({EMPTY_LIST, STRING}, STRING),
        ({LIST_OF_STRING, LIST_OF_NUMBER}, STRING),
    ],
)
def test_a_mixture_is_text(kinds: set[str | None], expected: str) -> None:
    assert common_type(kinds) == expected


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "PT0S"),
        (1, "PT0.000000001S"),
        (-1_500_000_000, "-PT1.5S"),
        (86_400 * 10**9, "P1D"),
        (3_600 * 10**9, "PT1H"),
        (((25 * 60 + 1) * 60 + 30) * 10**9, "P1DT1H1M30S"),
    ],
)
def test_a_duration_has_one_text(nanoseconds: int, text: str) -> None:
    assert iso_duration(nanoseconds) == text


# What holds for any value.

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.text()
    | st.binary()
    | st.dates()
    | st.datetimes(timezones=st.none() | st.timezones())
    | st.times()
    | st.timedeltas()
    | st.uuids()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=6,
)
KINDS = [
    STRING,
    NUMBER,
    BOOLEAN,
    DATE,
    DATETIME,
    LIST_OF_STRING,
    LIST_OF_NUMBER,
    LIST_OF_OBJECT,
    "OPERATOR_TYPE_NEW",
]


def _made(value: Any, kind: str) -> tuple[Any, str]:
    try:
        return cell(value, kind), ""
    except InvalidValueError as error:
        return None, str(error)


@pytest.mark.fuzz
@cases(300)
@given(values=st.lists(VALUES, min_size=1, max_size=4))
def test_a_column_holds_the_values_that_its_type_was_made_of(values: list[Any]) -> None:
    kind = common_type(map(infer_type, values))
    for value in values:
        made, reason = _made(value, kind)
        assert not reason or "infinite" in reason
        json.dumps(made, allow_nan=False)


@pytest.mark.fuzz
@cases(300)
@given(value=VALUES, kind=st.sampled_from(KINDS))
@example(value=[""], kind="OPERATOR_TYPE_LIST_OF_NUMBER")
@example(value='["1", " "]', kind="OPERATOR_TYPE_LIST_OF_NUMBER")
def test_a_cell_stays_what_it_is_when_it_is_loaded_again(value: Any, kind: str) -> None:
    made, reason = _made(value, kind)
    if reason:  # what stands in a dead letter is refused as well, or says the same
        made, reason = _made(to_json_value(value), kind)
    if not reason:
        assert cell(json.loads(json.dumps(made)), kind) == made
