"""Bulk calls whose worker is killed on the way."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from support.bulk_runs import (
    campaign,
    counts,
    dead,
    killed_on_the_way,
    rows,
    texts,
)

from airflow_channel_provider.emulator import EmulatorProcess

pytestmark = pytest.mark.filterwarnings("ignore:.*cannot be called outside")


def test_a_killed_worker_doubles_and_loses_no_message(emulator: EmulatorProcess, tmp_path: Path) -> None:
    bad = set(range(0, 3_000, 100))
    source, path = tmp_path / "rows.jsonl", tmp_path / "failed.jsonl"
    source.write_text("".join(f"{json.dumps(row)}\n" for row in rows(3_000, bad)))
    operator = campaign(path=source.as_uri())
    arguments = {
        "operator": "BulkNativeFunctionOperator",
        "method": operator.method,
        "function_params": operator.function_params,
        "item_key": "n",
        "path": source.as_uri(),
        "dead_letter": path.as_uri(),
    }
    summary = killed_on_the_way(emulator, arguments, [300, 900, 2_500], "writeUserChatMessage")
    assert counts(summary) == {"succeeded": 2_970, "failed": 30}
    assert texts(emulator) == Counter(f"order {n} of 2026-01-31" for n in range(3_000) if n not in bad)
    assert sorted(letter["item"]["n"] for letter in dead(path)) == sorted(bad)


def test_a_killed_worker_reports_as_uncertain_what_can_not_be_repeated(
    emulator: EmulatorProcess, tmp_path: Path
) -> None:
    path = tmp_path / "failed.jsonl"
    arguments = {
        "operator": "BulkNativeFunctionOperator",
        "method": "createEvent",
        "function_params": {"userId": "user-ch-1-1", "name": "Bought", "property": {"n": "{{ item }}"}},
        "items": list(range(1_000)),
        "dead_letter": path.as_uri(),
        "max_failures": None,
    }
    summary = killed_on_the_way(emulator, arguments, [200, 600], "createEvent")
    sent = Counter(
        int(entry["params"]["property"]["n"])
        for entry in emulator.journal()
        if entry["method"] == "createEvent"
    )
    assert max(sent.values()) == 1
    uncertain = {letter["item"] for letter in dead(path)}
    assert {letter["outcome"] for letter in dead(path)} == {"uncertain"}
    assert set(range(1_000)) - set(sent) <= uncertain
    assert counts(summary) == {"succeeded": 1_000 - len(uncertain), "uncertain": len(uncertain)}
    # At most what was noted and not settled at each of the two kills.
    assert 0 < len(uncertain) <= 2 * 2 * 32
