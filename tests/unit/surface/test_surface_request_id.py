from __future__ import annotations

import uuid
from types import SimpleNamespace
from typing import Any

import pytest
from support.airflow_features import has

from airflow_channel_provider import request_ids
from airflow_channel_provider.request_ids import TaskKey, for_call, for_task, task_key

KEY = TaskKey("dag", "task", "run", -1)


def enter_task(monkeypatch: pytest.MonkeyPatch, *, try_number: int = 1, **changes: Any) -> None:
    ti = SimpleNamespace(
        **{"dag_id": "d", "task_id": "t", "run_id": "r", "map_index": -1, "try_number": try_number, **changes}
    )
    if has("airflow.sdk:get_current_context"):
        monkeypatch.setattr("airflow.sdk.get_current_context", lambda: {"ti": ti})
    monkeypatch.setattr(
        "airflow.providers.common.compat.sdk.get_current_context", lambda: {"ti": ti}, raising=False
    )
    monkeypatch.setattr(request_ids, "_occurrences", request_ids._Occurrences())


def test_id_of_a_task_instance_never_changes() -> None:
    # A literal: another value would make the retries of running deployments second messages.
    assert for_task(KEY) == "811aec52-95f9-50ad-b485-8423ff05dfd5"


@pytest.mark.parametrize(
    "other",
    [
        for_task(TaskKey("dag2", "task", "run", -1)),
        for_task(TaskKey("dag", "task2", "run", -1)),
        for_task(TaskKey("dag", "task", "run2", -1)),
        for_task(TaskKey("dag", "task", "run", 0)),
        for_task(TaskKey("da", "gtask", "run", -1)),
        for_task(KEY, 0),
        for_task(KEY, 1),
    ],
)
def test_whatever_differs_gives_another_id(other: str) -> None:
    assert other != for_task(KEY)


@pytest.mark.parametrize(("map_index", "expected"), [(3, 3), (-1, -1), (None, -1)])
def test_key_of_a_context(map_index: int | None, expected: int) -> None:
    ti = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=map_index, try_number=4)
    assert task_key({"ti": ti}) == TaskKey("d", "t", "r", expected)


def test_outside_a_task_each_call_is_new() -> None:
    made = [for_call("m", {"a": 1}) for _ in range(5)]
    ids = {request_id.value for request_id in made}
    assert not any(request_id.is_lasting for request_id in made)
    assert len(ids) == 5
    assert {uuid.UUID(i).version for i in ids} == {4}


def test_each_try_of_a_task_repeats_the_ids_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    def one_try(number: int) -> list[str]:
        enter_task(monkeypatch, try_number=number)
        made = [for_call("m", {"a": 1}), for_call("m", {"a": 2}), for_call("m", {"a": 1})]
        assert all(request_id.is_lasting for request_id in made)
        return [request_id.value for request_id in made]

    first = one_try(1)
    assert len(set(first)) == 3
    assert one_try(2) == first


def test_tries_in_one_process_count_from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    occurrences = request_ids._Occurrences()
    assert [occurrences.next(("k", 1), "c"), occurrences.next(("k", 1), "c")] == [1, 2]
    assert occurrences.next(("k", 2), "c") == 1


@pytest.mark.parametrize("change", [{"map_index": 0}, {"run_id": "r2"}, {"task_id": "t2"}])
def test_another_task_instance_gets_another_id(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    enter_task(monkeypatch)
    first = for_call("m", {"a": 1})
    enter_task(monkeypatch, **change)
    assert for_call("m", {"a": 1}) != first


def test_order_of_the_parameters_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    enter_task(monkeypatch)
    first = for_call("m", {"a": 1, "b": 2})
    enter_task(monkeypatch)
    assert for_call("m", {"b": 2, "a": 1}) == first
