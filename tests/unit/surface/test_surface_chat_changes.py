"""What a watcher reads of the lists of user chats, in either form of a page and of a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from airflow_channel_provider.exceptions import ChannelResponseError
from airflow_channel_provider.hooks.open_api import ChannelTalkOpenApiHook
from airflow_channel_provider.triggers.chat_changes import Cursor, Reading, events_of
from airflow_channel_provider.triggers.open_api import ChatFeed

Answers = Mapping[object, Any]
"""The answers about opened chats, by the cursor that they are asked for with; None for the first."""


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Reading]:
    """Read the lists once, as the feed of a watcher does."""

    def read(answers: Answers, since_ms: int = 1) -> Reading:
        def get(hook: ChannelTalkOpenApiHook, path: str, params: Mapping[str, Any]) -> Any:
            assert path == "/user-chats"
            return answers[params.get("since")] if params["state"] == "opened" else {"userChats": []}

        monkeypatch.setattr(ChannelTalkOpenApiHook, "get", get)
        feed = ChatFeed("channel_talk_open_api_default", 60.0)
        feed.wanted[0] = since_ms
        return feed._read()

    return read


def chat(name: str, at: Any, **more: Any) -> dict[str, Any]:
    return {"id": name, "updatedAt": at, "openedAt": at, **more}


def ids(reading: Reading) -> list[str]:
    return [found["id"] for found in reading.chats]


@pytest.mark.parametrize(
    "leads_on", [{"next": "x"}, {"nextCursor": "x", "hasNext": True}, {"nextCursor": "x"}], ids=str
)
def test_each_form_of_a_page_leads_to_the_next(read: Any, leads_on: dict[str, Any]) -> None:
    assert ids(
        read({None: {"userChats": [chat("a", 10)], **leads_on}, "x": {"userChats": [chat("b", 9)]}})
    ) == [
        "b",
        "a",
    ]


def test_chats_behind_an_empty_page_are_found(read: Any) -> None:
    answers = {
        None: {"userChats": [chat("a", 10)], "next": "x"},
        "x": {"userChats": [], "next": "y"},
        "y": {"userChats": [chat("b", 9)]},
    }
    assert ids(read(answers)) == ["b", "a"]


@pytest.mark.parametrize(
    "answers",
    [
        {
            None: {"userChats": [chat("a", 10)], "next": "x"},
            "x": {"userChats": [chat("b", 9)], "next": "y"},
            "y": {"userChats": [chat("c", 8)], "next": "x"},
        },
        {None: []},
        {None: {"chats": [chat("a", 10)]}},
    ],
    ids=["a circle", "no mapping", "another list"],
)
def test_what_is_no_list_of_chats_is_an_error_and_not_the_end(read: Any, answers: Answers) -> None:
    with pytest.raises(ChannelResponseError):
        read(answers)


def test_a_list_that_is_sorted_by_creation_is_not_left_before_an_old_chat_that_has_changed(read: Any) -> None:
    answers = {
        None: {"userChats": [chat("a", 100, createdAt=100), chat("b", 90, createdAt=90)], "next": "x"},
        "x": {"userChats": [chat("c", 99, createdAt=10)]},
    }
    assert ids(read(answers, since_ms=95)) == ["c", "a"]


def test_a_list_that_has_shown_its_order_is_left_where_it_is_older(read: Any) -> None:
    answers = {None: {"userChats": [chat("a", 100, createdAt=1), chat("b", 90, createdAt=90)], "next": "x"}}
    assert ids(read(answers, since_ms=95)) == ["a"]


@pytest.mark.parametrize("at", [1_769_850_000_000, "1769850000000", "2026-01-31T09:00:00Z"])
def test_each_form_of_a_time_is_read(read: Any, at: Any) -> None:
    reading = read({None: {"userChats": [chat("a", at)]}}, since_ms=5)
    new, _ = events_of(reading, Cursor(5), events=["opened"], fits=lambda _: True)
    assert reading.newest_ms == 1_769_850_000_000
    assert [(event["key"], event["at_ms"]) for event in new] == [
        ("a:opened:1769850000000", 1_769_850_000_000)
    ]
