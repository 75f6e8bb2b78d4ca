"""Every file with every fault, through the operators: an error of ours that names the file, and nothing done twice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath
from support.bulk_runs import CHATS, State, campaign, counts, execute
from support.file_faults import (
    CONTENTS,
    FAULTS,
    NAMES,
    SAYS_NOTHING,
    TROUBLES,
    fail_the_store,
    rows_of_people,
    whole,
)

from airflow_channel_provider.emulator import DEMO_APP_ID, EmulatorProcess
from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError
from airflow_channel_provider.operators._table import UPSERT
from airflow_channel_provider.operators.bulk import DataTableLoadOperator
from airflow_channel_provider.retry_policy import Action, decide

pytestmark = pytest.mark.filterwarnings("ignore:.*cannot be called outside")

ROWS = rows_of_people(60)


def message(row: dict[str, str]) -> str:
    return f"{row['id']} is {row['name']}"


def write(**kwargs: Any) -> Any:
    """Write a message for each row of a file."""
    params = {
        "userChatId": CHATS[0],
        "dto": {"plainText": "{{ item.id }} is {{ item.name }}", "botName": "Shop"},
    }
    return campaign(function_params=params, item_key="id", max_failures=None, **kwargs)


def load(**kwargs: Any) -> Any:
    """Load each row of a file into a table."""
    return DataTableLoadOperator(
        task_id="bulk", table_name="people", primary_key="id", max_failures=None, **kwargs
    )


def run(operator: Any, state: State) -> ChannelError | None:
    """Return what of ours the task failed with; anything else leaves the test."""
    try:
        execute(operator, state)
    except ChannelError as error:
        return error
    return None


@pytest.mark.parametrize("make", [write, load])
@pytest.mark.parametrize("name", NAMES)
def test_a_file_with_a_fault_ends_its_task_at_once(
    emulator: EmulatorProcess, tmp_path: Path, name: str, make: Any
) -> None:
    path = tmp_path / name
    for fault, spoil in FAULTS.items():
        path.write_bytes(spoil(whole(name, ROWS)))
        error = run(make(path=path.as_uri()), State())
        if error is None:
            assert (name, fault) in SAYS_NOTHING or fault == "noise at its end", fault
            continue
        assert type(error) is ChannelConfigurationError, fault
        assert name in str(error), fault
        assert decide(error).action is Action.FAIL, fault


@pytest.mark.parametrize("name", [f"rows.{kind}" for kind in CONTENTS])
def test_what_was_sent_before_a_fault_is_not_sent_again_once_the_file_is_mended(
    emulator: EmulatorProcess, tmp_path: Path, name: str
) -> None:
    path, state, many = tmp_path / name, State(), rows_of_people(900)
    path.write_bytes(FAULTS["noise late in it"](whole(name, many)))
    error = run(write(path=path.as_uri()), state)
    before = len(emulator.messages())
    assert type(error) is ChannelConfigurationError
    assert 100 < before < len(many)
    path.write_bytes(whole(name, many))
    summary = execute(write(path=path.as_uri()), state, try_number=2)
    assert summary["done_before"] == before
    calls = [entry["params"] for entry in emulator.journal() if entry["method"] == "writeUserChatMessage"]
    assert Counter(call["dto"]["plainText"] for call in calls) == Counter(map(message, many))


@pytest.mark.parametrize("name", [f"rows.{kind}" for kind in CONTENTS])
def test_what_was_loaded_before_a_fault_is_not_loaded_again_once_the_file_is_mended(
    emulator: EmulatorProcess, tmp_path: Path, name: str
) -> None:
    path, state, many = tmp_path / name, State(), rows_of_people(4_000)
    path.write_bytes(FAULTS["noise late in it"](whole(name, many)))
    error = run(load(path=path.as_uri()), state)
    before = len(emulator.table(DEMO_APP_ID, "ch-1", "people")["rows"])
    assert type(error) is ChannelConfigurationError
    assert 1_000 < before < len(many)
    path.write_bytes(whole(name, many))
    summary = execute(load(path=path.as_uri()), state, try_number=2)
    assert summary["done_before"] == before
    calls = [entry["params"] for entry in emulator.journal() if entry["method"] == UPSERT]
    assert Counter(row["id"] for call in calls for row in call["rows"]) == Counter(row["id"] for row in many)


@pytest.mark.parametrize("make", [write, load])
@pytest.mark.parametrize("where", ["open", "read"])
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv.gz", "rows.parquet"])
def test_the_trouble_of_a_store_ends_only_the_try_where_it_may_pass(
    emulator: EmulatorProcess, tmp_path: Path, name: str, where: str, make: Any
) -> None:
    path = tmp_path / name
    path.write_bytes(whole(name, ROWS))
    store = ObjectStoragePath(path.as_uri()).fs
    for trouble, (raised, kind, _) in TROUBLES.items():
        state = State()
        with pytest.MonkeyPatch.context() as patch:
            fail_the_store(patch, store, raised, where=where)
            error = run(make(path=path.as_uri()), state)
        assert type(error) is kind, trouble
        assert name in str(error), trouble
        assert "hidden" not in str(error), trouble
        passes = kind is ChannelError
        assert decide(error).action is (Action.DEFAULT if passes else Action.FAIL), trouble
    assert counts(execute(make(path=path.as_uri()), state)) == {"succeeded": len(ROWS)}
