"""Where a bulk task may write its dead letters, and what of its source it can't read: refused before a request."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath
from support.bulk_runs import CHATS, State, campaign, context, counts, dead, execute, rows

from airflow_channel_provider.emulator import EmulatorProcess
from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelTooManyFailuresError
from airflow_channel_provider.operators.bulk import BulkNativeFunctionOperator, DataTableLoadOperator

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*cannot be called outside"),
    pytest.mark.promise(name="files"),
]


def write_rows(path: Path) -> str:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows(3)), encoding="utf-8")
    return path.read_text(encoding="utf-8")


def load(**kwargs: Any) -> DataTableLoadOperator:
    return DataTableLoadOperator(task_id="load", table_name="orders", primary_key="n", **kwargs)


@pytest.mark.parametrize("make", [campaign, load])
@pytest.mark.parametrize(
    "spelling", ["{path}", "file://{path}", "rows.jsonl", "{folder}/./rows.jsonl", "{folder}/hard.jsonl"]
)
def test_dead_letters_over_the_source_are_refused(
    make: Any, spelling: str, emulator: EmulatorProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if ObjectStoragePath(spelling).path == "/rows.jsonl":
        pytest.skip("Before Airflow 3.0 a relative path begins at the root of the disk.")
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "rows.jsonl"
    before = write_rows(path)
    (tmp_path / "hard.jsonl").hardlink_to(path)
    dead_letter = spelling.format(path=path, folder=tmp_path)
    with pytest.raises(
        ChannelConfigurationError, match=r"dead_letter names the same file as path.* another name"
    ):
        execute(make(path=str(path), dead_letter=dead_letter))
    assert path.read_text(encoding="utf-8") == before
    assert emulator.stats()["calls"] == 0


@pytest.mark.parametrize("make", [campaign, load])
@pytest.mark.parametrize("planted", ["text", "link", "folder"])
def test_dead_letters_over_something_else_are_refused(
    make: Any, planted: str, emulator: EmulatorProcess, tmp_path: Path
) -> None:
    target, path = tmp_path / "report.txt", tmp_path / "failed.jsonl"
    target.write_text("figures of the year", encoding="utf-8")
    if planted == "text":
        path.write_text("figures of the year", encoding="utf-8")
    elif planted == "link":
        path.symlink_to(target)
    else:
        path.mkdir()
    with pytest.raises(ChannelConfigurationError, match=r"^dead_letter names .*failed.jsonl"):
        execute(make(items=rows(3), dead_letter=path.as_uri()))
    assert emulator.stats()["calls"] == 0
    assert target.read_text(encoding="utf-8") == "figures of the year"


def test_a_place_that_nothing_reaches_is_refused(emulator: EmulatorProcess) -> None:
    for name, given in (("dead_letter", {"items": rows(1)}), ("path", {})):
        with pytest.raises(ChannelConfigurationError, match=f"^{name} is not the address"):
            execute(campaign(**{**given, name: "nosuchthing://bucket/rows.jsonl"}))
    assert emulator.stats()["calls"] == 0


def test_dead_letters_of_an_earlier_run_are_replaced_and_for_this_user_alone(
    emulator: EmulatorProcess, tmp_path: Path
) -> None:
    path = tmp_path / "failed.jsonl"
    for run_id, bad in (("one", {0, 1}), ("two", {2})):
        operator = campaign(items=rows(9, bad), dead_letter=path.as_uri())
        # Without a task state store the checkpoint is a file as well.
        operator.execute(context(None, run_id=run_id))
    assert [letter["item"]["n"] for letter in dead(path)] == [2]
    left = sorted(tmp_path.glob("failed.jsonl*"))
    assert [found.name.rpartition(".")[2] for found in left] == ["jsonl", "json", "json"]
    assert {stat.S_IMODE(found.stat().st_mode) for found in left} == {0o600}


@pytest.mark.parametrize("second", [{"try_number": 2}, {"run_id": "two"}], ids=["try", "run"])
def test_dead_letters_of_an_earlier_run_or_try_are_removed_where_nothing_has_failed(
    second: dict[str, Any], emulator: EmulatorProcess, tmp_path: Path
) -> None:
    path = tmp_path / "failed.jsonl"
    execute(campaign(items=rows(9, {3}), dead_letter=path.as_uri()), State())
    assert [letter["item"]["n"] for letter in dead(path)] == [3]
    mended = campaign(items=rows(9), dead_letter=path.as_uri(), resume="run_id" in second)
    assert counts(execute(mended, State(), **second)) == {"succeeded": 9}
    assert list(tmp_path.glob("failed.jsonl*")) == []


EVENTS: dict[str, Any] = {
    "method": "createEvent",
    "function_params": lambda item: {"userId": item, "name": "Bought"},
    "item_key": None,
    "items": ["nobody", *(f"user-ch-1-{number % 5 + 1}" for number in range(200))],
}


def test_a_retry_on_another_disk_sends_nothing_and_goes_on_where_the_parts_are(
    emulator: EmulatorProcess, tmp_path: Path
) -> None:
    here, elsewhere, state = tmp_path / "here", tmp_path / "elsewhere", State()
    path = here / "failed.jsonl"
    with pytest.raises(ChannelTooManyFailuresError):
        execute(campaign(**EVENTS, dead_letter=path.as_uri(), max_failures=0), state)
    here.rename(elsewhere)
    calls = emulator.stats()["calls"]
    operator = campaign(**EVENTS, dead_letter=path.as_uri(), max_failures=1)
    with pytest.raises(ChannelConfigurationError, match=r"000001.jsonl, a part of .* does not exist here"):
        execute(operator, state, try_number=2)
    assert emulator.stats()["calls"] == calls
    elsewhere.rename(here)
    assert counts(execute(operator, state, try_number=3)) == {"succeeded": 200, "failed": 1}
    assert [letter["item"] for letter in dead(path)] == ["nobody"]
    sent = [entry for entry in emulator.journal() if entry["method"] == "createEvent"]
    assert len(sent) == 201


@pytest.mark.parametrize(
    ("make", "state", "warned"),
    [
        (lambda **kwargs: campaign(**EVENTS, **kwargs), None, True),
        (lambda **kwargs: campaign(**EVENTS, **kwargs), State(), False),
        (lambda **kwargs: campaign(items=rows(1), **kwargs), None, False),
    ],
    ids=["no store", "a store", "may be repeated"],
)
def test_progress_on_a_disk_is_warned_of_where_another_worker_would_send_again(
    make: Any,
    state: State | None,
    warned: bool,
    emulator: EmulatorProcess,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines: list[str] = []
    log = SimpleNamespace(info=lambda *_: None, warning=lambda line, *values: lines.append(line % values))
    monkeypatch.setattr(BulkNativeFunctionOperator, "log", log)
    make(dead_letter=str(tmp_path / "failed.jsonl"), max_failures=None).execute(context(state))
    assert any(f"does not reach {tmp_path} would send all items again" in line for line in lines) is warned


def test_a_checkpoint_that_can_not_be_read_sends_nothing_twice(
    emulator: EmulatorProcess, tmp_path: Path
) -> None:
    path = tmp_path / "failed.jsonl"
    campaign(items=rows(3, {1}), dead_letter=path.as_uri()).execute(context(None))
    (checkpoint,) = tmp_path.glob("*.checkpoint.json")
    calls = emulator.stats()["calls"]
    for content in ("", "{", "[" * 100_000, "\\ud800", '{"version": 1}'):
        checkpoint.write_text(content, encoding="utf-8")
        with pytest.raises(ChannelConfigurationError, match="resume=False"):
            campaign(items=rows(3, {1}), dead_letter=path.as_uri()).execute(context(None, try_number=2))
    assert emulator.stats()["calls"] == calls


def test_half_of_a_surrogate_pair_in_an_item_and_its_key_is_sent_and_noted(
    emulator: EmulatorProcess, tmp_path: Path
) -> None:
    path, state = tmp_path / "failed.jsonl", State()
    items = [{"n": f"{n} \ud800", "chat": chat} for n, chat in enumerate([CHATS[0], "gone \udc00"])]
    summary = execute(campaign(items=items, dead_letter=path.as_uri(), max_failures=None), state)
    assert counts(summary) == {"succeeded": 1, "failed": 1}
    (letter,) = dead(path)
    assert (letter["item"], letter["key"]) == (items[1], "1 \ud800")
    again = execute(campaign(path=path.as_uri(), max_failures=None), run_id="again")
    assert counts(again) == {"failed": 1}


def test_an_item_that_is_nested_too_deeply_is_named(emulator: EmulatorProcess, tmp_path: Path) -> None:
    for make in (campaign, load):
        with pytest.raises(ChannelConfigurationError, match="items is text that is not valid JSON"):
            execute(make(items="[" * 100_000))
    path = tmp_path / "rows.jsonl"
    path.write_text('{"n": 1, "chat": "c"}\n' + "[" * 100_000 + "\n", encoding="utf-8")
    with pytest.raises(ChannelConfigurationError, match=r"Line 2 of .* nested too deeply"):
        execute(campaign(path=str(path)))
