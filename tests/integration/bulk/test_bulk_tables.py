"""Table loads against the emulator, with everything that can go wrong on the way."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from support.arrow_columns import COLUMNS, table_of
from support.bulk_runs import (
    State,
    counts,
    dead,
    execute,
    killed_on_the_way,
)

from airflow_channel_provider.bulk.column_types import (
    BOOLEAN,
    DATE,
    DATETIME,
    LIST_OF_NUMBER,
    LIST_OF_OBJECT,
    LIST_OF_STRING,
    NUMBER,
    STRING,
)
from airflow_channel_provider.bulk.outcomes import ItemOutcome
from airflow_channel_provider.bulk.tables import Batches
from airflow_channel_provider.emulator import DEMO_APP_ID, EmulatorProcess
from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError
from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
from airflow_channel_provider.operators._table import UPSERT, Upsert
from airflow_channel_provider.operators.bulk import DataTableLoadOperator

pytestmark = pytest.mark.filterwarnings("ignore:.*cannot be called outside")


def load(**kwargs: Any) -> DataTableLoadOperator:
    return DataTableLoadOperator(
        **{"task_id": "bulk", "table_name": "orders", "primary_key": "n", "batch_rows": 50, **kwargs}
    )


def table(emulator: EmulatorProcess) -> dict[str, Any]:
    return emulator.table(DEMO_APP_ID, "ch-1", "orders")


def orders(count: int) -> list[dict[str, Any]]:
    return [{"n": n, "state": "sent", "paid": n % 2 == 0, "total": n / 4} for n in range(count)]


def test_a_table_is_created_and_filled(emulator: EmulatorProcess) -> None:
    summary = execute(load(items=orders(1_003)))
    assert counts(summary) == {"succeeded": 1_003}
    assert table(emulator)["rows"] == orders(1_003) or sorted(
        table(emulator)["rows"], key=lambda row: row["n"]
    ) == orders(1_003)
    schema = table(emulator)["schema"]
    assert schema["primaryKeyColumns"] == ["n"]
    assert [(c["key"], c["type"], c["nullable"]) for c in schema["columns"]] == [
        ("n", NUMBER, False),
        ("state", STRING, True),
        ("paid", BOOLEAN, True),
        ("total", NUMBER, True),
    ]
    calls = [entry for entry in emulator.journal() if entry["method"] == UPSERT]
    assert len(calls) == 21


def test_a_table_gets_the_columns_that_it_lacks_and_keeps_the_others(emulator: EmulatorProcess) -> None:
    execute(load(items=orders(10)))
    execute(load(items=orders(10)), run_id="same columns")
    assert table(emulator)["revision"] == 1
    execute(load(items=[{"n": 3, "note": "late"}], primary_key=None), run_id="one more")
    schema = table(emulator)["schema"]
    assert [column["key"] for column in schema["columns"]] == ["n", "state", "paid", "total", "note"]
    assert (table(emulator)["revision"], schema["primaryKeyColumns"]) == (2, ["n"])
    assert table(emulator)["rows"][3] == {**orders(4)[3], "note": "late"}


def test_the_attempts_of_a_call_are_those_of_the_schema_too(emulator: EmulatorProcess) -> None:
    execute(load(items=orders(1)))
    seen = len(emulator.journal())
    emulator.inject("http_500", count=2)
    with pytest.raises(ChannelError):
        execute(load(items=orders(1), call_attempts=1), run_id="in vain")
    assert len(emulator.journal()) == seen + 1


def test_columns_that_are_given_are_those_of_the_table(emulator: EmulatorProcess) -> None:
    columns = [
        {"key": "n", "name": "Number", "type": NUMBER},
        {"key": "state", "name": "State", "type": STRING},
    ]
    execute(load(items=orders(3), columns=columns))
    assert table(emulator)["schema"]["columns"] == columns
    assert table(emulator)["rows"] == [{"n": n, "state": "sent"} for n in range(3)]


ROWS = 1_200
NOTHING = "The row was not sent."
KST = timezone(timedelta(hours=9))


def all_kinds(count: int) -> list[dict[str, Any]]:
    """Return rows with a value of each kind that Python has for a cell; each tenth is empty but for its number."""
    day = datetime(2026, 1, 31, 12, 0, tzinfo=KST)
    kinds = {
        "text": "값",
        "truth": True,
        "number": 12.5,
        "decimal": Decimal("12.50"),
        "large": 2**63,
        "day": day.date(),
        "at": day,
        "clock": day.time(),
        "length": timedelta(seconds=90),
        "bytes": b"\x00\x01",
        "texts": ["a"],
        "numbers": [1, 2.5],
        "objects": [{"a": 1}],
        "object": {"a": [1]},
    }
    return [
        {"n": n, **{name: None if n % 10 == 9 else value for name, value in kinds.items()}}
        for n in range(count)
    ]


ALL_KINDS = {
    "n": (NUMBER, 1),
    "text": (STRING, "값"),
    "truth": (BOOLEAN, True),
    "number": (NUMBER, 12.5),
    "decimal": (NUMBER, 12.5),
    "large": (STRING, "9223372036854775808"),
    "day": (DATE, "2026-01-31"),
    "at": (DATETIME, "2026-01-31T12:00:00+09:00"),
    "clock": (STRING, "12:00:00"),
    "length": (STRING, "PT1M30S"),
    "bytes": (STRING, "AAE="),
    "texts": (LIST_OF_STRING, ["a"]),
    "numbers": (LIST_OF_NUMBER, [1, 2.5]),
    "objects": (LIST_OF_OBJECT, [{"a": 1}]),
    "object": (STRING, '{"a": [1]}'),
}
SQL_KINDS = {"n": (NUMBER, 1), "word": (STRING, "값"), "total": (NUMBER, 0.5), "bytes": (STRING, "AAE=")}
CSV_KINDS = {"n": (STRING, "1"), "word": (STRING, "값")}
ARROW_KINDS = {"n": (NUMBER, 1), **{name: (column.kind, column.cell) for name, column in COLUMNS.items()}}


def in_a_list(folder: Path) -> dict[str, Any]:
    return {"items": all_kinds(ROWS)}


def in_a_database(folder: Path) -> dict[str, Any]:
    with closing(sqlite3.connect(folder / "orders.db")) as database, database:
        database.execute("CREATE TABLE orders (n INTEGER, word TEXT, total REAL, bytes BLOB)")
        database.executemany(
            "INSERT INTO orders VALUES (?, '값', ? / 2.0, x'0001')", [(n, n) for n in range(ROWS)]
        )
    return {"sql": "SELECT * FROM orders ORDER BY n", "sql_conn_id": "orders"}


def in_a_csv_file(folder: Path) -> dict[str, Any]:
    path = folder / "orders.csv"
    path.write_text("n,word\n" + "".join(f"{n},값\n" for n in range(ROWS)), encoding="utf-8")
    return {"path": path.as_uri()}


def in_a_parquet_file(folder: Path) -> dict[str, Any]:
    pyarrow.parquet.write_table(table_of(ROWS), folder / "orders.parquet")
    return {"path": (folder / "orders.parquet").as_uri()}


@pytest.mark.parametrize("primary_key", ["n", None])
@pytest.mark.parametrize(
    ("source", "kinds"),
    [
        (in_a_list, ALL_KINDS),
        (in_a_database, SQL_KINDS),
        (in_a_csv_file, CSV_KINDS),
        (in_a_parquet_file, ARROW_KINDS),
    ],
)
def test_every_row_of_every_source_arrives_in_as_few_calls_as_may_be(
    emulator: EmulatorProcess,
    tmp_path: Path,
    source: Callable[[Path], dict[str, Any]],
    kinds: dict[str, tuple[str, Any]],
    primary_key: str | None,
) -> None:
    operator = DataTableLoadOperator(
        task_id="bulk", table_name="orders", primary_key=primary_key, **source(tmp_path)
    )
    assert counts(execute(operator)) == {"succeeded": ROWS}
    calls = [entry for entry in emulator.journal() if entry["method"] == UPSERT]
    assert len(calls) == 12
    assert {entry["outcome"] for entry in emulator.journal()} == {"ok"}
    found = table(emulator)
    assert {c["key"]: c["type"] for c in found["schema"]["columns"]} == {
        k: kind for k, (kind, _) in kinds.items()
    }
    rows = {int(row["n"]): row for row in found["rows"]}
    assert sorted(rows) == list(range(ROWS))
    assert rows[1] == {name: value for name, (_, value) in kinds.items()}


@pytest.mark.parametrize("contract", ["strict", "off"])
@pytest.mark.parametrize("batch_rows", [0, -1, True, 2.5, "100"])
def test_a_batch_is_so_many_rows(
    emulator: EmulatorProcess, monkeypatch: pytest.MonkeyPatch, batch_rows: Any, contract: str
) -> None:
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__CONTRACT", contract)
    with pytest.raises(ChannelConfigurationError, match="batch_rows must be a whole number of at least 1"):
        execute(load(items=orders(3), batch_rows=batch_rows))
    assert emulator.stats()["calls"] == 0


def test_a_batch_that_the_service_would_not_take_is_refused_unless_it_does_by_now(
    emulator: EmulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = load(items=orders(101), batch_rows=101)
    with pytest.raises(
        ChannelConfigurationError, match=r"batch_rows must be from 1 to 100: .* contract = off in the section"
    ):
        execute(operator)
    assert emulator.stats()["calls"] == 0
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__CONTRACT", "off")
    emulator.configure(contract="lenient")
    assert counts(execute(operator)) == {"succeeded": 101}
    assert len([entry for entry in emulator.journal() if entry["method"] == UPSERT]) == 1


def test_texts_of_a_csv_file_become_what_a_table_holds(emulator: EmulatorProcess, tmp_path: Path) -> None:
    execute(load(items=orders(1)))
    path, failed = tmp_path / "orders.csv", tmp_path / "failed.jsonl"
    path.write_text("n,paid,total\n1,t,0.25\n2,perhaps,1\n3,,\n4,false,1e2\nA5,true,1\n", encoding="utf-8")
    summary = execute(load(path=path.as_uri(), dead_letter=failed.as_uri()), run_id="csv")
    assert counts(summary) == {"succeeded": 3, "failed": 2}
    assert [row for row in table(emulator)["rows"] if row["n"]] == [
        {"n": 1, "paid": True, "total": 0.25},
        {"n": 3, "paid": None, "total": None},
        {"n": 4, "paid": False, "total": 100},
    ]
    assert [(letter["item"]["n"], letter["message"]) for letter in dead(failed)] == [
        (
            "2",
            f"Column 'paid' is {BOOLEAN}, but the value is text that is neither true nor false. {NOTHING}",
        ),
        (
            "A5",
            f"Column 'n' is {NUMBER}, but the value is text that is not a number. {NOTHING}",
        ),
    ]


def test_a_column_that_shows_late_is_the_loss_of_its_rows(emulator: EmulatorProcess, tmp_path: Path) -> None:
    failed = tmp_path / "failed.jsonl"
    items = [{"n": n, **({"late": 1} if n >= 1_001 else {})} for n in range(1_003)]
    summary = execute(load(items=items, dead_letter=failed.as_uri()))
    assert counts(summary) == {"succeeded": 1_001, "failed": 2}
    assert {letter["message"] for letter in dead(failed)} == {
        f"The table has no column 'late', and the first rows of the source did not have it; set columns. {NOTHING}"
    }


@pytest.mark.parametrize(("repeatable", "calls"), [(False, 1), (True, 7)])
def test_each_row_of_a_refused_batch_says_what_the_service_said(
    emulator: EmulatorProcess, repeatable: bool, calls: int
) -> None:
    (item,) = Batches(orders(4), [])
    with ChannelTalkHook() as hook:
        failures = Upsert(hook, "gone", None, repeatable=repeatable)(item)
    assert [(failure.value["n"], failure.outcome) for failure in failures] == [
        (n, ItemOutcome.FAILED) for n in range(4)
    ]
    assert all("table gone not found" in failure.message for failure in failures)
    made = [entry for entry in emulator.journal() if entry["method"] == UPSERT]
    assert len(made) == calls


def test_a_batch_is_no_larger_than_it_may_be(emulator: EmulatorProcess) -> None:
    items = [{"n": n, "text": "x" * (100 * (n % 7))} for n in range(100)]
    assert counts(execute(load(items=items, batch_bytes=1_000))) == {"succeeded": 100}
    calls = [entry for entry in emulator.journal() if entry["method"] == UPSERT]
    sizes = [len(json.dumps(entry["params"]["rows"], separators=(",", ":"))) for entry in calls]
    assert max(sizes) <= 1_002
    assert len(calls) > 30


def test_rows_at_fault_are_found_in_their_batch(emulator: EmulatorProcess, tmp_path: Path) -> None:
    items = [{**row, "n": None} if row["n"] in (7, 60, 61) else row for row in orders(200)]
    path = tmp_path / "failed.jsonl"
    summary = execute(load(items=items, dead_letter=path.as_uri()))
    assert counts(summary) == {"succeeded": 197, "failed": 3}
    assert [letter["item"]["n"] for letter in dead(path)] == [None] * 3
    assert len(table(emulator)["rows"]) == 197


@pytest.mark.parametrize("fault", ["close_after", "http_500_after", "truncated", "html", "http_500"])
def test_faults_leave_no_row_twice_and_none_missing(emulator: EmulatorProcess, fault: str) -> None:
    emulator.inject(fault, count=100, method=UPSERT, share=0.2)
    # As many attempts as no chance uses up: with the default of five, one batch in 3,000 is struck each time.
    assert counts(execute(load(items=orders(2_000), call_attempts=20))) == {"succeeded": 2_000}
    assert sorted(row["n"] for row in table(emulator)["rows"]) == list(range(2_000))


def test_without_a_primary_key_a_batch_in_doubt_is_not_repeated(
    emulator: EmulatorProcess, tmp_path: Path
) -> None:
    path = tmp_path / "failed.jsonl"
    emulator.inject("close_after", method=UPSERT)
    operator = load(items=orders(200), primary_key=None, dead_letter=path.as_uri(), concurrency=1)
    assert counts(execute(operator)) == {"succeeded": 150, "uncertain": 50}
    assert [letter["item"]["n"] for letter in dead(path)] == list(range(50))
    assert len(table(emulator)["rows"]) == 200


def test_a_killed_load_leaves_no_row_twice_and_none_missing(
    emulator: EmulatorProcess, tmp_path: Path
) -> None:
    path = tmp_path / "orders.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(orders(20_000)), path)
    arguments = {
        "operator": "DataTableLoadOperator",
        "table_name": "orders",
        "primary_key": "n",
        "path": path.as_uri(),
        "batch_rows": 50,
        "dead_letter": (tmp_path / "failed.jsonl").as_uri(),
    }
    summary = killed_on_the_way(emulator, arguments, [100], UPSERT)
    assert counts(summary) == {"succeeded": 20_000}
    assert sorted(row["n"] for row in table(emulator)["rows"]) == list(range(20_000))


def test_a_source_without_rows_and_columns_is_an_error(emulator: EmulatorProcess) -> None:
    with pytest.raises(ChannelError, match="set columns"):
        execute(load(items=[]))


@pytest.mark.parametrize("emptied", ["list", "csv", "jsonl", "parquet", "sql"])
def test_an_empty_source_is_no_failure_where_columns_are_given(
    emulator: EmulatorProcess, tmp_path: Path, emptied: str
) -> None:
    path = tmp_path / f"orders.{emptied}"
    given: dict[str, Any] = {"items": []} if emptied == "list" else {"path": path.as_uri()}
    if emptied == "sql":
        given = {"sql": "SELECT 1 AS n WHERE 1 = 0", "sql_conn_id": "orders"}
    elif emptied == "parquet":
        pyarrow.parquet.write_table(pyarrow.table({"n": pyarrow.array([], pyarrow.int64())}), path)
    else:
        path.write_text("n\n" if emptied == "csv" else "")
    columns = [{"key": "n", "name": "Number", "type": NUMBER}]
    assert counts(execute(load(**given, columns=columns))) == {}
    if emptied == "parquet":
        assert counts(execute(load(**given), run_id="the file tells its columns")) == {}
    assert {entry["method"] for entry in emulator.journal()} <= {"issueToken", "getAppDataTableSchema"}
    execute(load(items=[{"n": 1}], primary_key="n"), run_id="makes the table")
    assert counts(execute(load(**given), run_id="of the table that there is")) == {}
    assert counts(execute(load(**given, columns=columns), run_id="as it is to be")) == {}
    assert [column["name"] for column in table(emulator)["schema"]["columns"]] == ["Number"]


TOTALS = [
    {"key": "n", "name": "Number", "type": NUMBER},
    {"key": "total", "name": "Total", "type": NUMBER},
]


def test_rows_in_capitals_go_into_the_columns_of_the_table(emulator: EmulatorProcess) -> None:
    rows = [{"N": n, "TOTAL": n / 4, "NOTE": "x"} for n in range(3)]
    assert counts(execute(load(items=rows, columns=TOTALS, primary_key="N"))) == {"succeeded": 3}
    assert counts(execute(load(items=rows, primary_key=None), run_id="again")) == {"succeeded": 3}
    found = table(emulator)
    assert [column["key"] for column in found["schema"]["columns"]] == ["n", "total", "NOTE"]
    assert found["schema"]["primaryKeyColumns"] == ["n"]
    assert found["rows"] == [{"n": n, "total": n / 4, "NOTE": "x"} for n in range(3)]


@pytest.mark.parametrize(
    ("rows", "arguments", "words"),
    [
        ([{"n": 1, "totl": 2}], {"columns": TOTALS}, "no column 'total'; .* have are 'totl'"),
        ([{"n": 1, "total": 2}], {"primary_key": "nr"}, "primary_key names 'nr', .* 'n', 'total'"),
        ([{"n": 1, "total": 2}], {"columns": TOTALS[1:]}, "primary_key names 'n', .* columns 'total'"),
        ([{"n": 1}], {"columns": ["n"]}, "Column 1 of columns must be a mapping"),
        (["n"], {}, "A row must be a mapping of columns to values, not str"),
    ],
)
def test_a_name_that_matches_nothing_is_told_before_the_table_is_touched(
    emulator: EmulatorProcess, rows: list[Any], arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(ChannelConfigurationError, match=words):
        execute(load(items=rows, **arguments))
    assert {entry["method"] for entry in emulator.journal()} <= {"issueToken", "getAppDataTableSchema"}


def test_a_source_that_lacks_the_key_of_the_table_is_told(emulator: EmulatorProcess) -> None:
    execute(load(items=orders(3)))
    with pytest.raises(ChannelConfigurationError, match=r"no column 'n'; .* have are 'number'"):
        execute(load(items=[{"number": 1, "total": 2}], primary_key=None), run_id="other names")
    assert table(emulator)["revision"] == 1


def test_a_line_that_is_no_row_is_its_own_loss(emulator: EmulatorProcess, tmp_path: Path) -> None:
    path, failed = tmp_path / "orders.jsonl", tmp_path / "failed.jsonl"
    path.write_text('{"n": 1}\n7\nnull\n{"n": 2}\n{}\n')
    summary = execute(load(path=path.as_uri(), dead_letter=failed.as_uri(), max_failures=None))
    assert counts(summary) == {"succeeded": 2, "failed": 3}
    assert [letter["item"] for letter in dead(failed)] == [7, None, {}]


def test_a_load_that_is_done_reads_nothing_when_it_is_cleared(
    emulator: EmulatorProcess, tmp_path: Path
) -> None:
    path, state = tmp_path / "rows.csv", State()
    path.write_text("n,name\n1,one\n2,two\n")
    first = execute(load(path=path.as_uri()), state)
    path.unlink()
    calls = emulator.stats()["calls"]
    second = execute(load(path=path.as_uri()), state, try_number=2)
    assert (counts(second), second["name"]) == (counts(first), first["name"]) == ({"succeeded": 2}, UPSERT)
    assert emulator.stats()["calls"] == calls
