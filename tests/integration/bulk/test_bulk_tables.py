"""Table loads against the emulator, with everything that can go wrong on the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from support.bulk_runs import (
    counts,
    dead,
    execute,
    killed_on_the_way,
)

from airflow_channel_provider.emulator import DEMO_APP_ID, EmulatorProcess
from airflow_channel_provider.exceptions import (
    ChannelError,
)
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
        ("n", "number", False),
        ("state", "string", True),
        ("paid", "boolean", True),
        ("total", "number", True),
    ]
    calls = [entry for entry in emulator.journal() if entry["method"] == "upsertAppDataTableRows"]
    assert len(calls) == 21


def test_a_table_gets_the_columns_that_it_lacks_and_keeps_the_others(emulator: EmulatorProcess) -> None:
    execute(load(items=orders(10)))
    execute(load(items=orders(10)), run_id="same columns")
    assert table(emulator)["schema"]["revision"] == 1
    execute(load(items=[{"n": 3, "note": "late"}], primary_key=None), run_id="one more")
    schema = table(emulator)["schema"]
    assert [column["key"] for column in schema["columns"]] == ["n", "state", "paid", "total", "note"]
    assert (schema["revision"], schema["primaryKeyColumns"]) == (2, ["n"])
    assert table(emulator)["rows"][3] == {**orders(4)[3], "note": "late"}


def test_columns_that_are_given_are_those_of_the_table(emulator: EmulatorProcess) -> None:
    columns = [
        {"key": "n", "name": "Number", "type": "whole"},
        {"key": "state", "name": "State", "type": "word"},
    ]
    execute(load(items=orders(3), columns=columns))
    assert table(emulator)["schema"]["columns"] == columns
    assert table(emulator)["rows"] == [{"n": n, "state": "sent"} for n in range(3)]


def test_a_parquet_file_tells_the_types(emulator: EmulatorProcess, tmp_path: Path) -> None:
    path = tmp_path / "orders.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(orders(2_000)), path)
    assert counts(execute(load(path=path.as_uri(), batch_rows=300))) == {"succeeded": 2_000}
    types = {column["key"]: column["type"] for column in table(emulator)["schema"]["columns"]}
    assert types == {"n": "number", "state": "string", "paid": "boolean", "total": "number"}


def test_a_batch_is_no_larger_than_it_may_be(emulator: EmulatorProcess) -> None:
    items = [{"n": n, "text": "x" * (100 * (n % 7))} for n in range(100)]
    assert counts(execute(load(items=items, batch_bytes=1_000))) == {"succeeded": 100}
    calls = [entry for entry in emulator.journal() if entry["method"] == "upsertAppDataTableRows"]
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
    emulator.inject(fault, count=100, method="upsertAppDataTableRows", share=0.2)
    assert counts(execute(load(items=orders(2_000)))) == {"succeeded": 2_000}
    assert sorted(row["n"] for row in table(emulator)["rows"]) == list(range(2_000))


def test_without_a_primary_key_a_batch_in_doubt_is_not_repeated(
    emulator: EmulatorProcess, tmp_path: Path
) -> None:
    path = tmp_path / "failed.jsonl"
    emulator.inject("close_after", method="upsertAppDataTableRows")
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
    summary = killed_on_the_way(emulator, arguments, [100], "upsertAppDataTableRows")
    assert counts(summary) == {"succeeded": 20_000}
    assert sorted(row["n"] for row in table(emulator)["rows"]) == list(range(20_000))


def test_a_source_without_rows_makes_no_table(emulator: EmulatorProcess) -> None:
    with pytest.raises(ChannelError, match="give columns"):
        execute(load(items=[]))
