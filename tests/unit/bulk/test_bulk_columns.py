"""Names of columns, on the side of a source and on that of a table."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import cases

from airflow_channel_provider.bulk.column_names import MOST_SHOWN, ColumnNames, quoted_names, unique_names
from airflow_channel_provider.bulk.column_types import NUMBER, STRING
from airflow_channel_provider.bulk.tables import (
    Batches,
    check_names,
    checked_columns,
    columns_of_rows,
    merge_columns,
)
from airflow_channel_provider.exceptions import ChannelConfigurationError

COLUMNS = [{"key": "id", "type": NUMBER}, {"key": "total", "type": NUMBER}]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["id", "name", "id"], "The query has several columns named 'id', and"),
        ([1, "1"], "named '1', and"),
        (["a", ""], "Column 2 of The query has no name"),
        (["", ""], "named '', and"),
    ],
)
def test_each_name_of_a_source_is_one_columns(names: list[Any], words: str) -> None:
    with pytest.raises(ChannelConfigurationError, match=words):
        unique_names(names, "The query")


@pytest.mark.parametrize(
    ("table", "row", "placed"),
    [
        (["id", "total"], ["id", "total"], {"id": "id", "total": "total"}),
        (["id", "total"], ["ID", "Total"], {"ID": "id", "Total": "total"}),
        (["id"], ["ID", "id"], {"id": "id"}),
        (["id", "ID"], ["ID", "id"], {"ID": "ID", "id": "id"}),
        (["id", "ID"], ["Id"], {}),
        (["straße"], ["STRASSE"], {"STRASSE": "straße"}),
        (["합계"], ["합계", "other"], {"합계": "합계"}),
    ],
)
def test_a_name_is_matched_exactly_or_else_apart_from_case(
    table: list[str], row: list[str], placed: dict[str, str]
) -> None:
    assert ColumnNames(table).placed(row) == placed


def test_two_names_for_one_column_are_told() -> None:
    with pytest.raises(ChannelConfigurationError, match="'ID' and 'Id' both match the column 'id'"):
        ColumnNames(["id"]).placed(["ID", "Id"])


@pytest.mark.fuzz
@cases(200)
@given(table=st.lists(st.text(max_size=3), unique=True), row=st.lists(st.text(max_size=3), unique=True))
def test_no_two_names_of_a_row_reach_one_column(table: list[str], row: list[str]) -> None:
    try:
        placed = ColumnNames(table).placed(row)
    except ChannelConfigurationError:
        return
    assert len(set(placed.values())) == len(placed)
    assert set(placed) <= set(row)
    assert set(placed.values()) <= set(table)
    assert {name for name in row if name in table} <= {
        name for name, column in placed.items() if name == column
    }


def test_a_name_of_the_primary_key_is_matched_or_told_with_the_columns() -> None:
    names = ColumnNames(["id", "Total"])
    assert names.all_of(["ID", "Total"], "primary_key") == ["id", "Total"]
    with pytest.raises(
        ChannelConfigurationError, match=r"primary_key names 'nr', .* columns 'id', 'Total'; corr"
    ):
        names.all_of(["id", "nr"], "primary_key")


def test_a_table_gets_no_second_column_that_differs_in_case_alone() -> None:
    existing = [{"key": "id", "name": "id", "type": NUMBER}]
    found = [{"key": "ID", "name": "ID", "type": NUMBER}, {"key": "total", "name": "total", "type": NUMBER}]
    assert [column["key"] for column in merge_columns(existing, found)] == ["id", "total"]
    both = [*found, {"key": "id", "name": "id", "type": NUMBER}]
    assert [column["key"] for column in merge_columns(existing, both)] == ["id", "ID", "total"]


def test_the_columns_of_the_key_are_never_null_apart_from_case() -> None:
    def nullable(rows: list[dict[str, Any]], key: list[str]) -> dict[str, bool]:
        return {column["key"]: column["nullable"] for column in columns_of_rows(rows, key)}

    assert nullable([{"ID": 1, "total": 2}], ["id"]) == {"ID": False, "total": True}
    assert nullable([{"ID": 1, "id": 2}], ["id"]) == {"ID": True, "id": False}


def test_rows_go_into_the_columns_apart_from_case() -> None:
    rows = [{"ID": 1, "TOTAL": 2, "more": 3}, {"id": 2, "Total": 4, "ID": 9}]
    (batch,) = Batches(rows, ["id"], columns=COLUMNS, leave_out=True)
    assert [(row.value, row.key, row.unfit) for row in batch.value] == [
        ({"id": 1, "total": 2}, "1", ""),
        ({"id": 2, "total": 4}, "2", ""),
    ]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"nr": 1}, "The row has none of the columns of the table."),
        ({}, "The row has none of the columns of the table."),
        ({"ID": 1, "Id": 2}, "'ID' and 'Id' both match the column 'id'; remove one of them."),
        ({1: "a", "1": "b"}, "Two columns have the same name as text."),
        ("id", "A row must be a mapping of columns to values, not str."),
        (None, "A row must be a mapping of columns to values, not NoneType."),
        ([1, 2], "A row must be a mapping of columns to values, not list."),
    ],
)
def test_a_row_that_does_not_fit_is_its_own_matter(row: Any, reason: str) -> None:
    (batch,) = Batches([{"id": 1}, row, {"id": 2}], [], columns=COLUMNS, leave_out=True)
    assert [row.unfit for row in batch.value] == ["", reason, ""]
    assert batch.value[2].value == {"id": 2}


OPTIONAL: list[dict[str, Any]] = [COLUMNS[0], {**COLUMNS[1], "nullable": True}]


@pytest.mark.parametrize("free_form", [False, True])
def test_a_column_that_no_row_has_is_told_with_what_the_rows_have(free_form: bool) -> None:
    rows = [{"ID": 1, "totl": 2}, {"id": 3, "note": "x"}]
    with pytest.raises(
        ChannelConfigurationError, match=r"has no column 'total'; .* have are 'totl', 'note'\. Corr"
    ):
        check_names(COLUMNS, rows, free_form=free_form)
    assert check_names([COLUMNS[0]], rows, free_form=free_form) == []
    assert check_names(COLUMNS, [], free_form=free_form) == ()


def test_a_row_of_json_may_leave_out_what_may_be_null() -> None:
    rows = [{"id": 1}, "no row"]
    assert check_names(OPTIONAL, rows, free_form=True) == ["total"]
    with pytest.raises(ChannelConfigurationError, match="has no column 'total'"):
        check_names(OPTIONAL, rows, free_form=False)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"id": NUMBER}, "columns must be a list, not dict"),
        (7, "columns must be a list, not int"),
        (["id", "total"], "Column 1 of columns must be a mapping with key, name and type, such as"),
        ([{"name": "id"}], "Column 1 of columns must be a mapping"),
        ([*COLUMNS, {"key": "id", "type": STRING}], "columns has several columns named 'id'"),
    ],
)
def test_columns_that_are_given_are_looked_at(given: Any, words: str) -> None:
    with pytest.raises(ChannelConfigurationError, match=words):
        checked_columns(given)


def test_of_very_many_names_some_are_told() -> None:
    assert quoted_names([]) == "none"
    assert quoted_names(["n"] * (MOST_SHOWN + 2)).endswith("'n' and 2 more")
