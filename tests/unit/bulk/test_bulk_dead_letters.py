"""Sources and dead-letter files on a real disk, and in the memory file system of fsspec, which is no local one."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_channel_provider.bulk.checkpoint import FileCheckpoints
from airflow_channel_provider.bulk.column_types import BOOLEAN, LIST_OF_STRING, NUMBER, STRING
from airflow_channel_provider.bulk.dead_letters import DeadLetterFile
from airflow_channel_provider.bulk.items import FIELDS
from airflow_channel_provider.bulk.json_values import to_json_value
from airflow_channel_provider.bulk.outcomes import FailedItem, ItemOutcome
from airflow_channel_provider.bulk.sources import FileSource, ListSource, Peeked, SqlSource
from airflow_channel_provider.bulk.tables import (
    Batches,
    Row,
    columns_of_arrow,
    columns_of_rows,
    has_columns,
    merge_columns,
)
from airflow_channel_provider.contract.functions import CATALOGUE
from airflow_channel_provider.exceptions import ChannelConfigurationError

ROWS = [{"id": number, "name": f"name {number}"} for number in range(2_500)]


def write(path: Any, content: bytes) -> Any:
    with path.fs.open(path.path, "wb") as file:
        file.write(content)
    return path


def failure(number: int) -> FailedItem:
    return FailedItem(
        {"id": number, "name": "안녕"},
        str(number),
        ItemOutcome.FAILED,
        "ChannelRequestError",
        "no",
        f"r-{number}",
    )


# ---- sources


def test_json_lines_are_read_and_counted_by_their_share(folder: Any) -> None:
    lines = "".join(f"{json.dumps(row)}\n\n" for row in ROWS).encode()
    source = FileSource(write(folder / "rows.jsonl", lines))
    assert source.expected is None
    rows = iter(source)
    read = [next(rows) for _ in range(1_250)]
    assert source.expected is not None
    assert 1_250 <= source.expected <= 3_000
    assert [*read, *rows] == ROWS
    assert list(source) == ROWS
    assert source.expected == len(ROWS)


def test_compressed_lines_are_read(folder: Any) -> None:
    lines = gzip.compress("".join(f"{json.dumps(row)}\n" for row in ROWS).encode())
    assert list(FileSource(write(folder / "rows.ndjson.gz", lines))) == ROWS


def test_a_line_that_is_no_json_is_named(folder: Any) -> None:
    source = FileSource(write(folder / "rows.jsonl", b'{"id": 1}\n{"id": \n'))
    with pytest.raises(ChannelConfigurationError, match="Line 2 of"):
        list(source)


@pytest.mark.parametrize("line", ["[" * 100_000, '{"a":' * 100_000])
def test_a_line_that_is_nested_too_deeply_is_named(folder: Any, line: str) -> None:
    source = FileSource(write(folder / "rows.jsonl", f'{{"id": 1}}\n{line}\n'.encode()))
    with pytest.raises(
        ChannelConfigurationError, match=r"Line 2 of .* is not valid JSON, or nested too deeply"
    ):
        list(source)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.csv", b"id,name\n1,\xff\xfe\n"),
        ("rows.csv", b"id,name\n1,a,b\n"),
        ("rows.csv.gz", gzip.compress(b"id\n" + b"1\n" * 1_000, mtime=0)[:-9]),
        ("rows.jsonl.gz", gzip.compress(b'{"id": 1}\n', mtime=0)[:-9]),
        ("rows.jsonl.gz", b'{"id": 1}\n'),
        ("rows.jsonl.zip", b'{"id": 1}\n'),
        ("rows.parquet", b'{"id": 1}\n'),
        ("rows.parquet", b""),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_named(folder: Any, name: str, content: bytes) -> None:
    source = FileSource(write(folder / name, content))
    with pytest.raises(
        ChannelConfigurationError, match=f"{name} (is not|can't be|ends a row) .*correct the file"
    ):
        list(source)


def twice(names: list[str]) -> pyarrow.Table:
    return pyarrow.Table.from_arrays([pyarrow.array([number]) for number in range(len(names))], names=names)


def test_two_columns_of_one_name_are_told_before_a_row_is_read(folder: Any) -> None:
    paths = [write(folder / "rows.csv", b"id,name,id,name\n1,a,2,b\n"), folder / "rows.parquet"]
    with paths[1].fs.open(paths[1].path, "wb") as file:
        pyarrow.parquet.write_table(twice(["id", "name", "id", "name"]), file)
    for path in paths:
        with pytest.raises(ChannelConfigurationError, match=r"several columns named 'id', 'name', and"):
            next(iter(FileSource(path)))


def test_two_fields_of_one_name_within_a_column_are_told(tmp_path: Path) -> None:
    pair = pyarrow.StructArray.from_arrays([pyarrow.array([1]), pyarrow.array([2])], names=["x", "x"])
    within = pyarrow.ListArray.from_arrays([0, 1], pair)
    pyarrow.parquet.write_table(pyarrow.table({"pairs": within}), tmp_path / "rows.parquet")
    source = FileSource(ObjectStoragePath(tmp_path.joinpath("rows.parquet").as_uri()))
    with pytest.raises(ChannelConfigurationError, match=r"Column 'pairs' of .* several columns named 'x'"):
        next(iter(source))


@pytest.mark.parametrize("line", ['{"id": 1, "name": "a", "id": 2}', '{"id": 1, "pair": [{"x": 1, "x": 1}]}'])
def test_a_name_that_stands_twice_in_a_line_of_json_is_told(folder: Any, line: str) -> None:
    source = FileSource(write(folder / "rows.jsonl", f'{{"id": 0}}\n{line}\n'.encode()))
    with pytest.raises(
        ChannelConfigurationError,
        match=r"Line 2 of .* has the field '(id|x)' twice in one object; correct the file",
    ):
        list(source)


def test_a_column_without_a_name_is_told_by_its_place(folder: Any) -> None:
    with pytest.raises(ChannelConfigurationError, match=r"Column 2 of .* has no name"):
        next(iter(FileSource(write(folder / "rows.csv", b"id,,name\n1,a,2\n"))))


def test_csv_rows_are_texts(folder: Any) -> None:
    content = '\ufeffid,name\n1,"a, ""b""\nc"\n2,\n'.encode()
    assert list(FileSource(write(folder / "rows.csv", content))) == [
        {"id": "1", "name": 'a, "b"\nc'},
        {"id": "2", "name": ""},
    ]


def test_parquet_tells_its_rows_and_types(folder: Any) -> None:
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), sink, row_group_size=700)
    source = FileSource(write(folder / "rows.data", sink.getvalue().to_pybytes()), "parquet")
    rows = iter(source)
    first = next(rows)
    assert source.expected == len(ROWS)
    assert [first, *rows] == ROWS
    schema = source.schema()
    assert schema is not None
    assert [(c["key"], c["type"], c["nullable"]) for c in columns_of_arrow(schema, ROWS, ["id"])] == [
        ("id", NUMBER, False),
        ("name", STRING, True),
    ]


@pytest.mark.parametrize(("name", "given"), [("rows.txt", None), ("rows", None), ("rows.jsonl", "xml")])
def test_a_format_that_is_none_is_refused(folder: Any, name: str, given: str | None) -> None:
    with pytest.raises(ChannelConfigurationError, match="jsonl, csv, parquet"):
        FileSource(folder / name, given)


def test_a_query_is_read_again_from_its_beginning(tmp_path: Path) -> None:
    opened = []

    def connect() -> sqlite3.Connection:
        opened.append(sqlite3.connect(tmp_path / "d.db"))
        return opened[-1]

    with connect() as database:
        database.execute("CREATE TABLE t (id, name)")
        database.executemany("INSERT INTO t VALUES (:id, :name)", ROWS)
    database.close()
    source = SqlSource(connect, "SELECT id, name FROM t WHERE id >= ? ORDER BY id", [10])
    assert list(source) == ROWS[10:]
    half = iter(source)
    next(half)
    half.close()  # type: ignore[attr-defined]
    for connection in opened:
        with pytest.raises(sqlite3.ProgrammingError):
            connection.execute("SELECT 1")


def test_what_was_looked_at_is_not_read_twice() -> None:
    reads = []

    class Values(ListSource):
        def __iter__(self) -> Iterator[object]:
            reads.append(1)
            return super().__iter__()

    peeked = Peeked(Values(list(range(10))), 3)
    assert (peeked.head, peeked.expected) == ([0, 1, 2], 10)
    assert list(peeked) == list(range(10))
    assert len(reads) == 1
    assert list(peeked) == list(range(10))
    assert len(reads) == 2


# ---- dead letters and checkpoints


def test_parts_become_one_file_and_only_those_that_count(folder: Any) -> None:
    path = folder / "dead" / "failed.jsonl"
    letters = DeadLetterFile(path, "a1", attempt=2)
    letters.write_part(1, [failure(1), failure(2)])
    letters.write_part(2, [failure(3)])
    letters.write_part(2, [failure(4)])  # the try before was killed before it counted it
    letters.write_part(3, [failure(5)])
    letters.merge_parts(2)
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [line["item"]["id"] for line in lines] == [1, 2, 4]
    assert lines[0] | {"at": ""} == {
        "dead_letter": 1,
        "item": {"id": 1, "name": "안녕"},
        "key": "1",
        "request_id": "r-1",
        "outcome": "failed",
        "error": "ChannelRequestError",
        "message": "no",
        "attempt": 2,
        "at": "",
    }
    letters.remove_parts(2)
    assert [found.name for found in path.parent.iterdir()] == ["failed.jsonl"]


def test_without_parts_there_is_no_file(folder: Any) -> None:
    letters = DeadLetterFile(folder / "failed.jsonl", "a1", attempt=1)
    letters.merge_parts(0)
    letters.remove_parts(2)
    assert not (folder / "failed.jsonl").exists()
    letters.write_part(1, [failure(1)])
    letters.merge_parts(1)
    letters.merge_parts(0)
    assert not (folder / "failed.jsonl").exists()


NAMES_OF_OTHERS = [
    "failed.csv",
    "Failed.CSV",
    "failed.parquet",
    "failed.pq",
    "failed.jsonl.gz",
    "failed.gz",
    "failed.zip",
    "failed.ndjson.zst",
    "failed.jsonl.br",
    "failed.tgz",
    "csv",
]


@pytest.mark.parametrize("name", NAMES_OF_OTHERS)
def test_a_name_by_which_lines_of_json_would_not_be_read_again_is_refused(folder: Any, name: str) -> None:
    with pytest.raises(
        ChannelConfigurationError, match=rf"^dead_letter names .*{name}, .*; let it end with .jsonl"
    ):
        DeadLetterFile(folder / name, "a1", attempt=1).check()


@pytest.mark.parametrize(
    "name", ["failed.jsonl", "failed.NDJSON", "failed", "failed.json", "failed.txt", "failed.2026", "gz"]
)
def test_a_name_by_which_lines_of_json_can_be_read_again_is_taken(folder: Any, name: str) -> None:
    letters = DeadLetterFile(folder / name, "a1", attempt=1)
    letters.check()
    letters.write_part(1, [failure(1)])
    letters.merge_parts(1)
    named = name.lower().endswith(("jsonl", "ndjson"))
    assert len(list(FileSource(folder / name, None if named else "jsonl"))) == 1


def test_a_checkpoint_file_belongs_to_its_task_instance(folder: Any) -> None:
    path = folder / "deep" / "failed.jsonl"
    ours, others = FileCheckpoints(path, "a1"), FileCheckpoints(path, "b2")
    assert ours.load() is None
    ours.save({"n": 1})
    ours.save({"n": 2})
    assert FileCheckpoints(path, "a1").load() == {"n": 2}
    assert others.load() is None
    assert [found.name for found in path.parent.iterdir()] == ["failed.jsonl.a1.checkpoint.json"]


# ---- tables


def test_batches_are_the_same_each_time_and_hold_all_rows() -> None:
    batches = Batches(ROWS, ["id"], most_rows=300, most_bytes=5_000)
    first, second = list(batches), list(batches)
    assert [item.key for item in first] == [item.key for item in second]
    assert [row.value for item in first for row in item.value] == ROWS
    assert [item.position for item in first] == list(range(len(first)))
    assert sum(item.weight for item in first) == len(ROWS)
    assert all(len(json.dumps([r.value for r in i.value], separators=(",", ":"))) <= 5_002 for i in first)


def test_a_row_that_is_larger_than_a_batch_is_one_of_its_own() -> None:
    rows = [{"id": 1}, {"id": 2, "text": "x" * 500}, {"id": 3}]
    assert [item.weight for item in Batches(rows, [], most_bytes=100)] == [1, 1, 1]


def test_rows_in_doubt_are_kept_apart() -> None:
    doubtful = [
        {**dict.fromkeys(FIELDS), "dead_letter": 1, "item": row, "outcome": "uncertain"} for row in ROWS[2:4]
    ]
    batches = list(Batches([*ROWS[:2], *doubtful, ROWS[4]], []))
    assert [(item.weight, item.in_doubt) for item in batches] == [(2, False), (2, True), (1, False)]


def test_types_are_those_of_the_values_and_a_mixture_is_text() -> None:
    rows = [
        {"a": 1, "b": True, "c": None, "d": 1, "e": {"x": 1}, "f": []},
        {"a": 2.5, "c": None, "d": "one", "e": [1], "f": ["x"]},
    ]
    types = {column["key"]: column["type"] for column in columns_of_rows(rows, [])}
    assert types == {"a": NUMBER, "b": BOOLEAN, "c": STRING, "d": STRING, "e": STRING, "f": LIST_OF_STRING}
    with pytest.raises(ChannelConfigurationError, match="A row must be a mapping"):
        columns_of_rows(["text"], [])


def test_a_table_keeps_its_columns_and_gets_what_it_lacks() -> None:
    existing = [{"key": "a", "name": "A", "type": STRING, "description": "old"}]
    merged = merge_columns(existing, columns_of_rows([{"a": 1, "b": 2}], ["a"]))
    assert [(column["key"], column["type"]) for column in merged] == [("a", STRING), ("b", NUMBER)]
    assert not has_columns(existing, merged)
    assert has_columns(existing, [{"key": "a", "type": STRING}])
    assert not has_columns(existing, [{"key": "a", "type": NUMBER}])
    assert has_columns(existing, [{"key": "a", "type": STRING, "nullable": False}])
    assert not has_columns(existing, [{"key": "a", "type": STRING, "nullable": True}])
    assert not has_columns([{**existing[0], "nullable": True}], [{"key": "a", "nullable": False}])


def test_what_the_service_tells_of_a_column_and_does_not_take_is_not_sent_back() -> None:
    column = {"key": "a", "name": "A", "type": STRING, "nullable": False}
    existing = [{**column, "description": None, "createdAt": 1_769_850_000_000}]
    found = columns_of_rows([{"a": "x", "b": 2}], [])
    assert merge_columns(existing, found) == [column, found[1]]
    assert has_columns(existing, merge_columns(existing, []))
    method = CATALOGUE["createAppDataTableSchema"]
    params = {"channelId": "c", "appId": "a", "tableName": "t", "columns": merge_columns(existing, found)}
    assert not method.violations(params)


COLUMNS: list[dict[str, Any]] = [
    {"key": "id", "type": NUMBER},
    {"key": "name", "type": STRING},
    {"key": "state", "type": STRING, "nullable": False},
]


def test_values_become_what_the_columns_of_the_table_hold() -> None:
    source = [{"id": "1", "name": 7}, {"id": Decimal("2"), "name": None}]
    (item,) = Batches(source, ["id"], columns=COLUMNS)
    assert item.value == [Row({"id": 1, "name": "7"}, "1"), Row({"id": 2, "name": None}, "2")]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (
            {"id": "A1", "name": "a"},
            f"Column 'id' is {NUMBER}, but the value is text that is not a number.",
        ),
        ({"id": None, "name": "a"}, "Column 'id' of the primary key is null."),
        ({"name": "a"}, "Column 'id' of the primary key is null."),
        ({"id": 1, "state": float("nan")}, "Column 'state' is null, but it is not nullable."),
        (
            {"id": 1, "late": 3},
            "The table has no column 'late', and the first rows of the source did not have it;",
        ),
    ],
)
def test_a_row_that_the_table_cannot_hold_stays_as_it_was_and_says_why(
    row: dict[str, Any], words: str
) -> None:
    (item,) = Batches([row], ["id"], columns=COLUMNS)
    (found,) = item.value
    assert found.value == to_json_value(row)
    assert found.unfit.startswith(words)


def test_what_is_beside_the_given_columns_is_left_out() -> None:
    (item,) = Batches([{"id": 1, "late": 3}], ["id"], columns=COLUMNS, leave_out=True)
    assert item.value == [Row({"id": 1}, "1")]
