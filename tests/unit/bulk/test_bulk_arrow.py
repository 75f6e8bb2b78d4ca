"""Parquet files with a column of every type: what type it gets at the service, and what its values become."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath
from support.arrow_columns import COLUMNS, table_of

from airflow_channel_provider.bulk.sources import FileSource
from airflow_channel_provider.bulk.tables import Batches, columns_of_arrow


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> FileSource:
    path = tmp_path_factory.mktemp("arrow") / "all.parquet"
    pyarrow.parquet.write_table(table_of(20), path)
    return FileSource(ObjectStoragePath(path.as_uri()))


def columns(source: FileSource) -> list[dict[str, Any]]:
    schema = source.schema()
    assert schema is not None
    return columns_of_arrow(schema, list(source), ["n"])


def test_each_column_has_the_type_of_its_values(source: FileSource) -> None:
    found = {column["key"]: column["type"] for column in columns(source)}
    found.pop("n")
    assert found == {name: column.kind for name, column in COLUMNS.items()}


def test_each_value_is_the_cell_that_it_should_be(source: FileSource) -> None:
    rows = [row for item in Batches(source, ["n"], columns=columns(source)) for row in item.value]
    assert not [row.unfit for row in rows if row.unfit]
    for number, row in enumerate(rows):
        empty = number % 10 == 9
        expected = {name: None if empty else column.cell for name, column in COLUMNS.items()}
        assert row.value == {"n": number, **expected}


def test_what_is_beyond_every_calendar_is_that_rows_loss(tmp_path: Path) -> None:
    values = {"n": [1, 2], "day": pyarrow.array([0, 9_999_999], pyarrow.date32())}
    path = tmp_path / "far.parquet"
    pyarrow.parquet.write_table(pyarrow.table(values), path)
    far = FileSource(ObjectStoragePath(path.as_uri()))
    first, second = next(iter(Batches(far, ["n"], columns=columns(far)))).value
    assert (first.value, first.unfit) == ({"n": 1, "day": "1970-01-01"}, "")
    assert second.value == {"n": 2, "day": "29349-01-25"}
    assert second.unfit == (
        "Column 'day' is OPERATOR_TYPE_DATE, and the value is a text that is no time of ISO 8601."
    )
