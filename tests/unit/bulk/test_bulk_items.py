from __future__ import annotations

import json
import re
import struct
import uuid
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any, ClassVar, NamedTuple

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import cases

from airflow_channel_provider.bulk.checkpoint import CommittedOffsets
from airflow_channel_provider.bulk.items import Item, Items, content_key, item_of, keyed_items
from airflow_channel_provider.bulk.json_values import (
    decimal_text,
    iso_interval,
    json_text,
    parse_json,
    shortest_float,
    to_json_value,
)
from airflow_channel_provider.bulk.sources import ListSource
from airflow_channel_provider.exceptions import ChannelConfigurationError

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (datetime(2026, 1, 31, 8, 30, tzinfo=timezone.utc), "2026-01-31T08:30:00+00:00"),
        (date(2026, 1, 31), "2026-01-31"),
        (time(8, 30), "08:30:00"),
        (timedelta(minutes=2), "PT2M"),
        (Decimal("12.5"), 12.5),
        (Decimal("3"), 3),
        (Decimal("0.1234567890123456789"), "0.1234567890123456789"),
        (Decimal("NaN"), None),
        (float("nan"), None),
        (float("inf"), "Infinity"),
        ([Decimal("-Infinity"), float("-inf")], ["-Infinity", "-Infinity"]),
        (b"\x00\x01", "AAE="),
        (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        ((1, {"a": {date(2026, 1, 1)}}), [1, {"a": ["2026-01-01"]}]),
        ({1: True}, {"1": True}),
        ({b"k": 1, date(2026, 1, 1): 2, Decimal("1.10"): 3}, {"aw==": 1, "2026-01-01": 2, "1.10": 3}),
        ({1: "a", "1": timedelta(days=1)}, [[1, "a"], ["1", "P1D"]]),
        ({"b", "c", "a"}, ["a", "b", "c"]),
        (frozenset({3, 1, 2}), [1, 2, 3]),
    ],
)
def test_values_become_what_json_can_hold(value: object, expected: Any) -> None:
    assert to_json_value(value) == expected
    assert type(to_json_value(value)) is type(expected)


@pytest.mark.parametrize("text", ["12.50", "3.00", "-0.10", "1000.0", "1E+3", "0.000", "1E-7"])
def test_a_decimal_number_is_a_number_and_shows_the_digits_that_it_was_written_with(text: str) -> None:
    made = to_json_value(Decimal(text))
    assert isinstance(made, (int, float))
    assert made == float(text)
    assert json.loads(json.dumps({"a": [made]})) == {"a": [float(text)]}
    assert {str(made), f"{made}"} == {format(Decimal(text), "f")}
    again = parse_json(json_text({"a": [made, None, "가\n"]}))
    assert again["a"][1:] == [None, "가\n"]
    assert str(to_json_value(again["a"][0])) == str(made)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12.5", 12.5),
        ("12.50", Decimal("12.50")),
        ("0.1234567890123456789", Decimal("0.1234567890123456789")),
        ("1e400", Decimal("1E+400")),
        ("-0.0", -0.0),
        ("1e9999999999999999999", "1e9999999999999999999"),
    ],
)
def test_a_number_of_json_keeps_its_digits(text: str, number: Any) -> None:
    found = parse_json(text)
    assert (type(found), str(found)) == (type(number), str(number))


@pytest.mark.parametrize("text", ['{"n": 1}', ' {"n": 1}', '\t{"n": 1} \r', '{"n": 1}\r\n'])
def test_blanks_around_a_value_of_json_do_not_matter(text: str) -> None:
    assert parse_json(text) == {"n": 1}


@pytest.mark.parametrize(
    "text", ["", " ", '{"n": 1} {"n": 2}', "1 2", '{"n": 1}]', '\u00a0{"n": 1}', '{"n": 1}\f', '{"n": ']
)
def test_what_is_no_json_or_has_more_behind_it_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its kind is all that is promised
        parse_json(text)


def test_a_number_that_is_too_long_to_be_written_is_its_text() -> None:
    first, second, zero = Items([Decimal("1E+4299"), Decimal("-1E+4300"), Decimal("0E-4300")], None)
    assert first.value == 10**4299
    assert second.value == "-1E+4300"
    assert (zero.value, str(zero.value)) == (0, "0E-4300")


@pytest.mark.parametrize("text", ["1E+4300", "-1.50E+4300", "1.50E-4300"])
def test_the_zeros_of_a_number_are_not_written_where_they_are_very_many(text: str) -> None:
    assert (
        to_json_value(Decimal(text)) == to_json_value(parse_json(text)) == decimal_text(Decimal(text)) == text
    )


