"""What is settled, kept and passed over, at whatever moment a try is killed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.bulk_plans import plan_of
from support.fuzzing import cases

from airflow_channel_provider.bulk.checkpoint import (
    Checkpoint,
    CommittedOffsets,
    MemoryCheckpoints,
    joined_ranges,
)
from airflow_channel_provider.bulk.items import Item, Items
from airflow_channel_provider.bulk.outcomes import FailedItem, ItemOutcome
from airflow_channel_provider.bulk.run_state import FAILURES_PER_PART, RunState
from airflow_channel_provider.exceptions import ChannelConfigurationError


class KilledError(Exception):
    """The process is gone."""


@dataclass
class Disk:
    """What outlives a try; a kill may come before or after any write."""

    checkpoints: MemoryCheckpoints = field(default_factory=MemoryCheckpoints)
    parts: dict[int, list[FailedItem]] = field(default_factory=dict)
    whole: list[FailedItem] | None = None
    writes_left: int | None = None

    def _write(self) -> None:
        if self.writes_left is not None:
            if self.writes_left <= 0:
                raise KilledError
            self.writes_left -= 1

    def load(self) -> Any:
        return self.checkpoints.load()

    def save(self, checkpoint: dict[str, Any]) -> None:
        self._write()
        self.checkpoints.save(json.loads(json.dumps(checkpoint)))

    def write_part(self, number: int, failures: Sequence[FailedItem]) -> None:
        self._write()
        self.parts[number] = list(failures)

    def check_parts(self, parts: int) -> None:
        assert set(self.parts) >= set(range(1, parts + 1))

    def merge_parts(self, parts: int) -> None:
        self._write()
        self.whole = [failure for number in range(1, parts + 1) for failure in self.parts[number]]

    def remove_parts(self, parts: int) -> None:
        self._write()
        assert set(self.parts) <= set(range(1, parts + 2))
        self.parts.clear()


def failure(item: Item, outcome: ItemOutcome = ItemOutcome.FAILED) -> FailedItem:
    return FailedItem(item.value, item.key, outcome, "ChannelRequestError", "no", weight=item.weight)


def run_state(disk: Disk, *, resume: bool = True) -> RunState:
    return RunState(disk, disk, resume=resume, now=lambda: 0.0)


@given(st.lists(st.integers(0, 400), unique=True))
def test_ledger_knows_what_is_settled_in_whatever_order(positions: list[int]) -> None:
    offsets = CommittedOffsets(taken=401)
    for position in positions:
        offsets.commit(position)
    assert [p for p in range(401) if offsets.is_committed(p)] == sorted(positions)
    assert offsets.pending == 401 - len(positions)
    assert offsets.watermark not in offsets.beyond
    again = Checkpoint.from_json(json.loads(json.dumps(Checkpoint(offsets).to_json())))
    assert again is not None
    assert again.offsets == offsets


@given(st.sets(st.integers(0, 60)))
def test_ranges_hold_the_positions_and_touch_nowhere(positions: set[int]) -> None:
    ranges = list(joined_ranges(positions))
    assert {p for first, end in ranges for p in range(first, end)} == positions
    assert all(end < following for (_, end), (following, _) in pairwise(ranges))


def test_checkpoint_of_a_million_items_is_small() -> None:
    offsets = CommittedOffsets(1_000_000, b"x" * 16, 999_000, set(range(999_001, 1_000_000, 2)))
    assert len(json.dumps(Checkpoint(offsets).to_json())) < 16_000


NOTED = Checkpoint(
    CommittedOffsets(9, b"x" * 16, 4, {5, 7}), {"succeeded": 6}, parts=1, seconds=1.5
).to_json()


def test_nothing_stored_is_no_checkpoint() -> None:
    assert Checkpoint.from_json(None) is None
    assert Checkpoint.from_json(NOTED) is not None


@pytest.mark.parametrize(
    "stored",
    [
        "text",
        {},
        {"version": 0},
        {"version": 2},
        {**NOTED, "version": 2},
        {**NOTED, "taken": -1},
        {**NOTED, "taken": True},
        {**NOTED, "taken": 1e300},
        {**NOTED, "taken": 10**30},
        {**NOTED, "mark": None},
        {**NOTED, "beyond": [[3, 5]]},
        {**NOTED, "beyond": [[7, 6]]},
        {**NOTED, "beyond": [[5]]},
        {**NOTED, "taken": 10**12, "beyond": [[5, 10**12]]},
        {**NOTED, "digest": "no hex"},
        {**NOTED, "counts": {"unheard": 1}},
        {**NOTED, "counts": {"failed": float("nan")}},
        {**NOTED, "errors": ["text"]},
        {**NOTED, "parts": "1"},
        {**NOTED, "seconds": float("inf")},
        {**NOTED, "seconds": "1"},
    ],
)
def test_checkpoint_that_is_not_plausible_is_refused_with_the_remedy(stored: Any) -> None:
    with pytest.raises(ChannelConfigurationError, match="set resume=False"):
        Checkpoint.from_json(stored)


_json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.promise(name="plausible")
@pytest.mark.fuzz
@cases(200)
@given(st.dictionaries(st.sampled_from(sorted(NOTED)), _json_values, min_size=1))
def test_whatever_is_stored_is_a_checkpoint_or_refused(changed: dict[str, Any]) -> None:
    try:
        found = Checkpoint.from_json({**NOTED, **changed})
    except ChannelConfigurationError:
        return
    assert found is not None
    json.dumps(found.to_json())
    RunState(MemoryCheckpoints(), None)._load(found)


ITEMS = 40
BAD = {3, 11, 12, 39}


def one_try(disk: Disk, done: Counter[int], draw: Iterator[int]) -> RunState:
    """Work as the engine does: some in hand, settled in some order, saved now and then."""
    kept = run_state(disk)
    if kept.finished:
        return kept
    in_hand: list[Item] = []
    for item in kept.pending_items(plan_of(Items(range(ITEMS), None))):
        in_hand.append(item)
        while len(in_hand) > next(draw) % 6:
            settled = in_hand.pop(next(draw) % len(in_hand))
            done[settled.position] += 1
            kept.record(settled, [failure(settled)] if settled.position in BAD else [])
        if next(draw) % 4 == 0:
            kept.save()
    for settled in in_hand:
        done[settled.position] += 1
        kept.record(settled, [failure(settled)] if settled.position in BAD else [])
    kept.close(finished=True)
    return kept


@settings(deadline=None)
@given(st.lists(st.integers(0, 25), max_size=6), st.randoms(use_true_random=False))
def test_each_item_counts_once_however_often_a_try_is_killed(kills: list[int], random: Any) -> None:
    disk, done = Disk(), Counter[int]()
    draw = iter(lambda: random.randrange(1_000), None)
    for writes in kills:
        disk.writes_left = writes
        try:
            one_try(disk, done, draw)
        except KilledError:
            continue
    disk.writes_left = None
    kept = one_try(disk, done, draw)
    assert kept.counts == {ItemOutcome.SUCCEEDED: ITEMS - len(BAD), ItemOutcome.FAILED: len(BAD)}
    assert disk.whole is not None
    assert sorted(lost.value for lost in disk.whole) == sorted(BAD)
    assert set(done) == set(range(ITEMS))
    assert disk.parts == {} or disk.checkpoints.load()["finished"]


def test_what_was_settled_and_saved_is_passed_over() -> None:
    disk = Disk()
    first = run_state(disk)
    items = first.pending_items(plan_of(Items("abcdef", None)))
    for item in [next(items), next(items), next(items)]:
        if item.position != 1:
            first.record(item, [])
    first.save()
    second = run_state(disk)
    assert [item.value for item in second.pending_items(plan_of(Items("abcdef", None)))] == [
        "b",
        "d",
        "e",
        "f",
    ]
    assert (second.done, second.done_before) == (2, 2)


def test_resume_off_begins_anew() -> None:
    disk = Disk()
    first = run_state(disk)
    first.record(next(first.pending_items(plan_of(Items("abc", None)))), [])
    first.save()
    assert len(list(run_state(disk, resume=False).pending_items(plan_of(Items("abc", None))))) == 3


def interrupted(disk: Disk, *, idle: bool) -> RunState:
    """Kill a try that had three items in hand, of which one was settled and noted."""
    first = run_state(disk)
    items = first.pending_items(plan_of(Items("abcdef", None)))
    first.record([next(items), next(items), next(items)][1], [])
    first.save(idle=idle)
    return run_state(disk)


def test_what_may_have_been_sent_is_uncertain_where_it_can_not_be_repeated() -> None:
    disk = Disk()
    second = interrupted(disk, idle=False)
    plan = plan_of(Items("abcdef", None), repeatable=False)
    assert [item.value for item in second.pending_items(plan)] == ["d", "e", "f"]
    assert second.counts == {ItemOutcome.SUCCEEDED: 1, ItemOutcome.UNCERTAIN: 2}
    second.close(finished=False)
    assert [(lost.value, lost.outcome) for lost in disk.whole or []] == [
        ("a", ItemOutcome.UNCERTAIN),
        ("c", ItemOutcome.UNCERTAIN),
    ]


@pytest.mark.parametrize(("idle", "repeatable"), [(True, False), (False, True), (True, True)])
def test_what_was_not_sent_or_can_be_repeated_is_sent(idle: bool, repeatable: bool) -> None:
    second = interrupted(Disk(), idle=idle)
    plan = plan_of(Items("abcdef", None), repeatable=repeatable)
    assert [item.value for item in second.pending_items(plan)] == ["a", "c", "d", "e", "f"]


ROWS = [{"id": 1}, {"id": 2}, {"id": 3}]


def left_after_one(disk: Disk, key: str | None) -> None:
    first = run_state(disk)
    items = first.pending_items(plan_of(Items(ROWS, key)))
    first.record(next(items), [failure(Item(0, ROWS[0], "1"))])
    next(items)
    first.save()


@pytest.mark.parametrize("changed", [[{"id": 9}, *ROWS], ROWS[1:], ROWS[:1], []])
def test_another_source_is_done_anew_where_keys_recognise_a_repetition(changed: list[Any]) -> None:
    disk = Disk()
    left_after_one(disk, "id")
    second = run_state(disk)
    plan = plan_of(Items(changed, "id"), has_own_keys=True)
    assert [item.value for item in second.pending_items(plan)] == changed
    assert (second.done, second.checkpoint.parts) == (0, 0)
    second.close(finished=True)
    assert disk.whole == []


@pytest.mark.parametrize(("has_own_keys", "repeatable"), [(False, True), (True, False)])
def test_another_source_is_an_error_where_a_repetition_could_do_harm(
    has_own_keys: bool, repeatable: bool
) -> None:
    disk = Disk()
    left_after_one(disk, "id")
    second = run_state(disk)
    plan = plan_of(Items([{"id": 9}, *ROWS], "id"), has_own_keys=has_own_keys, repeatable=repeatable)
    with pytest.raises(ChannelConfigurationError, match="item_key"):
        list(second.pending_items(plan))


def test_many_losses_ask_to_be_written() -> None:
    kept = run_state(Disk())
    for item in kept.pending_items(plan_of(Items(range(FAILURES_PER_PART), None))):
        assert not kept.is_full
        kept.record(item, [failure(item)])
    assert kept.is_full
    kept.save()
    assert not kept.is_full


def test_the_first_errors_are_kept_over_tries() -> None:
    disk = Disk()
    first = run_state(disk)
    for item in first.pending_items(plan_of(Items(range(9), None))):
        first.record(item, [failure(item)._replace(message=f"no {item.value}" + "x" * 999)])
    first.save()
    errors = run_state(disk).checkpoint.errors
    assert [error["message"][:4] for error in errors] == [f"no {number}" for number in range(5)]
    assert {len(error["message"]) for error in errors} == {500}


def test_a_part_of_a_batch_may_be_lost() -> None:
    kept = run_state(Disk())
    kept.record(Item(0, ["a", "b", "c"], "k", weight=3), [failure(Item(0, "b", "k"))])
    assert kept.counts == {ItemOutcome.SUCCEEDED: 2, ItemOutcome.FAILED: 1}
