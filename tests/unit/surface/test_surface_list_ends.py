"""Each list function is read to its end, whatever the length of the list, the size and the published form of a page."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from support.contract_calls import smallest
from support.lists import Lists

from airflow_channel_provider.api.client import ChannelTalkClient
from airflow_channel_provider.contract.functions import CATALOGUE, LISTINGS
from airflow_channel_provider.contract.model import Paging
from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
from airflow_channel_provider.operators.paged_read import PagedReadOperator

COUNTS = (0, 1, 99, 100, 101, 500, 1_001)
PAGE_SIZES = (1, 100, 500)
LONGEST = ("listActiveOAuthManagerTargets", "searchManagers")
"""These are read in hundreds of pages, one of each kind of cursor; the others run in the same loop."""
ITEMS = [{"id": f"thing-{number:04d}"} for number in range(max(COUNTS))]
CONTEXT: Any = {"ti": SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1, try_number=1)}


def read(hook: ChannelTalkHook, method: str, page_size: int) -> tuple[list[Any], list[Any]]:
    """Return what the hook hands on, and what the operator returns that reads by it."""
    handed: list[Any] = []

    def iterate(*args: Any, **kwargs: Any) -> Iterator[Any]:
        for item in hook.iterate(*args, **kwargs):
            handed.append(item)
            yield item

    params = smallest(CATALOGUE[method].params, {"channelId": "ch-1", "appId": "app-1"})
    operator = PagedReadOperator(task_id="t", method=method, function_params=params, page_size=page_size)
    operator.__dict__["hook"] = SimpleNamespace(iterate=iterate, settings=hook.settings)
    return handed, operator._call_service(CONTEXT)


@pytest.mark.parametrize("has_next", [False, True], ids=["next", "has_next"])
@pytest.mark.parametrize("method", LISTINGS)
def test_a_list_is_read_to_its_end(doors: Any, method: str, has_next: bool) -> None:
    lists = Lists(has_next=has_next)
    doors.client = ChannelTalkClient(lists)
    hook = doors.hook()
    is_whole = LISTINGS[method].paging is Paging.WHOLE
    for count in COUNTS:
        lists.items = ITEMS[:count]
        for page_size in PAGE_SIZES:
            if page_size == 1 and count > 101 and not is_whole and method not in LONGEST:
                continue
            lists.limits = []
            handed, returned = read(hook, method, page_size)
            assert handed == returned == lists.items, (count, page_size)
            pages = max(1, -(-count // page_size))
            assert lists.limits == ([None] if is_whole else [page_size] * pages)
