"""Parquet files with a column of every type: what type it gets at the service, and what its values become."""

from __future__ import annotations

import base64
import zlib
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pyarrow.parquet.encryption
import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath
from support.arrow_columns import COLUMNS, table_of

from airflow_channel_provider.bulk.column_types import DATE, DATETIME, NUMBER, STRING
from airflow_channel_provider.bulk.sources import FileSource
from airflow_channel_provider.bulk.tables import Batches, columns_of_arrow
from airflow_channel_provider.exceptions import ChannelConfigurationError


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


def far_away(folder: Path) -> FileSource:
    far = {
        "day": pyarrow.array([0, 9_999_999], pyarrow.date32()),
        "at": pyarrow.array([0, 10**12], pyarrow.timestamp("s")),
        "end": pyarrow.array([0, 2**63 - 1], pyarrow.timestamp("us", tz="UTC")),
        "near": pyarrow.array([0, None], pyarrow.timestamp("ns")),
    }
    return written(folder, pyarrow.table({"n": [1, 2], **far}))


def test_what_is_beyond_every_calendar_makes_a_new_column_one_of_text(tmp_path: Path) -> None:
    source = far_away(tmp_path)
    found = columns(source)
    assert {column["key"]: column["type"] for column in found} == {
        "n": NUMBER,
        **dict.fromkeys(("day", "at", "end"), STRING),
        "near": DATETIME,
    }
    rows = next(iter(Batches(source, ["n"], columns=found))).value
    near = {"day": "1970-01-01", "at": "1970-01-01T00:00:00", "end": "1970-01-01T00:00:00+00:00"}
    far = {"day": "+29349-01-25", "at": "+33658-09-27T01:46:40", "end": "infinity"}
    assert [row.value for row in rows] == [
        {"n": 1, **near, "near": "1970-01-01T00:00:00+00:00"},
        {"n": 2, **far, "near": None},
    ]
    assert not any(row.unfit for row in rows)


@pytest.mark.parametrize("kind", [DATE, DATETIME])
def test_what_is_beyond_every_calendar_is_that_rows_loss_where_its_column_is_there(
    tmp_path: Path, kind: str
) -> None:
    there = [{"key": "n", "type": NUMBER}, {"key": "day", "type": kind}]
    batches = Batches(far_away(tmp_path), ["n"], columns=there, leave_out=True)
    first, second = next(iter(batches)).value
    assert (first.value["day"][:10], first.unfit) == ("1970-01-01", "")
    assert second.value["day"] == "+29349-01-25"
    assert (
        second.unfit == f"Column 'day' is {kind}, but the value is text that is not an ISO 8601 date or time."
    )


# ---- what other writers make of a file


def written(folder: Path, table: Any, **options: Any) -> FileSource:
    path = folder / "rows.parquet"
    pyarrow.parquet.write_table(table, path, **options)
    return FileSource(ObjectStoragePath(path.as_uri()))


def test_a_year_that_nanoseconds_do_not_reach_is_that_year(tmp_path: Path) -> None:
    """Spark, Hive and Impala write their times like that, and the last day of 9999 for one that never comes."""
    moments = pyarrow.array([253_402_214_400_000_000, 1_769_860_800_123_456, None], pyarrow.timestamp("us"))
    source = written(tmp_path, pyarrow.table({"at": moments}), use_deprecated_int96_timestamps=True)
    assert pyarrow.parquet.ParquetFile(tmp_path / "rows.parquet").schema.column(0).physical_type == "INT96"
    assert [row["at"] and row["at"].isoformat() for row in source] == [  # type: ignore[index]
        "9999-12-31T00:00:00",
        "2026-01-31T12:00:00.123456",
        None,
    ]


def test_the_numbers_of_the_rows_of_pandas_are_left_out(tmp_path: Path) -> None:
    source = written(tmp_path, pyarrow.table({"id": [1, 2], "__index_level_0__": [5, 7]}))
    assert list(source) == [{"id": 1}, {"id": 2}]
    schema = source.schema()
    assert schema is not None
    assert schema.names == ["id"]


INTERVALS = (
    "c-nnX!HU8_42@kJyx3c02IkN`SX8uhmR)p@E?&IJ{y=G+5eKI&w6<W`Pw`{+(>7wy8}dl<5?(?M+i!({9d=7(lrUrfuK=(e!vE$IUI;(<ti7H`P"
    "b@!xk9Bjr=q#y^XOpMs0s6?%<3rP$>NZ`#gb68R2oimPAo>OpKe-Rc!_i*SL8M2b4~m5&3LqqxPwmJSS5vjAOEOoMd2+IjYCbN?Do>s5j9#@0_-"
    "sehyRU%cYg-mU`xeEK3T9bjoenm7y;17je8zJjC9V1;9Ox^5W5hF~"
)
"""A file of DuckDB's with a column of intervals; pyarrow takes them for bytes, and writes none."""


def test_intervals_are_no_bytes(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    path.write_bytes(zlib.decompress(base64.b85decode(INTERVALS)))
    source = FileSource(ObjectStoragePath(path.as_uri()))
    assert list(source) == [{"every": "P1Y2M3DT5.5S"}, {"every": None}, {"every": "P2D"}]


class Keys(pyarrow.parquet.encryption.KmsClient):  # type: ignore[misc]
    """Hides nothing."""

    def __init__(self, ignored: object) -> None:
        super().__init__()

    def wrap_key(self, key: bytes, ignored: str) -> bytes:
        return base64.b64encode(key)


@pytest.mark.parametrize("is_footer_plain", [False, True])
def test_an_encrypted_file_is_told_as_one(is_footer_plain: bool, tmp_path: Path) -> None:
    table = pyarrow.table({"id": [1], "name": ["a"]})
    factory = pyarrow.parquet.encryption.CryptoFactory(Keys)
    properties = factory.file_encryption_properties(
        pyarrow.parquet.encryption.KmsConnectionConfig(),
        pyarrow.parquet.encryption.EncryptionConfiguration(
            footer_key="footer", column_keys={"column": ["name"]}, plaintext_footer=is_footer_plain
        ),
    )
    source = written(tmp_path, table, encryption_properties=properties)
    with pytest.raises(
        ChannelConfigurationError, match=r"rows\.parquet is encrypted, and this provider has no key for it"
    ):
        list(source)
