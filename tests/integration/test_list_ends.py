"""
Each list function read to its end over the wire, in both published forms of a page, by the hook and by the operator.

Each length with each size of a page is in ``unit/surface/test_surface_list_ends.py``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_channel_provider.contract.functions import LISTINGS
from airflow_channel_provider.contract.model import Paging
from airflow_channel_provider.emulator import DEMO_APP_ID, DEMO_SECRET, EmulatorThread
from airflow_channel_provider.emulator.settings import PAGE_SHAPES
from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
from airflow_channel_provider.operators.paged_read import PagedReadOperator

pytestmark = pytest.mark.filterwarnings("ignore:.*cannot be called outside")

# A list of so many items, read in pages of so many.
SIZES: dict[int, tuple[int, ...]] = {
    0: (1, 100, 500),
    1: (1, 100, 500),
    2: (1, 100, 500),
    100: (100, 500),
    101: (100,),
    500: (500,),
    501: (500,),
    1_001: (100, 500),
}
CONTACT = {"mediumType": "phone", "address": "+821012345678"}


@pytest.fixture(scope="module")
def service() -> Iterator[EmulatorThread]:
    with EmulatorThread() as emulator:
        yield emulator


@pytest.fixture
def emulator(
    service: EmulatorThread, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[EmulatorThread]:
    service.reset()
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", tmp_path.joinpath("store").as_uri())
    fields = {
        "conn_type": "channel_talk",
        "host": service.url,
        "login": DEMO_APP_ID,
        "password": DEMO_SECRET,
        "extra": {"channel_id": "ch-1"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_CHANNEL_TALK_DEFAULT", json.dumps(fields))
    yield service
    service.reset()


def ids(count: int) -> list[str]:
    return [f"thing-{number:04d}" for number in range(count)]


# Each makes a list as long as it should be, and returns the parameters that read it.


def some_managers(hook: ChannelTalkHook, emulator: EmulatorThread, count: int) -> dict[str, Any]:
    managers = [{"id": name, "name": name} for name in ids(count)]
    emulator.configure(channels=[{"id": "ch-1", "managers": managers}])
    return {}


def some_groups(hook: ChannelTalkHook, emulator: EmulatorThread, count: int) -> dict[str, Any]:
    groups = [{"id": name, "title": name} for name in ids(count)]
    emulator.configure(channels=[{"id": "ch-1", "groups": groups}])
    return {}


def some_chats(hook: ChannelTalkHook, emulator: EmulatorThread, count: int) -> dict[str, Any]:
    # The next user that a contact brings is numbered one higher than the last.
    last = hook.call("findOrCreateContactAndUser", {**CONTACT, "defaultMediumLanguage": "ko"})["user"]["id"]
    prefix, _, number = last.rpartition("-")
    coming = f"{prefix}-{int(number) + 1}"
    emulator.configure(
        channels=[{"id": "ch-1", "user_chats": [{"id": name, "userId": coming} for name in ids(count)]}]
    )
    found = hook.call("findOrCreateContactAndUser", {**CONTACT, "defaultMediumLanguage": "ko"})
    assert found["user"]["id"] == coming
    return CONTACT


def some_schemas(hook: ChannelTalkHook, emulator: EmulatorThread, count: int) -> dict[str, Any]:
    emulator.configure(channels=[{"id": "ch-1"}])
    if count:
        hook.call("createAppSchemas", {"schemas": [{"key": name, "name": name} for name in ids(count)]})
    return {}


def some_properties(hook: ChannelTalkHook, emulator: EmulatorThread, count: int) -> dict[str, Any]:
    emulator.configure(channels=[{"id": "ch-1", "users": [{"id": "user-1"}]}])
    event = {"userId": "user-1", "name": "Bought", "property": dict.fromkeys(ids(count), 1)}
    hook.call("createEvent", event)
    return {"eventName": "Bought"}


LISTS: dict[str, tuple[Callable[[ChannelTalkHook, EmulatorThread, int], dict[str, Any]], str]] = {
    "searchManagers": (some_managers, "id"),
    "searchGroups": (some_groups, "id"),
    "searchUserChatsByContact": (some_chats, "id"),
    "searchUserChatSchemas": (some_schemas, "key"),
    "searchUserSchemas": (some_schemas, "key"),
    "searchEventSchemasByEventName": (some_properties, "key"),
    "listActiveOAuthManagerTargets": (some_managers, "managerId"),
}


def test_each_function_that_lists_in_pages_is_read() -> None:
    paged = {name for name, listing in LISTINGS.items() if listing.paging is not Paging.WHOLE}
    assert paged == LISTS.keys()


@pytest.mark.parametrize("method", LISTS)
def test_a_list_of_any_length_is_read_to_its_end(emulator: EmulatorThread, method: str) -> None:
    make, name = LISTS[method]
    with ChannelTalkHook() as hook:
        for count, page_sizes in SIZES.items():
            params = make(hook, emulator, count)
            for shape in PAGE_SHAPES:
                emulator.configure(page_shape=shape)
                for page_size in page_sizes:
                    found = hook.iterate(method, params, page_size=page_size)
                    assert [item[name] for item in found] == ids(count), (count, shape, page_size)
        assert {entry["outcome"] for entry in emulator.journal()} == {"ok"}


@pytest.mark.parametrize("shape", PAGE_SHAPES)
@pytest.mark.parametrize("method", LISTS)
def test_the_operator_reads_what_the_hook_reads(emulator: EmulatorThread, method: str, shape: str) -> None:
    make, name = LISTS[method]
    with ChannelTalkHook() as hook:
        params = make(hook, emulator, 1_001)
    emulator.configure(page_shape=shape)
    operator = PagedReadOperator(task_id="t", method=method, function_params=params)
    ti = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1, try_number=1)
    assert [item[name] for item in operator.execute({"ti": ti})] == ids(1_001)  # type: ignore[typeddict-item]
    reads = [entry for entry in emulator.journal() if entry["method"] == method]
    assert [entry["outcome"] for entry in reads] == ["ok"] * 3