class Colour(Enum):
    RED = Decimal("1.50")


class Kind(str, Enum):
    ORDER = "order"


@dataclass
class Order:
    id: int
    at: date
    kind: Kind = Kind.ORDER
    count: ClassVar[int] = 7


@attrs.define
class Shop:
    name: str


class Pair(NamedTuple):
    left: int
    right: Colour


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Order(1, date(2026, 1, 31)), {"id": 1, "at": "2026-01-31", "kind": "order"}),
        (Shop("한글"), {"name": "한글"}),
        (Pair(1, Colour.RED), {"left": 1, "right": 1.5}),
        ((1, Kind.ORDER), [1, "order"]),
        ({"kind": Kind.ORDER}, {"kind": "order"}),
    ],
)
def test_what_has_its_values_by_names_becomes_an_object_and_a_member_its_value(
    value: Any, expected: Any
) -> None:
    assert to_json_value(value) == expected
    assert to_json_value(list(ListSource([value]))) == [expected]
    assert isinstance(
        next(iter(ListSource([Order(1, date(2026, 1, 31))]))), dict
    )  # as the row of a table has to be
    assert str(to_json_value(Kind.ORDER)) == "order"
    assert str(to_json_value(Colour.RED)) == "1.50"


def test_a_model_of_pydantic_becomes_an_object() -> None:
    pydantic = pytest.importorskip("pydantic")  # the oldest Airflow comes without
    customer = pydantic.create_model("Customer", id=int, orders=list[Order])
    value = customer(id=2, orders=[Order(1, date(2026, 1, 31))])
    expected = {"id": 2, "orders": [{"id": 1, "at": "2026-01-31", "kind": "order"}]}
    assert to_json_value(value) == expected
    assert to_json_value(list(ListSource([value]))) == [expected]


@given(JSON_VALUES)
def test_what_json_can_hold_stays_as_it_is(value: Any) -> None:
    assert to_json_value(value) == value
    json.dumps(to_json_value(value), allow_nan=False)


@given(st.lists(JSON_VALUES, max_size=8))
def test_keys_are_the_same_in_each_try_and_differ_from_item_to_item(values: list[Any]) -> None:
    first, second = (list(Items(values, None)) for _ in range(2))
    assert first == second
    assert len({item.key for item in first}) == len(values)


