"""A list as XCom and as a file: complete, or not there."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given
from hypothesis import strategies as st
from support.airflow_features import attach

from airflow_channel_provider.exceptions import (
    ChannelConfigurationError,
    ChannelNotSentError,
    ChannelResponseError,
)
from airflow_channel_provider.operators.paged_read import PagedReadOperator, json_line, write_json_lines

pytestmark = pytest.mark.usefixtures("errors_as_they_are")

PAGES: list[dict[str, Any]] = [
    {"managers": [{"id": "m-1", "name": "민아"}, {"id": "m-2"}], "next": "n"},
    {"managers": [{"id": "m-3"}]},
]
MANAGERS = [manager for page in PAGES for manager in page["managers"]]


def context(try_number: int = 1) -> Any:
    return {"ti": SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1, try_number=try_number)}


def read(doors: Any, *answers: Any, try_number: int = 1, **kwargs: Any) -> Any:
    operator = PagedReadOperator(**{"task_id": "t", "method": "searchManagers", **kwargs})
    doors.client.script = list(answers)
    operator.__dict__["hook"] = doors.hook()
    return operator.execute_complete(context(try_number))


def test_items_of_all_pages_are_returned(doors: Any) -> None:
    assert read(doors, *PAGES, function_params={"pagination": {"sortOrder": "SORT_ORDER_DESC"}}) == MANAGERS
    assert [params["pagination"] for _, params, _ in doors.client.calls] == [
        {"sortOrder": "SORT_ORDER_DESC", "limit": 500},
        {"sortOrder": "SORT_ORDER_DESC", "limit": 500, "since": "n"},
    ]


def test_no_more_than_the_limit_is_read(doors: Any) -> None:
    assert read(doors, *PAGES, limit=2, channel_id="ch-2") == MANAGERS[:2]
    assert [params for _, params, _ in doors.client.calls] == [
        {"channelId": "ch-2", "pagination": {"sortOrder": "SORT_ORDER_ASC", "limit": 2}}
    ]


def test_a_list_that_the_catalogue_does_not_know_is_read_by_its_field(doors: Any) -> None:
    assert read(doors, {"news": [1, 2]}, method="searchNews", items_field="news") == [1, 2]


def test_what_is_too_large_for_xcom_is_refused_with_the_remedy(doors: Any) -> None:
    size = sum(len(json_line(manager)) for manager in MANAGERS)
    assert read(doors, *PAGES, max_xcom_bytes=size) == MANAGERS
    with pytest.raises(ChannelConfigurationError) as caught:
        read(doors, *PAGES, max_xcom_bytes=size - 1)
    for word in ("the first 3 items", f"{size:,} bytes", "Give path", "limit", "max_xcom_bytes"):
        assert word in str(caught.value)


# Files


@pytest.mark.parametrize("rendered", ["", "None"])
def test_a_path_that_renders_to_nothing_is_no_wish_for_an_xcom(
    doors: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rendered: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ChannelConfigurationError, match="path has no value"):
        read(doors, path=rendered)
    assert (doors.client.calls, list(tmp_path.iterdir())) == ([], [])


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_items_are_written_to_a_file_and_where_it_is_returned(
    doors: Any, tmp_path: Path, prefix: str
) -> None:
    target = tmp_path / "new" / "managers.jsonl"
    assert read(doors, *PAGES, path=f"{prefix}{target}") == {"path": f"{prefix}{target}", "count": 3}
    assert lines(target) == MANAGERS
    assert "민아" in target.read_text(encoding="utf-8")
    assert list(target.parent.iterdir()) == [target]


def test_a_path_may_be_an_object(doors: Any, tmp_path: Path) -> None:
    target = ObjectStoragePath(f"file://{tmp_path}/managers.jsonl")
    result = read(doors, *PAGES, path=target)
    assert json.loads(json.dumps(result)) == {"path": str(target), "count": 3}


def test_a_file_holds_more_than_xcom(doors: Any, tmp_path: Path) -> None:
    assert read(doors, *PAGES, path=str(tmp_path / "a"), max_xcom_bytes=1)["count"] == 3


def test_a_list_that_breaks_off_leaves_the_file_of_the_last_run(doors: Any, tmp_path: Path) -> None:
    target = tmp_path / "managers.jsonl"
    read(doors, {"managers": [{"id": "old"}]}, path=str(target))
    with pytest.raises(ChannelNotSentError):
        read(doors, PAGES[0], ChannelNotSentError("gone"), path=str(target))
    assert lines(target) == [{"id": "old"}]
    assert list(tmp_path.iterdir()) == [target]


def test_what_a_killed_try_left_behind_is_removed_by_the_next(doors: Any, tmp_path: Path) -> None:
    target = tmp_path / "managers.jsonl"
    left: list[Path] = []

    class KilledError(BaseException):
        """As good as a kill, which a test of this process would not survive."""

    def answer(*_: Any, **__: Any) -> Any:
        left.extend(tmp_path.iterdir())
        raise KilledError

    doors.client.call_native = answer
    with pytest.raises(KilledError):
        read(doors, path=str(target))
    (part,) = left
    assert part.name.startswith("managers.jsonl.")
    assert part.name.endswith(".part")
    assert "-1." in part.name
    part.write_text('{"id":')
    del doors.client.call_native
    assert read(doors, *PAGES, path=str(target), try_number=2)["count"] == 3
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.promise(name="files")
def test_the_file_is_for_this_user_alone_whoever_might_read_the_one_before(
    doors: Any, tmp_path: Path
) -> None:
    target = tmp_path / "managers.jsonl"
    target.touch(0o666)
    read(doors, *PAGES, path=str(target))
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_names_that_are_written_under_can_not_be_foreseen(doors: Any, tmp_path: Path) -> None:
    seen: set[str] = set()

    def answer(*_: Any, **__: Any) -> Any:
        seen.update(found.name for found in tmp_path.iterdir())
        raise ChannelNotSentError("gone")

    doors.client.call_native = answer
    for _ in range(3):
        with pytest.raises(ChannelNotSentError):
            read(doors, path=str(tmp_path / "managers.jsonl"))
    assert len(seen) == 3


@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
def test_what_is_no_file_is_refused_before_anything_is_asked_for(
    doors: Any, tmp_path: Path, kind: str
) -> None:
    target, other = tmp_path / "managers.jsonl", tmp_path / "other.txt"
    other.write_text("kept")
    if kind == "link":
        target.symlink_to(other)
    elif kind == "folder":
        target.mkdir()
    else:
        os.mkfifo(target)
    with pytest.raises(
        ChannelConfigurationError, match=r"^path names .*managers.jsonl.*; (give|set) the path of"
    ):
        read(doors, *PAGES, path=str(target))
    assert doors.client.calls == []
    assert other.read_text() == "kept"


@pytest.mark.parametrize("path", ["nosuchthing://bucket/a.jsonl", "a\0b", "half \ud800"])
def test_an_address_that_is_none_is_refused_before_anything_is_asked_for(doors: Any, path: str) -> None:
    with pytest.raises(ChannelConfigurationError, match=r"^path is no"):
        read(doors, *PAGES, path=path)
    assert doors.client.calls == []


@pytest.mark.parametrize("name", ["managers.csv", "managers.jsonl.gz"])
def test_a_name_of_another_format_is_refused_before_anything_is_asked_for(
    doors: Any, tmp_path: Path, name: str
) -> None:
    with pytest.raises(ChannelConfigurationError, match=rf"^path names .*{name}, .*; let it end with .jsonl"):
        read(doors, *PAGES, path=str(tmp_path / name))
    assert doors.client.calls == []


def test_an_item_that_is_nested_too_deeply_leaves_the_old_file(doors: Any, tmp_path: Path) -> None:
    deep: list[Any] = []
    for _ in range(200_000):
        deep = [deep]
    target = tmp_path / "managers.jsonl"
    target.write_text("old")
    with pytest.raises(ChannelResponseError, match="nested too deeply"):
        read(doors, {"managers": [{"id": "m-1"}, deep]}, path=str(target))
    with pytest.raises(ChannelResponseError, match="nested too deeply"):
        read(doors, {"managers": [deep]})
    assert target.read_text() == "old"


@pytest.fixture
def bucket() -> Iterator[ObjectStoragePath]:
    attach("memory", fs=MemoryFileSystem())
    yield ObjectStoragePath("memory://bucket")
    MemoryFileSystem.store.clear()


def test_an_object_store_gets_the_whole_file_or_keeps_the_old_one(
    doors: Any, bucket: ObjectStoragePath
) -> None:
    target = bucket / "managers.jsonl"
    assert read(doors, *PAGES, path=str(target))["count"] == 3
    with pytest.raises(ChannelNotSentError):
        read(doors, PAGES[0], ChannelNotSentError("gone"), path=str(target))
    assert [json.loads(line) for line in target.read_bytes().splitlines()] == MANAGERS
    assert list(MemoryFileSystem.store) == ["/bucket/managers.jsonl"]


@given(
    items=st.lists(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text() | st.text("\ud800\n\u2028"),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
            max_leaves=5,
        ),
        max_size=5,
    )
)
def test_whatever_json_can_hold_is_one_line_and_comes_back(
    items: list[Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    target = tmp_path_factory.mktemp("jsonl") / "items"
    assert write_json_lines(ObjectStoragePath(str(target)), items, mark="m") == len(items)
    written = target.read_bytes()
    assert [json.loads(line) for line in written.split(b"\n")[:-1]] == items