def test_a_key_of_place_and_content_changes_with_both() -> None:
    keys = [
        next(keyed_items([value], None)).key
        for value in ({"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 2, "b": 2})
    ]
    assert keys[0] == keys[1] != keys[2]
    first, second = keyed_items(["x", "x"], None)
    assert first.key != second.key


def test_a_key_may_be_a_field_or_made_by_a_callable() -> None:
    rows = [{"id": 7, "name": "a"}]
    assert next(keyed_items(rows, "id")).key == "7"
    assert next(keyed_items(rows, lambda row: f"{row['name']}-{row['id']}")).key == "a-7"


def nobody(row: Any) -> None:
    """Name no item."""


@pytest.mark.parametrize(
    ("row", "key", "reason"),
    [
        ({"name": "a"}, "id", "has no value in the field 'id', which item_key names"),
        ({"id": None}, "id", "has no value in the field 'id'"),
        ({"id": float("nan")}, "id", "has no value in the field 'id'"),
        ({"id": ""}, "id", "has no value in the field 'id'"),
        ("text", "id", "has no value in the field 'id'"),
        ({"name": "a"}, lambda row: row["id"], r"gets no name from the function item_key \(KeyError\)"),
        ({"id": 7}, nobody, "gets no name from the function item_key"),
    ],
)
def test_an_item_without_its_key_is_unfit_and_the_others_go_on(row: Any, key: Any, reason: str) -> None:
    (unfit,) = Items([row], key)
    assert re.match(f"Item 0 of the source {reason}", unfit.unfit)
    assert unfit.key == content_key(0, to_json_value(row))
    found = list(Items([{"id": 1}, row, {"id": 0}], "id"))
    assert (found[0].key, found[0].unfit) == ("1", "")
    assert found[2] == Item(2, {"id": 0}, "0", queue=2)


def test_an_item_without_its_queue_is_unfit() -> None:
    rows = [{"chat": "a"}, {}, {"chat": None}, {"chat": "a"}]
    items = list(Items(rows, None, "chat"))
    assert [(item.queue, bool(item.unfit)) for item in items] == [
        ("a", False),
        (1, True),
        (2, True),
        ("a", False),
    ]
    assert "which order_by names" in items[1].unfit


LINE = {
    "dead_letter": 1,
    "item": {"id": 7},
    "key": "7",
    "request_id": "r-7",
    "outcome": "uncertain",
    "error": "ChannelRequestError",
    "message": "no",
    "attempt": 1,
    "at": "2026-01-31T12:00:00+00:00",
}


def test_a_line_of_a_dead_letter_file_is_the_item_that_it_was() -> None:
    assert next(keyed_items([LINE, {"id": 8}], None)) == Item(
        0, {"id": 7}, "7", "r-7", in_doubt=True, queue=0
    )
    assert item_of(LINE) == {"id": 7}
    assert item_of({"id": 8}) == {"id": 8}
    (failed,) = keyed_items([{**LINE, "outcome": "failed"}], None)
    assert not failed.in_doubt


@pytest.mark.parametrize(
    "row",
    [
        {"dead_letter": 1, "item": "shoes"},
        {"dead_letter": "no", "item": {"id": 1}, "key": "k"},
        {**LINE, "dead_letter": "1"},
        {**LINE, "dead_letter": 2},
        {**LINE, "price": 12},
        {name: value for name, value in LINE.items() if name != "at"},
    ],
)
def test_a_row_with_columns_of_the_same_names_is_no_dead_letter(row: dict[str, Any]) -> None:
    assert item_of(row) is row
    (item,) = Items([row], None)
    assert (item.value, item.request_id, item.in_doubt) == (row, None, False)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def circle() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["itself"] = value
    return value


@pytest.mark.parametrize(
    "value", [nested(50_000), {"a": nested(50_000)}, circle()], ids=["list", "field", "circle"]
)
def test_what_is_nested_too_deeply_is_named_by_its_place(value: Any) -> None:
    with pytest.raises(ChannelConfigurationError, match=r"^Item 1 of the source is nested too deeply"):
        list(Items([{"id": 0}, value], None))


def test_half_of_a_surrogate_pair_has_a_place_in_keys_and_digests() -> None:
    (first,) = Items([{"id": "a \ud800"}], "id")
    (second,) = Items([{"id": "a \udc00"}], "id")
    offsets, other = CommittedOffsets(), CommittedOffsets()
    offsets.take(first.key)
    other.take(second.key)
    assert offsets.digest != other.digest
    (by_content,) = Items(["\ud800"], None)
    assert by_content.key.isascii()


@pytest.mark.parametrize("value", [7, ["k"], {"k": 1}, "", None, True])
def test_a_dead_letter_line_that_somebody_has_edited_is_an_item_all_the_same(value: Any) -> None:
    line = {**LINE, "item": {"id": 1}, "key": value, "request_id": value or None, "outcome": value}
    (item,) = Items([line], "id")
    assert (item.value, item.key, item.request_id, item.in_doubt) == ({"id": 1}, "1", None, False)


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ((14, 3, 5_000_000_000), "P1Y2M3DT5S"),
        ((12, 0, 0), "P1Y"),
        ((-1, 0, 0), "-P1M"),
        ((-1, -2, -3_000_000_000), "-P1M2DT3S"),
        ((1, -3, -3_600_500_000_000), "P1M-3DT-1H-0.5S"),
        ((0, 1, 0), "P1D"),
        ((0, 0, 0), "PT0S"),
    ],
)
def test_an_interval_of_the_calendar_has_one_text(parts: tuple[int, int, int], text: str) -> None:
    assert iso_interval(*parts) == text


@pytest.mark.fuzz
@cases(200)
@given(st.floats(width=32, allow_nan=False))
def test_a_number_of_four_bytes_is_the_same_in_fewest_digits(value: float) -> None:
    short = shortest_float(value, 4)
    assert short is not None
    assert struct.pack("<f", short) == struct.pack("<f", value)
    assert len(repr(short)) <= len(repr(value))


@pytest.mark.parametrize(
    ("value", "size_bytes", "short"),
    [
        (0.10000000149011612, 4, 0.1),
        (19.989999771118164, 4, 19.99),
        (1.0000000200408773e20, 4, 1e20),
        (3.3999999521443642e38, 4, 3.4e38),
        (-1.1046243421734263e33, 4, -1.10462434e33),
        (16777216.0, 4, 16777216.0),
        (1.401298464324817e-45, 4, 1e-45),
        (5.960464477539063e-08, 2, 6e-08),
        (0.61376953125, 2, 0.614),
        (65504.0, 2, 65504.0),
        (None, 4, None),
    ],
)
def test_a_number_of_few_bytes_has_the_digits_that_it_was_written_with(
    value: float | None, size_bytes: int, short: float | None
) -> None:
    assert shortest_float(value, size_bytes) == short
